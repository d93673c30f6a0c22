from __future__ import annotations

import hashlib
import pickle
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import noidlb.config.farms
import noidlb.config.load
import pytest
from hypothesis import given, settings, strategies as st
from noidlb.config.load import from_document, load, parse
from noidlb.errors import FarmError
from noidlb.farm import Backend, BackendState, Farm, Mode, Protocol, Scheduler, is_name
from noidlb.guard import Guard

from noidchecks.regular import read_regular

HERE = Path(__file__).parents[1]
INVALID = sorted([*HERE.glob("invalid/*.toml"), *HERE.glob("invalid_pair/*.toml")])
VALID = sorted(HERE.glob("valid/*.toml"))
SMALLEST = (HERE / "valid" / "smallest.toml").read_text()


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_says_what_is_wrong(path: Path) -> None:
    text = path.read_text()
    expected = text.splitlines()[0].removeprefix("# error: ")
    with pytest.raises(FarmError) as caught:
        parse(text)
    message = str(caught.value)
    if expected.endswith("..."):
        # What tomllib says, and how an address is printed, differs from one Python to the next.
        message = message[: len(expected) - 3] + "..."
    assert message == expected


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_reads_what_is_right(path: Path) -> None:
    text = path.read_text()
    assert load(path) == parse(text) == load(str(path))
    assert load(path).farms
    assert load(path).text == text


def test_a_file_is_read_once_and_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (HERE / "valid" / "pair.toml").read_text() + (HERE / "valid" / "service.toml").read_text().partition(
        "[farms"
    )[0]
    file = tmp_path / "farms.toml"
    file.write_text(text)
    read, parsed = Mock(wraps=read_regular), Mock(wraps=tomllib.loads)
    monkeypatch.setattr(noidlb.config.load, "read_regular", read)
    monkeypatch.setattr(tomllib, "loads", parsed)
    found = load(file)
    assert (read.call_count, parsed.call_count) == (1, 1)
    assert found.pair is not None
    assert found.settings.metrics == "[::1]:9190"
    assert found.farms[0].source == found.pair.source
    assert (found.text, found.digest) == (text, hashlib.sha256(text.encode()).hexdigest())


def test_an_error_about_the_whole_file_names_it(tmp_path: Path) -> None:
    file = tmp_path / "farms.toml"
    file.write_text(f"{SMALLEST}\n[farm.ftp]\n")
    with pytest.raises(FarmError, match=r"/farms\.toml: unknown key 'farm': did you mean 'farms'\?$"):
        load(file)


def test_has_files_to_read() -> None:
    assert len(INVALID) > 100
    assert len(VALID) > 5


def test_reads_every_key() -> None:
    assert load(HERE / "valid" / "public-ftp.toml").farms == (
        Farm(
            name="public-ftp",
            protocol=Protocol.FTP,
            vip=(ip_address("192.0.2.10"), ip_address("2001:db8::10")),
            ports=(21,),
            mode=Mode.SNAT,
            scheduler=Scheduler.ROUND_ROBIN,
            sticky=300,
            connection_limit=200,
            backends=(
                Backend(
                    name="b1",
                    address=(ip_address("10.0.1.11"), ip_address("fd00:1::11")),
                    port=2121,
                    weight=3,
                    backup=False,
                    state=BackendState.UP,
                ),
            ),
            guardian=Guard(
                commands=("check_ftp -H HOST -p PORT",), interval=5, timeout=3, rise=2, fall=3, cut_connections=True
            ),
        ),
    )


@pytest.mark.parametrize(
    ("file", "protocol", "port", "command"),
    [
        ("ftp-active", Protocol.FTP, 21, "check_ftp -H HOST"),
        ("ftp-passive", Protocol.FTP, 21, "check_ftp -H HOST"),
        ("tftp", Protocol.TFTP, 69, "check_mytftp.sh HOST"),
        ("sftp", Protocol.SFTP, 22, "check_ssh HOST"),
    ],
)
def test_reads_the_four_usual_farms(file: str, protocol: Protocol, port: int, command: str) -> None:
    (farm,) = load(HERE / "valid" / f"{file}.toml").farms
    assert (farm.protocol, farm.ports, farm.mode) == (protocol, (port,), Mode.SNAT)
    assert [backend.name for backend in farm.backends] == ["b1", "b2"]
    assert farm.guardian == Guard(commands=(command,), timeout=60)


