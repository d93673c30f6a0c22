"""Reading TOML: whatever the text, it is what tomllib makes of it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st
from noidlb.config import toml

LINES = (
    *("", "  ", "# only a comment", "\t# tab", "#\x00", "[a]", "[b]", "[a.b]", "[a.b.c]", "[[a.b]]", "[[a]]", "[[b]]"),
    *("[ a ]", '["a"]', "[a.]", "[[a.b]", "[a] # with a comment", "[[a.b]] x", "a = 1", "b = 1", "a.b = 1", "c = 0"),
    *('a = "x"', 'b = "x # y" # z', "c = 'x'", 'a = "x\\n"', 'a = "\t"', 'a = "\x01"', 'a = """x"""', 'a = "é"'),
    *("a = 01", "a = -1", "a = +1", "a = 1_000", "a = 0x1f", "a = 0.5", "a = 1.", "a = .5", "a = 1e3", "a = inf"),
    *("a = 00.5", "b = 999999999999999999", "b = 9999999999999999999999", "a = true", "b = false", "a = True", "a ="),
    *("a = 1979-05-27", "a = 1 b = 2", "= 1", "a", "-_9 = 1", "true = true", "a = [1, 2]", 'b = ["x", "y"]'),
    *(
        "a = []",
        "a = [1,]",
        "a = [1",
        "2]",
        "]",
        "a = [[1], [2]]",
        "a = {}",
        "b = { x = 1 }",
        "b = [{}]",
        "a = [ 1 ,2 ]",
    ),
    *('b = [{ x = 1, y = "a" }, { x = 2 }]', "b = [{ x = 1, x = 2 }]", "b = [{ x = 1, }]", "b = [{ x.y = 1 }]"),
    *(
        'b = [{ x = "}, { x" }]',
        'b = ["{ x = 1 }"]',
        "b = [{ x = 1 }, 2]",
        "b = [ { x = 1 } ] # c",
        "b = [{ x = [1] }]",
    ),
    *("a = 1\r", "\x0b", "a\u00a0= 1", "a = 1\u2028", "[b.x]", "[[b.x]]", "[c.x]", "[a.b.x]", "\ufeffa = 1"),
)


def read_by(loads: Callable[[str], object], text: str) -> str:
    """What comes of it, written out: 1 equals True, and nan does not equal itself."""
    try:
        return repr(loads(text))
    except (ValueError, RecursionError) as error:
        return f"{type(error)}: {error}"


@given(st.lists(st.sampled_from(LINES), max_size=8))
@example(["a = 0", "[a.b]"])
@example(['a = ""', "[[a]]"])
@example(["[a.b]", "[a]", "[[a.b]]"])
@example(["b = [{ x = 1 }]", "[[b]]"])
@example(["b = [{ x = 1 }]", "[b.y]"])
@example(["b = { x = 1 }", "[b.y]"])
@example(["b = { x = 1 }", "[b]"])
@example(["b = { x = 1, x = 1 }"])
@example(["[[a]]", "[a.b]", "[[a]]", "[a.b]", "a = 1"])
def test_lines_mean_what_they_mean_to_tomllib(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert read_by(toml.loads, text) == read_by(tomllib.loads, text)


@given(st.text(alphabet="ab[]{}=.,\"'# \t\r\n01tre\\-", max_size=60))
def test_so_does_any_text(text: str) -> None:
    assert read_by(toml.loads, text) == read_by(tomllib.loads, text)


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[1].glob("*valid*/*.toml")), ids=lambda path: path.name)
def test_so_do_farms_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    assert read_by(toml.loads, text) == read_by(tomllib.loads, text)


@pytest.mark.parametrize(
    "text",
    [
        'a = 1\n[farms.f]\nvip = "192.0.2.1"\nports = [20, 21]\n[[farms.f.backends]]\nname = "b1"\nweight = 2\n',
        'backends = [{ name = "b1", address = "10.0.1.11" }, { name = "b2", address = "10.0.1.12", port = 2121 }]\n',
        'guardian = { command = "check_ftp -H HOST -p PORT", rise = 2 }\n',
        "# all\n\n[service]\n  metrics = true   # on\n\tinterval = 0.5\n",
    ],
)
def test_plain_lines_do_without_tomllib(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tomllib.loads(text)
    monkeypatch.setattr(tomllib, "loads", None)
    assert toml.loads(text) == expected


@pytest.mark.parametrize(
    "line", [" " * 200_000 + "x", "a = [" + "1, " * 30_000 + "x", "a =" + " " * 60_000 + "x", '[{ a = "']
)
def test_a_hostile_line_takes_no_time(line: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        toml.loads(line)
