from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from noidlb.farm import Backend, Farm, Protocol
from noidlb.guard import Guard
from noidlb.guardian.health import BackendHealth
from noidlb.guardian.targets import Targets

from noidchecks.status.result import Result
from noidchecks.status.state import State
from tests.support.lb.farms import farm

OK = Result(State.OK, "FTP OK - fine")
GUARD = Guard(commands=("check_ftp -H HOST -p PORT",))


def small(name: str, port: int, guard: Guard | None = GUARD, **settings: Any) -> Farm:
    backends = (
        Backend(name="one", address=(ip_address("10.0.0.1"), ip_address("fd00::1"))),
        Backend(name="two", address=(ip_address("10.0.0.2"),), port=2121),
    )
    return farm(name, backends=backends, ports=(port,), guardian=guard, **settings)


def words(targets: Targets) -> list[str]:
    return sorted(" ".join(target.check.words) for target in targets)


def test_a_target_for_each_command_and_address() -> None:
    targets = Targets()
    assert targets.configure((small("f", 21),), 0.0) == [*targets]
    assert words(targets) == [
        "check_ftp -H 10.0.0.1 -p 21",
        "check_ftp -H 10.0.0.2 -p 2121",
        "check_ftp -H fd00::1 -p 21",
    ]
    assert sorted(target.address for target in targets) == ["10.0.0.1:21", "10.0.0.2:2121", "[fd00::1]:21"]
    assert set(targets.places) == {("f", "one", 4), ("f", "one", 6), ("f", "two", 4)}


def test_addresses_without_a_vip_are_not_probed() -> None:
    targets = Targets()
    targets.configure((small("f", 21, vip=(ip_address("10.10.0.100"),)),), 0.0)
    assert set(targets.places) == {("f", "one", 4), ("f", "two", 4)}


def test_farms_share_a_probe_where_command_address_and_deadline_are_one() -> None:
    targets = Targets()
    other = replace(GUARD, interval=60, rise=1)
    late = replace(GUARD, timeout=9)
    targets.configure((small("f", 21), small("g", 21, other), small("h", 2121, late), small("i", 22, None)), 0.0)
    shared = [target for target in targets if len(target.watches) > 1]
    assert sorted(target.address for target in shared) == ["10.0.0.1:21", "10.0.0.2:2121", "[fd00::1]:21"]
    assert len(targets.by_key) == 6
    assert shared[0].pace.interval == 10


def test_a_backend_keeps_its_address_where_the_command_names_no_host() -> None:
    targets = Targets()
    targets.configure(
        (
            small(
                "f",
                21,
                Guard(commands=("/bin/true",)),
            ),
        ),
        0.0,
    )
    (target,) = targets
    assert [watch.address for watch in target.watches] == ["10.0.0.1:21", "[fd00::1]:21", "10.0.0.2:2121"]


def test_every_command_is_a_target() -> None:
    targets = Targets()
    targets.configure((small("f", 21, Guard(commands=("check_ftp -H HOST", "check_x HOST"))),), 0.0)
    assert len(targets.by_key) == 6
    assert len(targets.places["f", "two", 4]) == 2


def test_without_a_command_the_protocol_has_one() -> None:
    for protocol, expected in (
        (Protocol.FTP, "check_ftp -H 10.0.0.1 -p 2000"),
        (Protocol.TFTP, "check_tftp -H 10.0.0.1 -p 2000"),
        (Protocol.SFTP, "check_ssh -H 10.0.0.1 -p 2000"),
    ):
        targets = Targets()
        targets.configure((small("f", 2000, Guard(), protocol=protocol),), 0.0)
        assert words(targets)[0] == expected


def test_what_is_known_stays_known() -> None:
    targets = Targets()
    targets.configure((small("f", 21),), 0.0)
    for target in targets:
        for watch in target.watches:
            watch.take(OK, 1.0)
    before = {target.address: target for target in targets}
    # Another name, another farm beside it, another threshold: the address and the command are the same.
    changed = targets.configure((small("renamed", 21, replace(GUARD, fall=9)), small("new", 2121)), 2.0)
    assert changed == [*targets]
    assert all(before[target.address] is target for target in targets if target.address in before)
    states = {watch.key[:3]: watch.state for target in targets for watch in target.watches}
    assert states["renamed", "one", 4] == states["renamed", "two", 4] == states["new", "two", 4] == "up"
    assert states["new", "one", 4] == "unknown"
    changed = targets.configure(targets.recognize((small("new", 2121),)), 3.0)
    gone = [target for target in changed if not target.watches]
    assert sorted(target.address for target in gone) == ["10.0.0.1:21", "[fd00::1]:21"]
    # Both farms used the third one.
    assert [target.address for target in changed if target.watches] == ["10.0.0.2:2121"]


