"""The findings of an FTP dialogue after the login."""

from __future__ import annotations

from ..files.findings import FileFindings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .data import DataConnection


class Attempt:
    """A method of opening a data connection that was tried, and its problem, "" for none.

    offered is false when the server refuses the method, proven is false when the server opened no data connection
    because it had nothing to send.
    """

    __slots__ = ("method", "problem", "offered", "proven")

    def __init__(self, method: str, problem: str = "", *, offered: bool = True, proven: bool = True) -> None:
        self.method = method
        self.problem = problem
        self.offered = offered
        self.proven = proven


class DeepFindings(FileFindings):
    """The findings after the greeting.

    connection performs the transfers, attempts has the methods tried to open data connections, refused the reason why
    nothing was listed.
    """

    __slots__ = ("connection", "user", "attempts", "refused")

    def __init__(self, connection: DataConnection, user: str) -> None:
        super().__init__()
        self.connection = connection
        self.user = user
        self.attempts: list[Attempt] = []
        self.refused = ""

    def note(self, attempt: Attempt) -> None:
        """Adds the attempt; for a method that was tried before, a failed attempt is kept."""
        for at, other in enumerate(self.attempts):
            if other.method == attempt.method:
                self.attempts[at] = other if other.problem else attempt
                return
        self.attempts.append(attempt)

    def explain(self, message: str) -> str:
        """Returns the message, preceded by the task and the data connection that it is about."""
        return ": ".join(filter(None, (self.task, self.connection.opening.place, message)))
