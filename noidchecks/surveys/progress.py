"""What a survey shows on a terminal while it runs."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# A terminal that is gone must not end the survey.
_UNHEARD = suppress(OSError)


class ProgressBar:
    """A bar for each round on standard error, when that is a terminal, and lines there that do not run into it.

    new_bar makes one of a length; say prints a line.
    """

    def __init__(self, new_bar: Callable[[int], Any], say: Callable[[str], None]) -> None:
        self._new_bar = new_bar
        self._say = say
        # Python has neither when it was started with it closed.
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        # Lines on another device have nothing to wait for, nor has the bar.
        self._shares = self._shown and sys.stdout is not None and sys.stdout.isatty()
        self._lock = Lock()
        self._bar: Any = None

    def show(self, done: int, expected: int) -> None:
        """Moves the bar; a finished one stays where it is."""
        if not self._shown:
            return
        with self._lock, _UNHEARD:
            if self._bar is None:
                self._bar = self._new_bar(expected)
            self._bar.update(1)
            if done == expected:
                self._bar.render_finish()
                self._bar = None

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Makes room for lines of standard output on the same terminal; the bar comes again with its next step."""
        if not self._shares:
            yield
            return
        with self._lock:
            self._clear()
            yield

    def say(self, words: str) -> None:
        """Prints a line."""
        with self._lock:
            self._clear()
            self._say(words)

    def _clear(self) -> None:
        if self._bar is not None:
            with _UNHEARD:
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()
