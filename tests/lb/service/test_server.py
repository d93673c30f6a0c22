from __future__ import annotations

import asyncio
import json
import select
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from noidlb.errors import GuardError
from noidlb.events import Event, EventLog
from noidlb.guardian.lock import take
from noidlb.service import server as control
from noidlb.service.client import NoGuardian, ask, follow, require_nobody
from noidlb.service.places import socket_path
from noidlb.service.protocol import Answer, Request, RequestError
from noidlb.service.server import MAX_REQUEST, ControlServer

from tests.support.waiting import until_async as until

Serving = Callable[..., AbstractAsyncContextManager[tuple[Path, EventLog]]]


async def echo(request: Request) -> Answer:
    if request.get("do") == "refuse":
        raise RequestError("no\nway", 2)
    if request.get("do") == "break":
        raise ValueError("a defect")
    if request.get("do") == "cancel":
        raise asyncio.CancelledError
    return {"got": dict(request)}


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    @asynccontextmanager
    async def serve(idle: float = 10.0) -> AsyncIterator[tuple[Path, EventLog]]:
        events = EventLog()
        server = ControlServer(tmp_path / "run" / "control", echo, events, idle=idle)
        await server.open()
        try:
            yield tmp_path / "run" / "control", events
        finally:
            await server.close()

    return serve


