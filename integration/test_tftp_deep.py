"""What check_tftp asks beyond one file, of the real servers: several files, expected errors, and a canary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.daemon import Daemon
from integration.servers import FILES, HOST, HOST6, UNPACKED, Server, free_port
from noidchecks import Range, TftpProbe, check
from noidchecks.tftp.file import TftpFile

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]


def serve(folder: Path) -> Path:
    """Makes a folder that the servers' users may write to."""
    folder.chmod(0o755)
    files = folder / "files"
    files.mkdir()
    files.chmod(0o777)
    return files


@pytest.fixture(scope="module")
def writable_hpa(new_folder: NewFolder) -> Iterator[Server]:
    """A tftpd-hpa that takes files."""
    folder, port = new_folder(), free_port()
    files = serve(folder)
    argv: list[str | Path] = ["/usr/sbin/in.tftpd", "--foreground", "--address", f":{port}", "--user", "tftp"]
    with Daemon([*argv, "--create", "--secure", files], folder) as daemon:
        daemon.wait_for_tftp((HOST, HOST6), port)
        yield Server(daemon=daemon, port=port, files=files)


@pytest.fixture(scope="module")
def writable_atftpd(new_folder: NewFolder) -> Iterator[Server]:
    """An atftpd that takes files, as it does whenever it may."""
    folder, port = new_folder(), free_port()
    files = serve(folder)
    argv: list[str | Path] = [UNPACKED / "usr/sbin/atftpd", "--daemon", "--no-fork", "--bind-address", HOST]
    argv += ["--port", str(port), "--user", "nobody.nogroup", "--logfile", "-", files]
    with Daemon(argv, folder) as daemon:
        daemon.wait_for_tftp((HOST,), port)
        yield Server(daemon=daemon, port=port, files=files, host6=None)


def server(request: pytest.FixtureRequest, name: str) -> Server:
    found: Server = request.getfixturevalue(name)
    return found


@pytest.mark.parametrize("name", ["tftpd_hpa", "atftpd"])
def test_several_files(request: pytest.FixtureRequest, name: str) -> None:
    one = server(request, name)
    further = (TftpFile("blocks.bin", size=Range(1024, 1024)),)
    probe = TftpProbe(one.host, "hello.txt", port=one.port, further=further)
    result = check(probe)
    assert result.text.startswith(f"TFTP OK - Received {sum(map(len, FILES.values()))} bytes in "), str(result)
    result = check(probe.replace(further=(TftpFile("nosuch"),)))
    assert result.text.startswith("TFTP CRITICAL - nosuch: "), str(result)


@pytest.mark.parametrize("name", ["tftpd_hpa", "atftpd"])
def test_expected_error(request: pytest.FixtureRequest, name: str) -> None:
    one = server(request, name)
    probe = TftpProbe(one.host, "nosuch", port=one.port, expect_error=1)
    assert check(probe).ok
    result = check(probe.replace(filename="hello.txt"))
    assert result.text == "TFTP CRITICAL - hello.txt: expected error 1, received DATA"


@pytest.mark.parametrize("size", [1, 512, 1024, 100_000])
@pytest.mark.parametrize("blksize", [None, 1428])
@pytest.mark.parametrize("name", ["writable_hpa", "writable_atftpd"])
def test_canary(request: pytest.FixtureRequest, name: str, blksize: int | None, size: int) -> None:
    one = server(request, name)
    for host in filter(None, (one.host, one.host6)):
        probe = TftpProbe(host, put="canary", port=one.port, put_size=size, blksize=blksize, tsize=True)
        # Twice: the second time the file is there and is overwritten.
        for _ in range(2):
            result = check(probe)
            assert result.text.startswith(f"TFTP OK - Wrote {size} bytes and read them back in "), str(result)
        assert (one.files / "canary").stat().st_size == size


@pytest.mark.parametrize(("name", "code"), [("tftpd_hpa", 1), ("atftpd", 2)])
def test_canary_that_is_refused(request: pytest.FixtureRequest, name: str, code: int) -> None:
    one = server(request, name)
    result = check(TftpProbe(one.host, put="canary", port=one.port))
    assert result.text.startswith("TFTP CRITICAL - c"), str(result)
    assert f"(error {code}" in result.text
    assert check(TftpProbe(one.host, put="canary", port=one.port, expect_error=code)).ok
    assert not (one.files / "canary").exists()


@pytest.mark.parametrize("name", ["tftpd_hpa", "atftpd"])
def test_what_was_negotiated_and_seen_is_reported(request: pytest.FixtureRequest, name: str) -> None:
    one = server(request, name)
    result = check(TftpProbe(one.host, filename="blocks.bin", port=one.port, blksize=700, tsize=True))
    assert result.ok, result.text
    facts = result.facts
    options = facts["options"]
    assert isinstance(options, dict)
    assert {name: int(value) for name, value in options.items()} == {"blksize": 700, "tsize": 1024}
    assert (facts["blocks"], facts["retransmissions"], facts["duplicates"]) == (2, 0, 0)
    assert isinstance(facts["rtt"], float)
    assert facts["foreign_packets"] == 0
