"""How a session looks names up, under both drivers."""

from __future__ import annotations

import _socket
import errno
import os
import select
import threading
import time
from pathlib import Path

import pytest

from noidchecks import DeadlineExceeded, LocalError, NotResolved, State
from noidchecks.address import AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, STREAM, Address
from noidchecks.dialogue.operations import Dialogue, Phase, Resolve
from noidchecks.drivers.resolver import Resolver, look_up
from tests.conftest import Check
from tests.support.processes import run_alone
from tests.support.talk import Names, TalkProbe, address_of, found
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize(
    ("name", "family", "expected"),
    [
        ("127.0.0.1", AF_UNSPEC, Address(AF_INET, ("127.0.0.1", 21))),
        ("127.1", AF_INET, Address(AF_INET, ("127.0.0.1", 21))),
        ("2130706433", AF_UNSPEC, Address(AF_INET, ("127.0.0.1", 21))),
        ("::1", AF_UNSPEC, Address(AF_INET6, ("::1", 21, 0, 0))),
        ("0:0::1", AF_INET6, Address(AF_INET6, ("::1", 21, 0, 0))),
        ("/run/x.sock", AF_UNSPEC, Address(AF_UNIX, "/run/x.sock")),
    ],
)
def test_literals_are_resolved_at_once(check: Check, name: str, family: int, expected: Address) -> None:
    def dialogue() -> Dialogue[object]:
        return (yield Resolve(name, 21, family, STREAM))

    assert found(check(TalkProbe(dialogue))) == (expected,)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        *[("", AF_UNSPEC), ("[::1]", AF_UNSPEC), ("a b", AF_UNSPEC), ("::1", AF_INET), ("127.0.0.1", AF_INET6)],
        *[("a\0b", AF_UNSPEC), ("\udcff", AF_UNSPEC), ("é" * 70, AF_UNSPEC), ("fe80::1%nosuch", AF_UNSPEC)],
        # To the C library it is this machine.
        ("*", AF_UNSPEC),
    ],
)
def test_what_is_no_name_is_not_resolved(check: Check, name: str, family: int) -> None:
    def dialogue() -> Dialogue[object]:
        yield Phase("resolve")
        return (yield Resolve(name, 21, family, STREAM))

    result = check(TalkProbe(dialogue))
    assert isinstance(result.failure, NotResolved)
    assert (result.state, result.failure.phase) == (State.CRITICAL, "resolve")
    assert result.text.isprintable()


def test_names_are_looked_up_in_the_background(check: Check, names: Names) -> None:
    def slowly() -> tuple[Address, ...]:
        time.sleep(0.02)
        return (address_of("127.0.0.1", 1), address_of("::1", 2))

    names[b"host.example"] = slowly

    def dialogue() -> Dialogue[object]:
        return (yield Resolve("host.example", 21, AF_UNSPEC, STREAM))

    assert found(check(TalkProbe(dialogue))) == (address_of("127.0.0.1", 1), address_of("::1", 2))


def test_names_of_other_scripts_are_looked_up_in_idna(check: Check, names: Names) -> None:
    names["bücher.example".encode("idna")] = lambda: (address_of("127.0.0.1", 1),)

    def dialogue() -> Dialogue[object]:
        return (yield Resolve("bücher.example", 21, AF_UNSPEC, STREAM))

    assert found(check(TalkProbe(dialogue))) == (address_of("127.0.0.1", 1),)


@pytest.mark.parametrize(
    ("trouble", "kind", "text"),
    [
        (
            _socket.gaierror(_socket.EAI_NONAME, "Name or service not known"),
            NotResolved,
            "TALK CRITICAL - Name or service not known",
        ),
        (
            OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
            LocalError,
            "TALK UNKNOWN - cannot look up some.example: Too many open files",
        ),
    ],
    ids=["unknown name", "no descriptor"],
)
def test_a_look_up_that_fails(check: Check, names: Names, trouble: OSError, kind: type, text: str) -> None:
    def fail() -> tuple[Address, ...]:
        raise trouble

    names[b"some.example"] = fail

    def dialogue() -> Dialogue[object]:
        return (yield Resolve("some.example", 21, AF_UNSPEC, STREAM))

    result = check(TalkProbe(dialogue))
    assert type(result.failure) is kind
    assert result.text == text


