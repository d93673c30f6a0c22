"""The login (RFC 959 section 5.4)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from ..files.settings import Login
    from .control import Control


def log_in(control: Control, login: Login) -> Dialogue[None]:
    """Sends USER, and PASS if the server requires it; raises PeerError with the reason of a refusal."""
    yield from control.enter("login")
    yield from control.keep_secret(login.password)
    reply = yield from control.first_command("USER", login.user)
    if reply.kind == 3 and reply.code != 332:
        reply = yield from control.password(login.password)
    if reply.kind == 2:
        return
    match reply.code:
        case 332:
            raise control.unexpected("the server wants an account (ACCT), which is not supported", "230", reply)
        case 421:
            raise control.unexpected("the server turns us away", "230", reply)
        case _ if reply.kind in (4, 5):
            # 530 by the RFC, and 430, 534 or 550 of some servers.
            raise control.unexpected("refused", "230", reply)
        case _:
            raise control.unexpected("unexpected reply", "230 or 331", reply)
