"""The only import of paramiko, which is kept from standard error."""

from __future__ import annotations

import logging
import warnings

with warnings.catch_warnings():
    # Of what its own libraries will drop one day; standard error is no place for that.
    warnings.simplefilter("ignore")
    import paramiko as paramiko

# Without a handler, logging prints paramiko's tracebacks on standard error. A program that configures logging still
# gets them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