def test_a_machine_without_descriptors_knows_no_name(tmp_path: Path) -> None:
    code = """
import os, resource
from noidchecks import FtpProbe, check
from noidchecks.drivers import perform_more, resolver
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
# For the look-up's own descriptor; the C library has none then.
os.close(taken.pop())
result = check(FtpProbe("localhost", port=1))
for descriptor in taken:
    os.close(descriptor)
print(repr(result.state), result.text)
"""
    assert run_alone(code, tmp_path).strip() == (
        "State.UNKNOWN FTP UNKNOWN - cannot look up localhost: Too many open files"
    )


def test_a_resolver_that_never_answers_ends_at_the_deadline(check: Check, names: Names) -> None:
    answer = threading.Event()
    answered = threading.Event()

    def never() -> tuple[Address, ...]:
        answer.wait(LONG)
        answered.set()
        return (address_of("127.0.0.1", 1),)

    names[b"host.example"] = never

    def dialogue() -> Dialogue[object]:
        yield Phase("resolve")
        return (yield Resolve("host.example", 21, AF_UNSPEC, STREAM))

    result = check(TalkProbe(dialogue, timeout=0.5))
    assert isinstance(result.failure, DeadlineExceeded)
    assert result.failure.phase == "resolve"
    assert not answered.is_set()
    assert result.timings.total >= 0.5
    # The thread comes back to a look-up that nobody waits for.
    answer.set()
    assert answered.wait(LONG)


def test_a_defect_in_the_background_is_a_defect(check: Check, names: Names) -> None:
    def dialogue() -> Dialogue[object]:
        return (yield Resolve("unheard.example", 21, AF_UNSPEC, STREAM))

    with pytest.raises(KeyError, match="unheard"):
        check(TalkProbe(dialogue))


@pytest.mark.parametrize("missing", ["descriptor", "thread"])
def test_a_look_up_that_this_machine_cannot_begin_is_a_local_error(
    check: Check, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise (
            OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            if missing == "descriptor"
            else RuntimeError("can't start new thread")
        )

    def dialogue() -> Dialogue[object]:
        yield Phase("resolve")
        # The loop of asyncio has been set up by now.
        if missing == "descriptor":
            monkeypatch.setattr("os.eventfd", fail)
        else:
            monkeypatch.setattr("_thread.start_new_thread", fail)
        return (yield Resolve("host.example", 21, AF_UNSPEC, STREAM))

    result = check(TalkProbe(dialogue))
    assert isinstance(result.failure, LocalError)
    assert (result.state, result.failure.phase) == (State.UNKNOWN, "resolve")
    assert "host.example" in result.text


def test_a_look_up_that_found_no_thread_says_nothing_about_the_peer(
    check: Check, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = threading.Event(), threading.Event()

    def never() -> tuple[Address, ...]:
        begun.set()
        go.wait(LONG)
        return ()

    names[b"host.bad"] = names[b"host.good"] = never
    resolver = Resolver(limit=1)
    monkeypatch.setattr("noidchecks.drivers.resolver.LOOK_UPS", resolver)
    monkeypatch.setattr("noidchecks.drivers.resolver._LONG_WAIT", 0.1)
    holder = look_up("host.bad", 21, AF_UNSPEC, STREAM)
    assert begun.wait(LONG)

    def dialogue() -> Dialogue[object]:
        yield Phase("resolve")
        return (yield Resolve("host.good", 21, AF_UNSPEC, STREAM))

    result = check(TalkProbe(dialogue, timeout=0.3))
    go.set()
    holder.close()
    assert isinstance(result.failure, LocalError)
    assert (result.state, result.failure.phase) == (State.UNKNOWN, "resolve")
    assert "no thread free" in result.text


def test_a_name_is_looked_up_in_the_background() -> None:
    job = look_up("localhost", 21, AF_INET, STREAM)
    try:
        assert select.select([job.fileno()], [], [], 20)[0]
        # A set: the C library tells it twice where /etc/hosts has ::1 under the same name, as Debian's has.
        assert set(job.result()) == {Address(AF_INET, ("127.0.0.1", 21))}
    finally:
        job.close()


@pytest.mark.parametrize("name", ["\udcff", "é" * 70, "ü..example"])
def test_a_name_that_has_no_idna_form_is_not_resolved(name: str) -> None:
    job = look_up(name, 21, AF_UNSPEC, STREAM)
    try:
        assert select.select([job.fileno()], [], [], 20)[0]
        with pytest.raises(NotResolved, match="not a name"):
            job.result()
    finally:
        job.close()