def test_a_farm_that_stays_as_it_is_costs_nothing_when_another_changes() -> None:
    targets = Targets()
    first, second = small("f", 21), small("g", 2000)
    targets.configure((first, second), 0.0)
    watches = {target.address: [*target.watches] for target in targets}
    bad = Result(State.CRITICAL, "FTP CRITICAL - no")
    (doubted,) = (one for one in targets if one.address == "10.0.0.1:21")
    doubted.take(OK, 1.0)
    doubted.take(bad, 2.0)
    # The same file was read again: equal farms are the known ones.
    again = targets.recognize((small("f", 21), small("g", 2000)))
    assert again[0] is first
    assert targets.configure(again, 3.0) == []
    farms = targets.recognize((small("f", 21), small("g", 2000, replace(GUARD, fall=9))))
    assert [farm is before for farm, before in zip(farms, again, strict=True)] == [True, False]
    changed = targets.configure(farms, 3.0)
    assert sorted(target.address for target in changed) == ["10.0.0.1:2000", "10.0.0.2:2121", "[fd00::1]:2000"]
    kept = {target.address: target.watches for target in targets}
    assert kept["10.0.0.1:21"] == watches["10.0.0.1:21"]
    # Its doubts too: the second failure after a reload is the second one.
    assert doubted.watches[0].up.streak == 1


def test_every_backend_has_its_first_check_in_the_same_part_of_its_interval() -> None:
    targets = Targets()
    many = tuple(
        small(f"f{number}", 2000 + number, replace(GUARD, interval=60), protocol=Protocol.SFTP)
        for number in range(1500)
    )
    quick = small("quick", 999, replace(GUARD, interval=1, fast_interval=0.05))
    targets.configure((*many, quick), 100.0)
    due: dict[float, list[float]] = {}
    for target in targets:
        due.setdefault(target.pace.interval, []).append((target.rhythm.due(target.pace) or 0.0) - 100)
    # All farms use 10.0.0.2:2121, at the interval of the quick one.
    assert {interval: len(ones) for interval, ones in due.items()} == {60: 3000, 1: 3}
    # 3,000 / 60 + 3 checks a second from then on: 5.3 % of 1,000, so the first round takes that part of each interval.
    assert max(due[1]) < 0.0531
    assert 3.17 < max(due[60]) < 3.181


def test_a_changed_deadline_goes_on_with_what_the_farm_itself_knew() -> None:
    targets = Targets()
    strict, lax = replace(GUARD, timeout=0.4, fall=1), replace(GUARD, timeout=5)
    targets.configure((small("strict", 21, strict), small("lax", 21, lax)), 0.0)
    for target in targets:
        for watch in target.watches:
            watch.take(OK if watch.farm == "lax" else Result(State.CRITICAL, "FTP CRITICAL - no"), 1.0)
    for timeout in (0.5, 5):
        targets.configure((small("strict", 21, replace(strict, timeout=timeout)), small("lax", 21, lax)), 2.0)
        states = {(watch.farm, watch.state) for target in targets for watch in target.watches}
        assert states == {("strict", "down"), ("lax", "up")}


def test_many_watches_of_one_check_are_each_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def key(watch: BackendHealth) -> tuple[str, str, int, str]:
        nonlocal looks
        looks += 1
        return watch.farm, watch.backend, watch.version, watch.command

    targets = Targets()
    shared = Guard(commands=("check_ftp -H 192.0.2.1",), shared_check=True)
    farms = [farm(f"f{number}", count=10, ports=(3000 + number,), guardian=shared) for number in range(30)]
    targets.configure(tuple(farms), 0.0)
    monkeypatch.setattr(BackendHealth, "key", property(key))
    targets.configure(tuple(replace(one, guardian=replace(shared, fall=9)) for one in farms), 1.0)
    assert 300 <= looks <= 10 * 300


def test_the_pace_follows_each_result() -> None:
    targets = Targets()
    guard = replace(GUARD, rise=2, fall=2)
    targets.configure((small("f", 21, guard), small("g", 21, replace(guard, interval=4, fast_interval=2))), 0.0)
    target = next(one for one in targets if one.address == "10.0.0.1:21")
    bad = Result(State.CRITICAL, "FTP CRITICAL - no")
    assert (target.pace.interval, target.pace.fast, target.pace.eager) == (4, 1, None)
    for results, pace in (
        ((OK,), (4, None, 1)),
        ((OK, bad), (4, 1, 1)),
        ((bad,), (4, None, None)),
        ((OK,), (4, 1, None)),
    ):
        for result in results:
            target.take(result, 0.0)
        assert (target.pace.interval, target.pace.fast, target.pace.eager) == pace
    # A farm that is new to a known address, and another guard.
    targets.configure((small("f", 21, replace(guard, interval=30)),), 0.0)
    assert target.pace.interval == 30
