"""Who answers, and who does not: other ports, other hosts, dead ports, the next address."""

from __future__ import annotations

import errno

import pytest

from noidchecks import LocalError, NotConnected, TftpFile
from noidchecks.address import AF_INET, AF_INET6, Address
from noidchecks.dialogue.operations import Close, Datagram, OpenDatagram, Resolve, SendTo
from tests.support.tftp import ack, data, error
from tests.support.tftp_script import (
    ANSWER,
    OTHER_HOST,
    OTHER_PORT,
    REQUEST,
    SERVER,
    SILENCE,
    UNKNOWN_ID,
    failure_of,
    findings_of,
    play,
    refusal,
    sent,
)


@pytest.mark.parametrize("stranger", [OTHER_PORT, OTHER_HOST])
def test_other_port_or_host_during_the_transfer(stranger: Address) -> None:
    played = play(data(1, b"x" * 512), Datagram(data(2, b"evil"), stranger), data(2, b"good!"))
    findings = findings_of(played)
    assert findings.content is not None
    assert findings.content.size == 517
    assert findings.stray_packets == 1
    assert (UNKNOWN_ID, stranger) in played.datagrams


def test_other_host_as_first_answer() -> None:
    played = play(Datagram(data(1, b"evil"), OTHER_HOST), data(1, b"good!"))
    findings = findings_of(played)
    assert findings.content is not None
    assert findings.content.size == 5
    assert findings.answer == ANSWER


def test_errors_of_strangers_are_not_answered() -> None:
    played = play(Datagram(error(1), OTHER_HOST), data(1))
    assert sent(played) == [REQUEST, ack(1)]
    assert findings_of(played).complete


def test_flood_of_strangers_is_answered_within_limits() -> None:
    flood = [Datagram(data(1, b"evil"), Address(AF_INET, ("192.0.2.9", 1000 + number))) for number in range(1000)]
    played = play(*flood, data(1))
    assert sent(played).count(UNKNOWN_ID) == 16
    assert findings_of(played).complete


def test_strangers_do_not_put_off_the_retransmission() -> None:
    stray = Datagram(data(1, b"evil"), OTHER_HOST)
    played = play(*[stray] * 20, SILENCE, data(1))
    assert sent(played).count(REQUEST) == 2
    assert played.seconds < 0.001


def test_dead_port_of_a_stranger_is_ignored() -> None:
    played = play(data(1, b"x" * 512), Datagram(b"\0\3\0\1", OTHER_PORT), refusal(OTHER_PORT), data(2))
    assert findings_of(played).complete


def test_dead_port_of_a_stranger_that_stops_a_send() -> None:
    answers: list[object] = [None, None, refusal(OTHER_PORT), refusal(OTHER_HOST), None]
    played = play(data(1, b"x" * 512), Datagram(b"\0\3\0\1", OTHER_PORT), data(2), on={SendTo: answers})
    assert findings_of(played).failure is None
    packets = [operation.data for operation in played.asked(SendTo)]
    assert packets == [REQUEST, ack(1), UNKNOWN_ID, ack(2), ack(2)]


@pytest.mark.parametrize("about", [ANSWER, None])
def test_a_block_too_large_for_the_path_is_sent_again(about: Address | None) -> None:
    too_large = refusal(about, errno.EMSGSIZE)
    played = play(data(1, b"x" * 512), too_large, SILENCE, data(2), on={SendTo: [None, too_large, None]})
    assert findings_of(played).complete
    assert [operation.data for operation in played.asked(SendTo)] == [REQUEST, *[ack(1)] * 3, ack(2)]


@pytest.mark.parametrize("about", [SERVER, None])
def test_dead_port(about: Address | None) -> None:
    played = play(refusal(about))
    assert isinstance(findings_of(played).failure, NotConnected)
    assert sent(played) == [REQUEST]


def test_dead_transfer_port() -> None:
    played = play(data(1, b"x" * 512), refusal(ANSWER))
    failure = findings_of(played).failure
    assert isinstance(failure, NotConnected)
    assert failure.phase == "transfer"


def test_dead_server_port_during_the_transfer_is_ignored() -> None:
    assert findings_of(play(data(1, b"x" * 512), refusal(SERVER), data(2))).complete


def test_scope_and_flow_of_an_address_do_not_matter_for_a_dead_port() -> None:
    server = Address(AF_INET6, ("fe80::1", 69, 0, 2))
    played = play(refusal(Address(AF_INET6, ("fe80::1", 69, 0, 0))), on={Resolve: [(server,)]})
    assert isinstance(findings_of(played).failure, NotConnected)


def test_next_address_is_asked_when_a_port_is_dead() -> None:
    six = Address(AF_INET6, ("2001:db8::1", 69, 0, 0))
    played = play(refusal(six), data(1, b"x"), on={Resolve: [(six, SERVER)]})
    assert findings_of(played).complete
    assert [address for _, address in played.datagrams] == [six, SERVER, ANSWER]
    assert [operation.family for operation in played.asked(OpenDatagram)] == [AF_INET6, AF_INET]


@pytest.mark.parametrize("code", [errno.EADDRNOTAVAIL, errno.ENETUNREACH])
def test_a_dead_port_is_told_rather_than_an_address_without_a_way(code: int) -> None:
    six = Address(AF_INET6, ("2001:db8::1", 69, 0, 0))
    for addresses in ((SERVER, six), (six, SERVER)):
        asked = [refusal(SERVER) if address is SERVER else refusal(six, code) for address in addresses]
        failure = findings_of(play(on={Resolve: [addresses], SendTo: asked})).failure
        assert isinstance(failure, NotConnected)
        assert failure.address == SERVER


def test_next_address_is_not_asked_once_one_has_answered() -> None:
    played = play(data(1, b"x" * 512), refusal(ANSWER), on={Resolve: [(SERVER, OTHER_HOST)]})
    assert failure_of(played) == "Connection refused"
    assert len(played.asked(OpenDatagram)) == 1


def test_the_socket_of_a_transfer_is_closed_when_the_next_one_has_its_own() -> None:
    further = tuple(TftpFile(name) for name in ("g", "h"))
    played = play(data(1, b"x"), data(1, b"y"), data(1, b"z"), further=further)
    assert all(findings.complete for findings in played.value)
    first, second, _ = played.channels
    around = [operation for operation in played.operations if isinstance(operation, (OpenDatagram, Close))]
    assert [type(operation) for operation in around] == [OpenDatagram, *(OpenDatagram, Close) * 2]
    assert [operation.channel for operation in around if isinstance(operation, Close)] == [first, second]
    # Nothing follows the last acknowledgement that the deadline could refuse.
    assert isinstance(played.operations[-1], SendTo)


def test_the_socket_for_a_dead_address_is_closed_when_the_next_one_has_its_own() -> None:
    played = play(refusal(SERVER), data(1, b"x"), on={Resolve: [(SERVER, OTHER_HOST)]})
    assert [operation.channel for operation in played.asked(Close)] == played.channels[:1]


def test_source_decides_the_family() -> None:
    played = play(source="::1")
    assert played.asked(Resolve)[0].family == AF_INET6
    assert played.asked(OpenDatagram)[0].source == "::1"


def test_local_errors_are_findings() -> None:
    played = play(on={OpenDatagram: [LocalError("no descriptor left")]})
    assert isinstance(findings_of(played).failure, LocalError)