def test_reads_tls_and_port_ranges() -> None:
    (farm,) = load(HERE / "valid" / "ftps.toml").farms
    assert farm.ftps == {"passive", "active"}
    assert [backend.passive_ports for backend in farm.backends] == [(50000, 50099), (50100, 50199)]
    assert (farm.mode, farm.sticky, farm.guardian) == (Mode.DNAT, 300, None)


def test_keeps_the_order_of_the_file_and_what_shares_a_vip() -> None:
    farms = load(HERE / "valid" / "one-vip.toml").farms
    assert [farm.name for farm in farms] == ["ftp.example.org", "control", "names", "boot"]
    assert farms[0].source == (ip_address("192.0.2.10"),)
    assert farms[0].guardian == Guard(
        commands=("check_ftp -H HOST -e '220 ready'",), interval=1.5, timeout=0.5, rise=1, fall=1
    )
    assert [backend.state for backend in farms[0].backends] == [BackendState.DRAIN, BackendState.DOWN]
    assert farms[2].sticky == 3600
    assert [farm.scheduler for farm in farms[1:]] == [
        Scheduler.LEAST_CONNECTIONS,
        Scheduler.SOURCE_HASH,
        Scheduler.RANDOM,
    ]


def test_shows_an_example_that_works() -> None:
    with pytest.raises(FarmError, match="such as") as caught:
        parse("")
    assert parse(caught.value.message.partition("such as ")[2]).farms == parse(SMALLEST).farms


def test_takes_a_byte_order_mark_and_foreign_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "farms.toml"
    file.write_bytes(b"\xef\xbb\xbf# farms\r\n" + SMALLEST.replace("\n", "\r\n").encode())
    assert load(file).farms == parse(SMALLEST).farms


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"farms = \xff", "must be UTF-8 text, and byte 8 is not"),
        (b"[farms", "is not TOML: "),
        (b"a = 1" + b"1" * 5000, "is not TOML: "),
        (b"a = " + b"[" * 9000, "is not TOML"),
        (b"#" * 101, "must be at most 0 MiB"),
    ],
)
def test_names_the_file_that_it_cannot_read(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content.startswith(b"##"):
        monkeypatch.setattr(noidlb.config.load, "MAX_SIZE", 100)
    file = tmp_path / "farms.toml"
    file.write_bytes(content)
    with pytest.raises(FarmError) as caught:
        load(file)
    assert caught.value.path == str(file)
    assert caught.value.message.startswith(message)
    assert len(caught.value.message.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.toml", "No such file or directory"),
        ("", "Is a directory"),
        ("a\0b", "(stat: )?embedded null (byte|character in path)"),
    ],
)
def test_names_the_file_that_is_none(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FarmError, match=f"cannot be read: {message}$") as caught:
        load(f"{tmp_path}/{name}")
    assert caught.value.path.startswith(str(tmp_path))
    assert caught.value.path.isprintable()


def test_prefixes_a_value_with_its_path_alone(tmp_path: Path) -> None:
    file = tmp_path / "farms.toml"
    file.write_text(SMALLEST.replace("10.0.1.11", "backend"))
    with pytest.raises(FarmError) as caught:
        load(file)
    assert caught.value.path == "farms.ftp.backends[0].address"


# What TOML can hold, and what some key of a farm wants.
ANYTHING = st.recursive(
    st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=2**20000)
    | st.floats()
    | st.text(max_size=80)
    | st.datetimes()
    | st.dates()
    | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.sampled_from(["ftp", "tftp", "tcp", "snat", "dnat", "random", "down", "passive", "active", "b1", "5m", "1h"])
ADDRESSES = st.sampled_from(["192.0.2.10", "10.0.1.11", "2001:db8::10", "fd00::11", "fe80::1%eth0 }", "0.0.0.0", "::1"])
RANGES = st.sampled_from(["50000-50099", "1-65535", "50099-1", "0-99999"])
GIVEN = st.integers(-1, 70000) | WORDS | ADDRESSES | RANGES | st.booleans() | ANYTHING


