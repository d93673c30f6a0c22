"""The name under which the tests of farms wait on an event loop."""

from tests.support.waiting import until_async as until

__all__ = ["until"]
