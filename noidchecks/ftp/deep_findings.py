"""What the conversation with an FTP server found behind the login."""

from __future__ import annotations

from ..files.findings import FileFindings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .data import DataConnection


class Attempt:
    """One way to a data connection that was tried, and what is wrong with it: "" for nothing.

    offered tells whether the server knows the way, proven whether there was anything to see of it.
    """

    __slots__ = ("method", "problem", "offered", "proven")

    def __init__(self, method: str, problem: str = "", *, offered: bool = True, proven: bool = True) -> None:
        self.method = method
        self.problem = problem
        self.offered = offered
        self.proven = proven


class DeepFindings(FileFindings):
    """What was found behind the greeting.

    connection has the data connection of the task, attempts the ways to one, refused says why nothing was listed.
    """

    __slots__ = ("connection", "user", "attempts", "refused")

    def __init__(self, connection: DataConnection, user: str) -> None:
        super().__init__()
        self.connection = connection
        self.user = user
        self.attempts: list[Attempt] = []
        self.refused = ""

    def note(self, attempt: Attempt) -> None:
        """Keeps how a way to a data connection was found; of a way tried before, a failure is kept."""
        for at, other in enumerate(self.attempts):
            if other.method == attempt.method:
                self.attempts[at] = other if other.problem else attempt
                return
        self.attempts.append(attempt)

    def explain(self, message: str) -> str:
        """Returns the message behind the task and the data connection that it is about."""
        return ": ".join(filter(None, (self.task, self.connection.opening.place, message)))