KEYS = st.sampled_from(sorted({*noidlb.config.farms._FARM, *noidlb.config.farms._BACKEND, *noidlb.config.farms._GUARD}))


def places(value: object) -> list[tuple[Any, Any]]:
    """Every table and list in a document with each of its keys."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    container: Any = value
    return [place for key in keys for place in [(container, key), *places(container[key])]]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents that were right until a few of their values were changed, taken away, renamed or added."""
    document = tomllib.loads(draw(st.sampled_from(VALID)).read_text())
    for _ in range(draw(st.integers(1, 3))):
        found = places(document)
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        deed = draw(st.sampled_from(["change", "change", "take", "rename", "add"]))
        if deed == "change" or isinstance(container, list):
            container[key] = draw(GIVEN)
        elif deed == "add":
            container[draw(KEYS | st.text(max_size=20))] = draw(GIVEN)
        else:
            taken = container.pop(key)
            if deed == "rename":
                container[draw(KEYS | st.text(max_size=80))] = taken
    return document


def told(given: dict[str, Any] | str) -> tuple[Farm, ...] | str:
    """Returns the farms, or the error: one short line that begins with a path."""
    try:
        return (parse(given) if isinstance(given, str) else from_document(given)).farms
    except FarmError as error:
        return str(error)


def holds(given: dict[str, Any] | str) -> None:
    """Fails when the answer is neither farms nor an error that names a path, or when it differs the second time."""
    answer = told(given)
    assert answer == told(given)
    if isinstance(answer, str):
        assert answer.startswith(("farms", "service", "pair", "configuration"))
        assert answer.isprintable()
        assert len(answer) < 500
    else:
        assert all(isinstance(farm, Farm) for farm in answer)


@settings(max_examples=500, deadline=None)
@given(documents() | st.dictionaries(st.text(), ANYTHING))
def test_any_document_gives_farms_or_names_a_path(document: dict[str, Any]) -> None:
    holds(document)


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_gives_farms_or_an_error(text: str) -> None:
    with pytest.raises(FarmError):
        parse(text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_a_damaged_file_gives_farms_or_names_a_path(path: Path, data: st.DataObject) -> None:
    text = path.read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 10)))
    holds(text[:start] + data.draw(st.text(max_size=5)) + text[end:])


@settings(deadline=None)
@given(st.text(min_size=1) | st.from_regex(r"[A-Za-z0-9._-]{1,64}\n?", fullmatch=True))
def test_no_other_name_comes_through(name: str) -> None:
    document = tomllib.loads(SMALLEST)
    backend = {"name": name, "address": "10.0.1.11"}
    for changed in ({name: document["farms"]["ftp"]}, {"ftp": document["farms"]["ftp"] | {"backends": [backend]}}):
        if is_name(name):
            (farm,) = from_document({"farms": changed}).farms
            assert name in (farm.name, farm.backends[0].name)
        else:
            with pytest.raises(FarmError, match="must be 1 to 63 letters"):
                from_document({"farms": changed})


@pytest.mark.parametrize(
    ("path", "farm"),
    [
        ("farms.ftp", "ftp"),
        ("farms.ftp.example.org.backends[3].weight", "ftp.example.org"),
        ("farms.ftp.guardian.fast-interval", "ftp"),
        ("farms.ftp.vip", "ftp"),
        ("farms.ftp.ports[1]", "ftp"),
        ("service.metrics", ""),
        ("farms", ""),
    ],
)
def test_an_error_names_its_farm(path: str, farm: str) -> None:
    assert FarmError(path, "is wrong").farm == farm
    assert FarmError(path, "is wrong").to_document()["path"] == path


def test_errors_come_together_and_can_be_copied() -> None:
    with pytest.raises(FarmError) as caught:
        parse(SMALLEST.replace('protocol = "ftp"', 'protocol = "ftpp"').replace('address = "', 'address = "x'))
    first, second = caught.value.all
    assert "(backend " in str(second)
    assert first.path.endswith("protocol")
    assert pickle.loads(pickle.dumps(caught.value)).all == caught.value.all
