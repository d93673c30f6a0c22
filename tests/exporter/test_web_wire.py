from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from noidchecks.exporter.web import TIMEOUT_FIELD
from tests.conftest import NewPeer
from tests.exporter.serving import GREETING, exporter, shown
from tests.support.peers import await_text


async def test_a_probe(new_peer: NewPeer) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"))
    async with exporter() as running:
        answer = await running.get(f"/probe?target={shown(peer.host, peer.port)}&module=ftp")
    assert answer.status == 200
    assert answer.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = answer.samples
    assert found["probe_success"] == 1
    assert found["probe_ip_protocol"] == (6 if ":" in peer.host else 4)
    assert found["noidchecks_state"] == 0
    assert found["noidchecks_reply_code"] == 220
    assert found['noidchecks_phase_seconds{phase="greeting"}'] > 0
    assert found["probe_timeout_seconds"] == 10


async def test_the_dialogue_is_shown_when_asked_for(new_peer: NewPeer) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"))
    async with exporter() as running:
        answer = await running.get(f"/probe?target={shown(peer.host, peer.port)}&module=ftp&debug=true")
        assert answer.fields["content-type"] == "text/plain; charset=utf-8"
        for words in ("FTP OK", r"220 Ready.\r\n", "QUIT", "probe_success 1", 'ftp = "check_ftp"'):
            assert words in answer.text
        kept = await running.get("/logs?id=0")
        assert kept.text == answer.text


async def test_no_password_is_shown(new_peer: NewPeer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim123\n")
    (tmp_path / "modules.toml").write_text(
        f'modules.login = "check_ftp --user monitor --password-file {tmp_path / "password"}"\n'
        'modules.shown = "check_sftp --user monitor --secret geheim123"\n'
    )
    peer = new_peer(GREETING, await_text(b"USER"), b"331 geheim123?\r\n", await_text(b"PASS"), b"530 no, geheim123\r\n")
    async with exporter(modules=str(tmp_path / "modules.toml")) as running:
        answer = await running.get(f"/probe?target={shown(peer.host, peer.port)}&module=login&debug=true")
        pages = [answer.text, (await running.get("/")).text, (await running.get("/logs?id=0")).text]
        assert any(b"PASS geheim123" in received for received in peer.received)
    assert all("geheim123" not in page for page in pages)
    assert "530 no, ****" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/probe?target=127.0.0.1:1&module=none", 400, "module 'none' is unknown: there are ftp, ftp_tls, tftp, ssh"),
        ("/probe?target=127.0.0.1:1", 400, "parameter module is missing"),
        ("/probe?module=ftp", 400, "parameter target is missing"),
        ("/probe?module=ftp&target=", 400, "parameter target is missing"),
        ("/probe?module=ftp&target=127.0.0.1&target=10.0.0.1", 400, "parameter target is there twice"),
        ("/probe?module=ftp&target=10.0.0.1", 403, "target 10.0.0.1 is not allowed"),
        ("/probe?module=ftp&target=169.254.169.254:80", 403, "is not allowed"),
        ("/probe?module=ftp&target=0x7f.1", 200, "probe_success"),
        ("/probe?module=ftp&target=2130706434", 200, "probe_success"),
        ("/probe?module=ftp&target=134744072", 403, "is not allowed"),
        ("/probe?module=ftp&target=127.0.0.1:0", 400, "port must be 1 to 65535"),
        ("/probe?module=ftp&target=-H", 400, "neither"),
        ("/probe?module=ftp&target=a%20b", 400, "neither"),
        ("/probe?module=ftp&target=a%0d%0aX:%20y", 400, "neither"),
        ("/probe?module=ftp&target=%2Frun%2Fx", 400, "unix socket"),
        ("/probe?module=ftp&target=%FF", 400, "neither"),
        ("/logs?id=0", 404, "no probe of that id is kept"),
        ("/logs?id=x", 404, "no probe of that id is kept"),
        ("/logs", 400, "parameter id is missing"),
        ("/nothing", 404, "Not Found"),
        ("/-/reload", 405, "takes POST, PUT"),
    ],
)
async def test_a_wrong_request_gets_one_sentence(path: str, status: int, words: str) -> None:
    async with exporter() as running:
        answer = await running.get(path, f"{TIMEOUT_FIELD}: 2")
        assert answer.status == status, answer.text
        assert words in answer.text
        assert status == 200 or answer.text.count("\n") == 1
        found = (await running.get("/metrics")).samples
        assert found[f'noidchecks_exporter_responses_total{{code="{status}"}}'] == 1


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405), ("DELETE", 405), ("OPTIONS", 405)])
async def test_other_methods(method: str, status: int) -> None:
    async with exporter() as running:
        for path in ("/", "/metrics", "/-/healthy", "/-/ready"):
            answer = await running.get(path, method=method)
            assert answer.status == status, path
            assert ("allow" in answer.fields) == (status == 405)
            if method == "HEAD":
                assert answer.text == ""


@pytest.mark.parametrize("field", ["", "x", "0", "-1", "nan", "inf", "1e999"])
async def test_a_scrape_timeout_that_is_none(field: str) -> None:
    async with exporter() as running:
        answer = await running.get("/probe?module=ftp&target=127.0.0.1:1", f"{TIMEOUT_FIELD}: {field}")
    assert answer.status == 400
    assert TIMEOUT_FIELD in answer.text


