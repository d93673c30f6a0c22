"""`python -m noidchecks`: runs the command noidchecks where it is not in the PATH."""

from .cli import main

main()
