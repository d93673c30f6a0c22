from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from noidlb.cli import doctor as cli_doctor
from noidlb.cli.codes import DONE, FOUND
from noidlb.cli.main import _run
from noidlb.doctor.finding import FAULT, NOTE, OK, Finding
from noidlb.farm import Farm

FARM = '[farms.f]\nprotocol = "ftp"\nvip = "192.0.2.1"\nbackends = [{ name = "b", address = "10.0.0.1" }]\n'
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*words: object) -> tuple[int, str]:
        code = _run([str(word) for word in words])
        return code, capsys.readouterr().out

    return ran


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "farms.toml"
    path.write_text(FARM)
    return path


def test_doctor_for_programs(run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding(OK, "nft", "v1"), Finding(NOTE, "x", "y\n"), Finding(FAULT, "firewall", "drops", "nft 'x'")]
    monkeypatch.setattr(cli_doctor, "examine", lambda farms, **_: iter(found))
    monkeypatch.setattr(cli_doctor, "examine_guardian", lambda *_: iter(()))
    code, output = run("doctor", "--json", "--file", file, "--state-dir", tmp_path)
    assert code == FOUND
    assert json.loads(output) == [
        {"level": "ok", "subject": "nft", "text": "v1", "cure": ""},
        {"level": "note", "subject": "x", "text": "y\n", "cure": ""},
        {"level": "fault", "subject": "firewall", "text": "drops", "cure": "nft 'x'"},
    ]
    code, output = run("doctor", "--file", file, "--state-dir", tmp_path)
    assert code == FOUND
    assert output.endswith("fault  firewall: drops: nft 'x'\n")
    found.pop()
    assert run("doctor", "--json", "--state-dir", tmp_path)[0] == DONE


def test_a_pair_and_what_was_applied_are_told(
    run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, object]] = []

    def examine(farms: tuple[Farm, ...], **changes: object) -> Iterator[Finding]:
        told.append(changes)
        return iter(())

    monkeypatch.setattr(cli_doctor, "examine", examine)
    monkeypatch.setattr(cli_doctor, "examine_guardian", lambda *_: iter(()))
    monkeypatch.setattr(cli_doctor, "examine_pair", lambda *_: iter(()))
    run("doctor", "--state-dir", tmp_path)
    (tmp_path / "farms.toml").write_text((Path(__file__).parents[1] / "valid" / "pair.toml").read_text())
    run("doctor", "--state-dir", tmp_path)
    assert told == [{"in_pair": False, "applied": True}, {"in_pair": True, "applied": True}]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "fault  guardian: process 7 has the lock, but the guardian at {} does not answer"),
        (b'{"ok": false, "error": "do must be one of"}\n', "ok     guardian: process 7 watches the farms: its version"),
        (
            b'{"summary": "1 farm", "troubles": ["Full"]}\n',
            "ok     guardian: process 7 watches the farms: 1 farm\nwarn",
        ),
    ],
)
def test_it_asks_the_guardian(
    run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, text: str
) -> None:
    monkeypatch.setattr(cli_doctor, "examine", lambda farms, **_: iter(()))
    monkeypatch.setattr(cli_doctor, "holder", lambda: "process 7")
    monkeypatch.setattr(cli_doctor, "_PATIENCE", 60.0 if answer else 0.05)
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as guardian:
        guardian.bind(str(path))
        guardian.listen()

        def serve() -> None:
            with guardian.accept()[0] as client:
                client.recv(1000)
                client.sendall(answer)
                # Until it hangs up.
                client.recv(1000)

        serving = threading.Thread(target=serve)
        serving.start()
        code, output = run("doctor", "--file", file, "--state-dir", tmp_path)
        serving.join()
    assert text.format(path) in output
    assert code == (DONE if answer else FOUND)


def test_a_damaged_copy_is_a_finding_among_the_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_doctor, "examine", lambda farms, **_: iter([Finding(OK, "nft", "v1")]))
    monkeypatch.setattr(cli_doctor, "examine_guardian", lambda *_: iter(()))
    copy = tmp_path / "farms.toml"
    copy.write_text("broken\n")
    code, output = run("doctor", "--state-dir", tmp_path)
    assert code == FOUND
    damaged, nft = output.splitlines()
    assert damaged.startswith(
        f"fault  state folder: {copy}, the copy of the file that was applied last, cannot be used"
    )
    assert nft == "ok     nft: v1"


def test_a_copy_that_may_not_be_read_is_a_finding_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_doctor, "examine", lambda farms, **_: iter([Finding(OK, "nft", "v1")]))
    monkeypatch.setattr(cli_doctor, "examine_guardian", lambda *_: iter(()))
    # Root may read everything, but no folder.
    state = tmp_path / "state"
    (state / "farms.toml").mkdir(parents=True)
    code, output = run("doctor", "--state-dir", state)
    unusable = f"fault  state folder: the state folder {state} cannot be used: Is a directory"
    assert (code, output) == (FOUND, f"{unusable}; --state-dir names another\nok     nft: v1\n")


def test_check_for_programs(run: Run, file: Path) -> None:
    code, output = run("check", "--json", file)
    assert (code, json.loads(output)) == (
        DONE,
        [{"level": "ok", "subject": str(file), "text": "1 farm, 1 backend: valid", "cure": ""}],
    )
    file.write_text(FARM.replace("192.0.2.1", "10.0.0.1"))
    code, output = run("check", "--json", file)
    (found,) = json.loads(output)
    assert code == FOUND
    assert (found["level"], found["subject"]) == ("fault", "farms.f.backends[0].address (backend b)")
    file.write_text(FARM.replace('"ftp"', '"tftp"\nconnection-limit = 5'))
    code, output = run("check", "--json", file)
    (found,) = json.loads(output)
    assert code == FOUND
    assert (found["level"], found["subject"]) == ("fault", "farms.f.connection-limit")
    assert found["text"].startswith("has no effect")