@pytest.mark.parametrize(
    ("module", "field", "seconds"),
    [
        ("plain", "3", 2.5),
        ("plain", "0.6", 0.3),
        ("plain", "1e6", 600),
        ("plain", None, 10),
        ("own", "15", 7),
        ("own", "3", 2.5),
        ("own", None, 7),
    ],
)
async def test_the_deadline_of_a_probe(module: str, field: str | None, seconds: float, tmp_path: Path) -> None:
    (tmp_path / "m").write_text('[modules]\nplain = "check_ftp"\nown = "check_ftp -t 7"\n')
    async with exporter(modules=str(tmp_path / "m")) as running:
        fields = () if field is None else (f"{TIMEOUT_FIELD}: {field}",)
        answer = await running.get(f"/probe?module={module}&target=127.0.0.1:1", *fields)
    assert answer.samples["probe_timeout_seconds"] == seconds


async def test_a_silent_server_takes_no_longer_than_the_scrape(new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"never"))
    async with exporter() as running:
        path = f"/probe?module=ftp&target={shown(peer.host, peer.port)}"
        answer = await running.get(path, f"{TIMEOUT_FIELD}: 0.8")
    assert answer.samples["probe_success"] == 0
    assert answer.samples['noidchecks_failure_info{kind="DeadlineExceeded",phase="greeting"}'] == 1
    assert answer.samples["probe_duration_seconds"] > 0.2


async def test_more_probes_than_may_run_wait_or_get_a_503(new_peer: NewPeer) -> None:
    silent = new_peer(await_text(b"never"))
    async with exporter(concurrency=1) as running:
        path = f"/probe?module=ftp&target={shown(silent.host, silent.port)}"
        first = asyncio.create_task(running.get(path, f"{TIMEOUT_FIELD}: 4"))
        await running.wait_for("noidchecks_exporter_probes_running", 1)
        late = await running.get(path, f"{TIMEOUT_FIELD}: 0.8")
        assert late.status == 503
        assert "all 1 probes" in late.text
        # Those that have given up hold no place in the queue.
        for refused in await asyncio.gather(*(running.get(path, f"{TIMEOUT_FIELD}: 0.6") for _ in range(10))):
            assert refused.status == 503
        assert (await running.get("/metrics")).samples["noidchecks_exporter_probes_waiting"] == 0
        # One that has more time gets its turn, and what is left of its time.
        assert (await running.get(path, f"{TIMEOUT_FIELD}: 12")).samples["probe_success"] == 0
        assert (await first).samples["probe_success"] == 0
        found = (await running.get("/metrics")).samples
        assert found["noidchecks_exporter_probes_running"] == 0
        assert found["noidchecks_exporter_probes_waiting"] == 0


async def test_a_broken_file_leaves_the_old_modules(tmp_path: Path) -> None:
    path = tmp_path / "modules.toml"
    path.write_text('[modules]\none = "check_ftp"\n')
    async with exporter(modules=str(path)) as running:
        path.write_text('[modules]\ntwo = "check_ftp"\nthree = "check_ftp --nonsense"\n')
        answer = await running.get("/-/reload", method="POST")
        assert answer.status == 400
        assert answer.text == (
            f"{path}:3: module three: unrecognized option '--nonsense'; the modules stay as they were\n"
        )
        assert (await running.get("/probe?module=one&target=127.0.0.1:1")).status == 200
        assert (await running.get("/probe?module=two&target=127.0.0.1:1")).status == 400
        assert (await running.get("/metrics")).samples["noidchecks_exporter_config_last_reload_successful"] == 0
        assert "could not be read again" in (await running.get("/")).text
        path.write_text('[modules]\ntwo = "check_ftp"\n')
        assert (await running.get("/-/reload", method="POST")).status == 200
        assert (await running.get("/probe?module=two&target=127.0.0.1:1")).status == 200
        assert (await running.get("/probe?module=one&target=127.0.0.1:1")).status == 400
        assert (await running.get("/metrics")).samples["noidchecks_exporter_config_last_reload_successful"] == 1
        assert "could not be read again" not in (await running.get("/")).text


async def test_the_index_shows_the_last_probes_and_nothing_of_a_peer_unescaped(new_peer: NewPeer) -> None:
    peer = new_peer(b"220 <script>alert(1)</script>\x1b[31m\xe2\x80\xae\r\n", await_text(b"QUIT"))
    async with exporter() as running:
        assert "None yet." in (await running.get("/")).text
        await running.get(f"/probe?module=ftp&target={shown(peer.host, peer.port)}")
        await running.get("/probe?module=tftp&target=127.0.0.1:1")
        answer = await running.get("/")
    assert answer.fields["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in answer.text
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    assert answer.text.index("tftp</td>") < answer.text.index("ftp</td>", answer.text.index("tftp</td>") + 9)


async def test_the_index_is_fetched_again_unless_somebody_stops_it() -> None:
    async with exporter() as running:
        assert (await running.get("/")).fields["refresh"] == "15"
        assert "refresh" not in (await running.get("/?refresh=off")).fields


async def test_a_failure_outlives_many_successes(new_peer: NewPeer) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"))
    async with exporter(history=2) as running:
        await running.get("/probe?module=ssh&target=127.0.0.1:1")
        for _ in range(4):
            await running.get(f"/probe?module=ftp&target={shown(peer.host, peer.port)}")
        page = (await running.get("/")).text
        assert page.count("logs?id=") == 3
        assert "Connection refused" in page
        assert (await running.get("/logs?id=0")).status == 200
        assert (await running.get("/logs?id=1")).status == 404


async def test_an_address_that_is_taken_and_one_that_is_none(nothing_left: object) -> None:
    from noidchecks.errors import UsageError

    async with exporter() as running:
        with pytest.raises(UsageError, match=r"Cannot listen on 127.0.0.1:\d+: Address already in use"):
            async with exporter(listen=(("127.0.0.1", running.port),)):
                pass
    with pytest.raises(UsageError, match=r"Cannot listen on nothing.invalid:1: "):
        async with exporter(listen=(("nothing.invalid", 1),)):
            pass
