"""TFTP farms: every client and server program, options, and a building that boots at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from integration.clients import Errand, Target, Visit, atftp, curl_tftp, sha256, tftp_hpa
from integration.lab import Lab, vip
from integration.lab.faults import BLACKHOLE, fault
from integration.lab.namespace import Namespace
from integration.lab.storm import outcomes, storm
from integration.lb.balance import Balance, flows
from integration.lb.farms import farm
from tests.support.waiting import until

pytestmark = pytest.mark.root

Program = Callable[[Namespace, Target, Errand], Visit]
STORM = 200


def tftp_farm(lab: Lab, version: int, mode: str = "snat") -> str:
    """Writes a farm of the backends that can be used: atftpd does not answer on IPv6."""
    backends = lab.backends if version == 4 else [lab.backends[0], lab.backends[2]]
    return farm(lab, "tftp", mode=mode, vips=[vip(version)], backends=backends)


@pytest.mark.parametrize(("client", "files"), [(curl_tftp, "big"), (atftp, "medium"), (tftp_hpa, "medium")])
def test_get_and_put(lab: Lab, balance: Balance, mode: str, version: int, client: Program, files: str) -> None:
    """curl and atftp ask for a block size, tftp-hpa sends no options at all."""
    balance(tftp_farm(lab, version, mode))
    source = lab.backends[0].files / files
    errand = Errand(get=("name", files), put={f"upload/{files}": source})
    visit = client(lab.client, Target(host=vip(version), port=69), errand)
    assert visit.code == 0, visit.output
    assert visit.backend in {"b1", "b2", "b3"}
    assert visit.sha256[files] == sha256(source)
    # Each request is a connection of its own, so that any backend may have the file.
    (upload,) = [upload for backend in lab.backends for upload in (backend.files / "upload").iterdir()]
    # A server acknowledges the last block before it has written it.
    until(lambda: sha256(upload) == sha256(source), 60)


def test_two_hundred_at_once(lab: Lab, balance: Balance, mode: str, version: int) -> None:
    balance(tftp_farm(lab, version, mode))
    readers = storm(lab.client, vip(version), STORM)
    assert outcomes(readers) == {"done": STORM}
    content = (lab.backends[0].files / "small").read_bytes()
    assert all(reader.content == content for reader in readers)
    assert flows(lab.balancer, version, table="expect") == []


def test_a_storm_is_spread_evenly(lab: Lab, balance: Balance) -> None:
    balance(tftp_farm(lab, 4))
    storm(lab.client, vip(4), 210)
    seen = Counter(
        backend.name
        for backend in lab.backends
        for _ in flows(lab.balancer, 4, "-p", "udp", "--orig-port-dst", "69", "--reply-src", backend.address(4))
    )
    assert seen == {"b1": 70, "b2": 70, "b3": 70}


def test_backend_that_dies_in_a_storm(lab: Lab, balance: Balance, version: int) -> None:
    """Who asked it asks again from the same port, and must come to another one."""
    balance(tftp_farm(lab, version))
    dead = lab.backends[0]
    left: list[str] = []

    def take_out() -> None:
        balance.down("farm", dead.name)
        left.extend(flows(lab.balancer, version, "--reply-src", dead.address(version)))

    with fault(dead, BLACKHOLE):
        # Within the first half second: before then nobody asks a second time.
        readers = storm(lab.client, vip(version), STORM, meanwhile=[(0.4, take_out)])
    assert outcomes(readers) == {"done": STORM}
    assert left == [], "its entries went with it"


def test_dead_backend_leaves_room_for_the_healthy(lab: Lab, balance: Balance) -> None:
    """The kernel holds 4096 expectations; each request without an answer keeps one."""
    balance(farm(lab, "tftp", vips=[vip(4)], of={"b2": {"state": "down"}, "b3": {"state": "down"}}))
    dead = lab.backends[0]
    with fault(dead, BLACKHOLE):
        storm(lab.client, vip(4), 4300, patience=0.3)
        assert len(flows(lab.balancer, 4, table="expect")) >= 4000, "the dead backend has filled the table"
        balance.up("farm", "b2")
        balance.up("farm", "b3")
        balance.down("farm", dead.name)
        assert outcomes(storm(lab.client, vip(4), 100)) == {"done": 100}
