from __future__ import annotations

from pathlib import Path

import pytest
from noidlb.cli import pair as pair_cli
from noidlb.cli.codes import DONE, FOUND, TROUBLE, USAGE
from noidlb.cli.main import _run
from noidlb.nft.run import Answer, KernelError

VALID = (Path(__file__).parents[1] / "valid" / "pair.toml").read_text()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "farms.toml"
    path.write_text(VALID)
    return str(path)


@pytest.fixture
def keepalived(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collects how keepalived was called; it finds fault with a file in a folder named bad."""
    calls: list[list[str]] = []

    def answer(argv: list[str], timeout: float) -> Answer:
        calls.append(argv)
        return Answer(5, b"", "(Line 3) nonsense\n") if "/bad/" in argv[-1] else Answer(0, b"", "")

    monkeypatch.setattr(pair_cli, "find", lambda name, _: name)
    monkeypatch.setattr(pair_cli, "run", answer)
    return calls


def test_writes_and_checks(
    file: str, tmp_path: Path, keepalived: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lb1"
    assert _run(["pair", file, "--node", "lb1", "--out", str(out), "--check"]) == DONE
    assert keepalived == [["keepalived", "-t", "-f", f"{out}/keepalived.conf"]]
    assert "router_id lb1" in (out / "keepalived.conf").read_text()
    said = capsys.readouterr().out
    assert f"{out}: files of lb1 written" in said
    assert "ok     keepalived -t: takes the configuration" in said


@pytest.mark.usefixtures("keepalived")
def test_what_keepalived_refuses_is_found(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["pair", file, "--node", "lb1", "--out", str(tmp_path / "bad"), "--check"]) == FOUND
    assert "exit code 5: (Line 3) nonsense" in capsys.readouterr().out


def test_a_fault_of_the_pair_is_found(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(VALID.replace('source = ["10.20.0.100"]', ""))
    assert _run(["pair", file, "--check"]) == FOUND
    assert "masquerades in IPv4" in capsys.readouterr().out


def test_without_keepalived_it_says_so(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str, package: str) -> str:
        raise KernelError(f"the program {name} is missing: install the package {package}")

    monkeypatch.setattr(pair_cli, "find", missing)
    assert _run(["pair", file, "--node", "lb2", "--out", str(tmp_path / "lb2"), "--check"]) == DONE
    assert "warn   keepalived -t: the program keepalived is missing" in capsys.readouterr().out


def test_the_hash_is_that_of_the_text(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.toml"
    # A byte order mark changes nothing of what is said.
    other.write_text(VALID, encoding="utf-8-sig")
    assert _run(["pair", file, "--hash"]) == _run(["pair", str(other), "--hash"]) == DONE
    first, second = capsys.readouterr().out.split()
    assert first == second
    assert len(first) == 64


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name the node"),
        (["--node", "lb1"], "name the folder"),
        (["--node", "lb11", "--out", "x"], "did you mean 'lb1'"),
        (["--node", "zzz", "--out", "x"], "known are lb1, lb2"),
    ],
)
def test_wrong_usage(file: str, words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["pair", file, *words]) == USAGE
    assert says in capsys.readouterr().out


def test_a_file_without_a_pair(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(VALID[VALID.index("[farms") :])
    assert _run(["pair", file, "--check"]) == USAGE
    assert "pair: is missing" in capsys.readouterr().out


def test_files_of_others_are_trouble(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notify").write_text("mine")
    words = ["pair", file, "--node", "lb1", "--out", str(tmp_path)]
    assert _run(words) == TROUBLE
    assert "--force" in capsys.readouterr().out
    assert _run([*words, "--force"]) == DONE


@pytest.mark.parametrize("option", ["--out", "--run-dir"])
def test_paths_with_other_than_plain_characters_are_refused(
    file: str, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"--out": str(tmp_path / "out"), "--run-dir": str(tmp_path / "run")}
    options[option] = f"{tmp_path}/x; touch y"
    words = [word for pair in options.items() for word in pair]
    assert _run(["pair", file, "--node", "lb1", *words]) == USAGE
    assert "must be an absolute path of at most" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["farms.toml"]
