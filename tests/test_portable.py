"""Results, probes and errors survive being pickled and copied, as they are in a pool of processes."""

from __future__ import annotations

import copy
import json
import pickle
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from noidlb.errors import FarmError
from noidlb.service.protocol import RequestError

import noidchecks
from noidchecks import (
    Active,
    DeadlineExceeded,
    File,
    FtpProbe,
    Identity,
    Listing,
    LocalError,
    Login,
    Metric,
    NotConnected,
    NotResolved,
    Part,
    PeerError,
    ProbeError,
    Range,
    Result,
    SshProbe,
    State,
    TftpFile,
    TftpProbe,
    Timings,
    TlsError,
    UsageError,
    check,
    parse_line,
)
from noidchecks.address import AF_INET, Address
from noidchecks.ftp.opening import DataFailed, NotOffered
from tests.support.peers import Peer


def in_phase(error: ProbeError, phase: str = "greeting") -> ProbeError:
    error.phase = phase
    return error


ERRORS: list[Exception] = [
    UsageError("host must be a str, not int"),
    ProbeError("it failed"),
    in_phase(NotResolved("no such name"), "resolve"),
    in_phase(NotConnected("Connection refused", 111, Address(AF_INET, ("127.0.0.1", 9))), "connect"),
    NotConnected("No data received from host", 0),
    LocalError("no descriptor left"),
    in_phase(DeadlineExceeded(0.5)),
    TlsError("Cannot make SSL connection"),
    in_phase(PeerError("not a reply", expected="220", received=b"\xff\0")),
    in_phase(DataFailed("Connection refused"), "data"),
    NotOffered("PASV: 500 what?"),
    FarmError("farms.web.vip", "must be an address"),
    RequestError("no such farm", 2),
]
RICH = Result(
    State.CRITICAL,
    "FTP CRITICAL - it failed",
    parts=(Part(State.OK, "greeted"), Part(State.CRITICAL, "it failed")),
    summary="all well",
    metrics=(
        Metric("time", 0.5, "s", warning=Range(end=1), critical=Range.parse("@~:2"), minimum=0.0),
        Metric("n", None),
    ),
    facts={"size": 7, "algorithms": {"kex": ["a", "b"]}, "transfers": [{"file": None, "rtt": 0.1}]},
    timings=Timings(0.5, {"resolve": 0.1, "connect": 0.4}),
    failure=in_phase(PeerError("not a reply", expected="220", received=b"\xff\0")),
    separator=" | ",
    transcript=("0.1 < hello",),
)
VALUES: list[Any] = [
    RICH,
    FtpProbe("h", login=Login("u", "p"), listing=Listing("in", max_files=3), get=File("f", size=Range(1, 2))),
    FtpProbe("h", data="both", active=Active("192.0.2.1", (1000, 2000)), warning=Range(end=1)),
    TftpProbe("h", "f", further=(TftpFile("g", sha256="0" * 64),), size=Range(1)),
    SshProbe("h", login=Login("u", ""), identities=(Identity("key", "secret"),)),
    parse_line("check_ftp -H h -w 1"),
    Address(AF_INET, ("127.0.0.1", 21)),
    Timings(1.0, {"connect": 1.0}),
    *map(State, range(4)),
]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("take", [pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_taken_as_it_is(error: Exception, take: Callable[[Any], Any]) -> None:
    taken = take(error)
    assert type(taken) is type(error)
    assert taken is not error
    assert (taken.args, str(taken), vars(taken)) == (error.args, str(error), vars(error))
    assert taken == error
    assert hash(taken) == hash(error)


def test_every_error_that_is_public_was_tried() -> None:
    public = {getattr(noidchecks, name) for name in noidchecks.__all__}
    errors = {one for one in public if isinstance(one, type) and issubclass(one, Exception)}
    assert errors <= {type(error) for error in ERRORS}


def test_errors_that_differ_are_not_equal() -> None:
    assert DeadlineExceeded(1) != DeadlineExceeded(2)
    assert in_phase(LocalError("x")) != LocalError("x")
    assert LocalError("x") != TlsError("x")
    assert NotConnected("x", 1) != NotConnected("x", 2)


@pytest.mark.parametrize("take", [pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_is_taken_as_it_is(value: Any, take: Callable[[Any], Any]) -> None:
    taken = take(value)
    assert type(taken) is type(value)
    assert taken == value
    assert repr(taken) == repr(value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_of_pickle_will_do(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(RICH, protocol)) == RICH


def test_timings_are_equal_when_they_are() -> None:
    assert Timings(1.0, {"a": 1.0}) == Timings(1.0, {"a": 1.0})
    assert Timings(1.0, {"a": 1.0}) != Timings(1.0, {"a": 2.0})
    assert Timings(1.0) != Timings(2.0)
    assert Timings() != 0


@pytest.fixture
def dead() -> Iterator[int]:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_result_is_the_same_as_its_copy(dead: int) -> None:
    with Peer(b"220 ready\r\n") as good, Peer(30.0) as silent, Peer(b"") as empty:
        for probe in (
            FtpProbe("127.0.0.1", port=dead),
            SshProbe("127.0.0.1", port=dead),
            TftpProbe("127.0.0.1", "f", port=dead, timeout=0.3, retries=0),
            FtpProbe(good.host, port=good.port),
            SshProbe(good.host, port=good.port, timeout=0.3),
            FtpProbe(silent.host, port=silent.port, timeout=0.1),
            FtpProbe(empty.host, port=empty.port, timeout=0.3),
            FtpProbe.of_any_host("[x]"),
        ):
            for result in (check(probe), check(probe, transcript=True)):
                for taken in (pickled(result), copy.copy(result), copy.deepcopy(result)):
                    assert taken == result
                    assert str(taken) == str(result)
                assert json.loads(json.dumps(result.to_dict()))["exit_code"] == result.state


def test_a_pool_of_processes_hands_results_back(dead: int) -> None:
    with Peer(b"220 ready\r\n") as peer:
        probes = [
            FtpProbe(peer.host, port=peer.port),
            FtpProbe("127.0.0.1", port=dead),
            SshProbe("127.0.0.1", port=dead),
        ]
        # spawn: nothing is inherited, everything goes through pickle.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            results = list(pool.map(check, probes))
    assert [result.ok for result in results] == [True, False, False]
    assert isinstance(results[1].failure, NotConnected)
    assert results[1].failure.phase == "connect"


def test_a_pool_of_processes_hands_errors_back() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(UsageError, match="Port"):
        pool.submit(FtpProbe, "h", port=0).result()
