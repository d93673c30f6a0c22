"""Clients that say nothing, half of something, too much, or read nothing."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AbstractContextManager, ExitStack

import pytest

from noidchecks.exporter import clients, prober, web
from tests.conftest import NewPeer
from tests.exporter.serving import GREETING, Answer, Running, exporter, shown
from tests.support.peers import await_text

HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
DROPPED = "noidchecks_exporter_clients_dropped_total"


def connected(running: Running, opened: ExitStack, data: bytes = b"") -> socket.socket:
    """Connects without waiting for the loop that this runs in."""
    client = opened.enter_context(socket.create_connection(("127.0.0.1", running.port)))
    client.sendall(data)
    client.setblocking(False)
    return client


async def read(client: socket.socket) -> bytes:
    async with asyncio.timeout(60):
        return await asyncio.get_running_loop().sock_recv(client, 65536)


@pytest.mark.parametrize("said", [b"", b"GET /probe?", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_half_open_clients_lose_no_probe(said: bytes, new_peer: NewPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "_MOST_CLIENTS", 16)
    peer = new_peer(GREETING, await_text(b"QUIT"))
    with ExitStack() as opened:
        async with exporter() as running:
            kept = connected(running, opened, HEALTHY)
            assert (await read(kept)).startswith(b"HTTP/1.1 200")
            for number in range(100):
                connected(running, opened, said)
                if not number % 20:
                    answer = await running.get(f"/probe?module=ftp&target={shown(peer.host, peer.port)}")
                    assert answer.samples["probe_success"] == 1
            found = (await running.get("/metrics")).samples
            assert found["noidchecks_exporter_clients"] <= 16
            assert found[DROPPED] >= 84
            # One that has asked before, such as Prometheus, keeps its connection.
            kept.sendall(HEALTHY)
            assert (await read(kept)).startswith(b"HTTP/1.1 200")


async def test_clients_that_ask_once_and_stay_do_not_push_out_one_that_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they ask for: who has no password is told so, and has asked."""
    monkeypatch.setattr(prober, "_MOST_CLIENTS", 16)
    with ExitStack() as opened:
        async with exporter() as running:
            for _ in range(16):
                assert await read(connected(running, opened, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"))
            newcomer = connected(running, opened)
            for _ in range(4):
                assert await read(connected(running, opened, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"))
            newcomer.sendall(HEALTHY)
            assert (await read(newcomer)).startswith(b"HTTP/1.1 200")


async def test_one_that_never_asks_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "FIRST_REQUEST", 0.1)
    monkeypatch.setattr(clients, "_SWEEP", 0.05)
    with ExitStack() as opened:
        async with exporter() as running:
            silent, slow = connected(running, opened), connected(running, opened, b"GET / HT")
            for client in (silent, slow):
                assert await read(client) == b""
            assert (await running.get("/metrics")).samples[DROPPED] == 2


async def test_one_that_never_reads_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "UNREAD", 0.2)
    # More than the buffers of the kernel take.
    monkeypatch.setattr(web, "index_page", lambda *_, **__: "x" * (1 << 25))
    with ExitStack() as opened:
        async with exporter() as running:
            connected(running, opened, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await running.wait_for("noidchecks_exporter_clients", 2)
            await running.wait_for("noidchecks_exporter_clients", 1)
            assert (await running.get("/metrics")).samples[DROPPED] == 1


async def test_one_that_sends_requests_and_never_reads_holds_nobody_up() -> None:
    with ExitStack() as opened:
        async with exporter() as running:
            client = connected(running, opened)
            sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(client, HEALTHY * 100_000))
            for _ in range(5):
                assert (await running.get("/-/healthy")).status == 200
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def test_what_is_sent_ahead_waits_in_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    begun = 0
    ahead: list[int] = []
    take, busy = clients._Client.data_received, clients.Clients.busy

    def counted(client: clients._Client, data: bytes) -> None:
        taken.append(len(data))
        ahead.append(sum(taken) - begun * len(HEALTHY))
        take(client, data)

    def noted(self: clients.Clients, transport: asyncio.BaseTransport | None) -> AbstractContextManager[None]:
        nonlocal begun
        begun += 1
        return busy(self, transport)

    monkeypatch.setattr(clients._Client, "data_received", counted)
    monkeypatch.setattr(clients.Clients, "busy", noted)
    async with exporter() as running:
        answers = await running.send(HEALTHY * 5000 + HEALTHY.replace(b"Host: x", b"Host: x\r\nConnection: close"))
    assert answers.count(b"Healthy") == 5001
    # Neither in one piece nor in many.
    assert max(taken) < 65536
    assert max(ahead) < 100_000


async def test_a_request_without_end_is_hung_up_on() -> None:
    async with exporter() as running:
        with ExitStack() as opened:
            client = connected(running, opened, b"GET / HTTP/1.1\r\nHost: x\r\n")
            with pytest.raises(OSError, match=r"reset|pipe"):
                await asyncio.get_running_loop().sock_sendall(client, b"X: y\r\n" * 1_000_000)
        await running.wait_for("noidchecks_exporter_clients", 1)


async def test_what_is_sent_ahead_of_the_answers_is_answered_in_order(new_peer: NewPeer) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"))
    async with exporter() as running:
        probe = f"GET /probe?module=ftp&target={shown(peer.host, peer.port)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await running.send(probe * 20 + last)
    assert answer.count(b"probe_success 1\n") == 20
    assert answer.index(b"404 Not Found") > answer.rindex(b"probe_success 1\n")


async def test_one_that_sends_no_more_is_answered(new_peer: NewPeer) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"))
    probe = f"GET /probe?module=ftp&target={shown(peer.host, peer.port)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with exporter() as running:
        for asked, words in ((probe, b"probe_success 1\n"), (HEALTHY, b"Healthy"), (b"", b"")):
            with ExitStack() as opened:
                client = connected(running, opened, asked)
                client.shutdown(socket.SHUT_WR)
                answer = b""
                while more := await read(client):
                    answer += more
            assert words in answer
            assert bool(answer) == bool(asked)
        await running.wait_for("noidchecks_exporter_clients", 1)


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /probe HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with exporter() as running:
        assert Answer(await running.send(sent)).status == 400
        assert (await running.get("/-/healthy")).status == 200
    # What strangers send fills no log.
    assert caplog.records == []


async def test_a_defect_has_its_traceback(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    async with exporter() as running:
        monkeypatch.setattr(running.service.exporter, "_guarded", fail)
        assert (await running.get("/-/healthy")).status == 500
    assert "RuntimeError: a defect" in caplog.text


async def test_a_body_that_never_comes_holds_nobody_up() -> None:
    with ExitStack() as opened:
        async with exporter() as running:
            client = connected(running, opened, b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n")
            assert (await read(client)).startswith(b"HTTP/1.1 200")
            assert (await running.get("/-/healthy")).status == 200


async def test_a_compressed_body_is_not_unfolded() -> None:
    # What is unfolded would be found to be no such body.
    first = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Encoding: deflate\r\nContent-Length: 4\r\n\r\nnone"
    async with exporter() as running:
        answers = await running.send(first + b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answers.count(b"Healthy") == 2


async def test_one_that_goes_away_costs_no_probe(new_peer: NewPeer) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"))
    probe = f"GET /probe?module=ftp&target={shown(peer.host, peer.port)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with exporter() as running:
        for _ in range(20):
            with ExitStack() as opened:
                connected(running, opened, probe)
        await running.wait_for("noidchecks_exporter_clients", 1)
        # Each of the 20 is given up a moment after its client has gone.
        await running.wait_for("noidchecks_exporter_probes_running", 0)


async def test_the_end_lets_requests_under_way_be_answered(new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"never"))
    async with exporter() as running:
        path = f"/probe?module=ftp&target={shown(peer.host, peer.port)}"
        waiting = asyncio.create_task(running.get(path, "X-Prometheus-Scrape-Timeout-Seconds: 2"))
        await running.wait_for("noidchecks_exporter_probes_running", 1)
    assert (await waiting).samples["probe_success"] == 0
