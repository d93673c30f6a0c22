"""The progress bar of a survey on a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# Ignores errors of a closed terminal, which must not end the survey.
_UNHEARD = suppress(OSError)


class ProgressBar:
    """A progress bar for each round on standard error, if that is a terminal, and lines that do not overwrite it.

    new_bar returns a bar of a length; say prints a line.
    """

    def __init__(self, new_bar: Callable[[int], Any], say: Callable[[str], None]) -> None:
        self._new_bar = new_bar
        self._say = say
        # sys.stderr and sys.stdout are None when the process was started with them closed.
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        # Lines of standard output can overwrite the bar only when both are terminals.
        self._shares = self._shown and sys.stdout is not None and sys.stdout.isatty()
        self._lock = Lock()
        self._bar: Any = None

    def show(self, done: int, expected: int) -> None:
        """Advances the bar; a finished bar remains on the terminal."""
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
        """Hides the bar while lines are written to the same terminal; its next step shows it again."""
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