async def exchange(path: Path, sent: bytes) -> list[Answer]:
    """Sends bytes and returns all answers until the server hangs up."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    writer.write_eof()
    answers = [json.loads(line) async for line in reader]
    writer.close()
    return answers


async def test_one_request_after_the_other_is_answered(serving: Serving) -> None:
    async with serving() as (path, _):
        answers = await exchange(path, b'{"do": 1}\n{"do": 2}\n')
        assert [one["got"]["do"] for one in answers] == [1, 2]
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"status\n", "not one line of JSON"),
        (b"\xff\xfe\n", "not one line of JSON"),
        (b"[" * 50000 + b"\n", "not one line of JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"x" * (MAX_REQUEST + 10) + b"\n", "longer than"),
    ],
    ids=["words", "no-utf8", "deep", "list", "long"],
)
async def test_what_is_no_request_is_refused(serving: Serving, sent: bytes, error: str) -> None:
    async with serving() as (path, _):
        (answer,) = await exchange(path, sent)
        assert (answer["ok"], answer["code"]) == (False, 3)
        assert error in answer["error"]
        assert len(await exchange(path, b"{}\n")) == 1


async def test_half_a_request_is_none(serving: Serving) -> None:
    async with serving() as (path, _):
        assert await exchange(path, b'{"do": 1}') == []


async def test_refusals_and_defects_are_answers(serving: Serving) -> None:
    async with serving() as (path, _):
        refused, broken = await exchange(path, b'{"do": "refuse"}\n{"do": "break"}\n')
        assert refused == {"ok": False, "code": 2, "error": "no way"}
        assert broken == {"ok": False, "code": 2, "error": "internal error: ValueError: a defect"}


async def test_one_who_says_nothing_is_let_go(serving: Serving) -> None:
    async with serving(idle=0.05) as (path, _):
        reader, writer = await asyncio.open_unix_connection(path)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()


async def test_too_many_clients_are_told(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_CLIENTS", 2)
    async with serving() as (path, _):
        held = [await asyncio.open_unix_connection(path) for _ in range(2)]
        for _, writer in held:
            writer.write(b"{}\n")
        for reader, _ in held:
            await reader.readline()
        (answer,) = await exchange(path, b"")
        assert "more than 2 clients" in answer["error"]
        # The request may be right.
        assert answer["code"] == 2
        for _, writer in held:
            writer.close()


async def test_one_too_many_is_told_before_it_has_sent_its_request(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_CLIENTS", 0)
    async with serving() as (path, _):
        # More than the socket takes while nothing reads.
        request = {"do": "diff", "text": "x" * 5_000_000}
        with pytest.raises(RequestError, match="more than 0 clients"):
            await asyncio.to_thread(ask, path, request)


async def test_followers_get_what_concerns_them(serving: Serving) -> None:
    async with serving() as (path, events):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "events", "farm": "f", "follow": true}\n')
        assert json.loads(await reader.readline())["ok"]
        events.add(Event(time=1, kind="up", farm="other"))
        events.add(Event(time=2, kind="down", farm="f", backend="b"))
        event = json.loads(await reader.readline())["event"]
        assert (event["kind"], event["backend"]) == ("down", "b")
        writer.close()
        # One who has gone costs nothing any more.
        await until(lambda: not events._sinks)


async def test_followers_who_leave_without_reading_are_let_go(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_CLIENTS", 2)
    async with serving() as (path, events):
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.setblocking(False)
                client.connect(str(path))
                client.send(b'{"do": "events", "follow": true}\n')
                # The answer is there, and stays unread.
                await until(lambda client=client: bool(select.select([client], [], [], 0)[0]))  # type: ignore[misc]  # its default binds it
            await until(lambda: not events._sinks)
        assert len(await exchange(path, b"{}\n")) == 1


async def test_a_follower_who_does_not_read_is_let_go(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_UNREAD", 3)
    async with serving() as (path, events):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "events", "follow": true}\n')
        await reader.readline()
        for number in range(9):
            events.add(Event(time=number, kind="up"))
        lines = [json.loads(line) async for line in reader]
        assert "left unread" in lines[-1]["error"]
        assert len(lines) < 9
        writer.close()


async def test_a_follower_who_reads_gets_all_events_of_a_mass_failure(serving: Serving) -> None:
    async with serving() as (path, events):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "events", "follow": true}\n')
        await reader.readline()
        for number in range(10_000):
            events.add(Event(time=number, kind="down", farm="f", backend=f"b{number}", reason="x" * 100))
        async with asyncio.timeout(60):
            for number in range(10_000):
                assert json.loads(await reader.readline())["event"]["backend"] == f"b{number}"
        writer.close()


async def test_a_request_that_is_given_up_at_the_end_leaves_no_traceback(serving: Serving) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with serving() as (path, _):
        # As one that waits for what the end of the service cancels.
        assert await exchange(path, b'{"do": "cancel"}\n') == []
        await asyncio.sleep(0)
    assert errors == []


async def test_the_socket_of_a_dead_guardian_is_replaced(serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "run" / "control"))
    async with serving() as (path, _):
        assert len(await exchange(path, b"{}\n")) == 1


async def test_that_of_a_living_one_is_not(serving: Serving) -> None:
    async with serving() as (path, _):
        with pytest.raises(GuardError, match="another guardian answers"):
            async with serving():
                pass
        assert len(await exchange(path, b"{}\n")) == 1


async def test_what_is_no_socket_stays(serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "control").write_text("precious")
    with pytest.raises(GuardError, match="is no socket"):
        async with serving():
            pass
    assert (tmp_path / "run" / "control").read_text() == "precious"


async def test_a_path_that_is_too_long_is_said(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / ("x" * 200), echo, EventLog())
    with pytest.raises(GuardError, match="too long"):
        await server.open()


async def test_the_client_asks_and_follows(serving: Serving) -> None:
    async with serving() as (path, events):
        answer = await asyncio.to_thread(ask, path, {"do": "x"})
        assert answer == {"ok": True, "got": {"do": "x"}}
        with pytest.raises(RequestError, match="no way") as caught:
            await asyncio.to_thread(ask, path, {"do": "refuse"})
        assert caught.value.exit_code == 2
        answers = follow(path, {"do": "events"})
        await asyncio.to_thread(next, answers)
        events.add(Event(time=1, kind="up"))
        found = await asyncio.to_thread(next, answers)
        assert found["event"]["kind"] == "up"
        await asyncio.to_thread(answers.close)  # type: ignore[attr-defined]


def test_nobody_to_ask(tmp_path: Path) -> None:
    assert ask(tmp_path / "control", {}) is None
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control"))
    assert ask(tmp_path / "control", {}) is None
    with pytest.raises(NoGuardian):
        next(follow(tmp_path / "control", {}))
    require_nobody(tmp_path / "control")


def test_a_guardian_that_listens_elsewhere_is_found_by_its_lock(tmp_path: Path) -> None:
    with take(), pytest.raises(GuardError, match=r"--socket names its socket"):
        require_nobody(tmp_path / "control")


@pytest.mark.parametrize(
    ("said", "error"), [(b"", "ended before"), (b"hello\n", "no guardian"), (b"{}", "ended before"), (b"3\n", "no gu")]
)
async def test_what_is_no_guardian_is_said(tmp_path: Path, said: bytes, error: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "control"):
        with pytest.raises(GuardError, match=error):
            await asyncio.to_thread(ask, tmp_path / "control", {})


async def test_answers_come_in_pieces_and_together(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        for piece in (b'{"n"', b': 1}\n{"n": 2}\n{"n"', b": 3}\n", b'{"n":'):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()

    def everything() -> list[object]:
        found: list[object] = []
        with pytest.raises(GuardError, match="ended before it had answered"):
            found += (answer["n"] for answer in follow(tmp_path / "control", {}))
        return found

    async with await asyncio.start_unix_server(answer, tmp_path / "control"):
        assert await asyncio.to_thread(everything) == [1, 2, 3]


async def test_a_guardian_that_is_gone_or_mute_is_said(tmp_path: Path) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Closed with the request unread: the kernel resets the connection.
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(reset, tmp_path / "reset", limit=1):
        with pytest.raises(GuardError, match=r"hung up|ended before it had answered"):
            await asyncio.to_thread(ask, tmp_path / "reset", {"do": "x" * 1_000_000})
    async with await asyncio.start_unix_server(mute, tmp_path / "mute"):
        with pytest.raises(GuardError, match="does not answer"):
            await asyncio.to_thread(ask, tmp_path / "mute", {}, timeout=0.1)


def test_where_the_socket_is() -> None:
    assert socket_path("/var/lib/noidlb") == socket_path(Path("/var/lib/noidlb/")) == "/run/noidlb/control"
    assert socket_path("/srv/x") == "/srv/x/control"
    assert socket_path(Path("/srv/x"), "/tmp/y") == "/tmp/y"
