"""Which parts of the kernel this machine has, which modules are loaded, and where a route leads."""

from __future__ import annotations

import gzip
import os
from ipaddress import ip_address
from pathlib import Path

import pytest
from noidlb.farm import Protocol
from noidlb.nft import host as modules

from tests.support.lb.farms import farm
from tests.support.lb.programs import Played


def test_looking_for_a_route_sends_nothing() -> None:
    assert modules.source_of(ip_address("127.0.0.1")) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        # Like a secondary address, its local route has the source address 127.0.0.1.
        ("127.0.0.2", True),
        ("::1", True),
        ("192.0.2.10", False),
        ("2001:db8::10", False),
    ],
)
def test_addresses_of_this_machine(address: str, here: bool) -> None:
    assert modules.is_here(ip_address(address)) == here


def test_modules(tmp_path: Path) -> None:
    name = "nf_nat_ftp"
    assert modules.is_there(name, tmp_path) is None
    (tmp_path / "proc").mkdir()
    configuration = tmp_path / "proc/config.gz"
    configuration.write_bytes(gzip.compress(b"CONFIG_NF_NAT_FTP=m\n"))
    assert modules.is_there(name, tmp_path) is False
    configuration.write_bytes(gzip.compress(b"CONFIG_NF_NAT_FTP=y\n"))
    assert modules.is_there(name, tmp_path) is True
    configuration.write_bytes(b"nonsense")
    (tmp_path / "proc/modules").write_text("")
    built_in = tmp_path / "lib/modules" / os.uname().release / "modules.builtin"
    built_in.parent.mkdir(parents=True)
    built_in.write_text("kernel/fs/ext4/ext4.ko\n")
    assert modules.is_there(name, tmp_path) is False
    built_in.write_text(f"kernel/net/netfilter/{name}.ko\n")
    assert modules.is_there(name, tmp_path) is True
    built_in.write_text("")
    (tmp_path / "sys/module" / name).mkdir(parents=True)
    assert modules.is_there(name, tmp_path) is True


def test_modules_that_are_missing_are_loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modprobe = Played(path, "modprobe")
    monkeypatch.setattr(modules, "is_there", lambda name: name == "there" or bool(modprobe.calls))
    assert modules.load(["there", "nf_nat_ftp", "nf_nat_tftp"]) == []
    assert [call.arguments for call in modprobe.calls] == [["--quiet", "--all", "nf_nat_ftp", "nf_nat_tftp"]]
    assert modules.load(["nf_nat_ftp"]) == []
    assert len(modprobe.calls) == 1


@pytest.mark.usefixtures("path")
def test_modules_that_cannot_be_loaded_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "is_there", lambda name: False)
    assert modules.load(["nf_nat_ftp"]) == ["nf_nat_ftp"]
    monkeypatch.setattr(modules, "is_there", lambda name: None)
    assert modules.load(["nf_nat_ftp"]) == []


def test_farms_need_the_helpers_of_their_protocols() -> None:
    both = (farm("ftp"), farm("tftp", protocol=Protocol.TFTP))
    assert modules.nat_helpers(both) == ["nf_nat_ftp", "nf_nat_tftp"]
    assert modules.nat_helpers((farm("s", protocol=Protocol.SFTP),)) == []
