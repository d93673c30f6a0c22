"""Impossible settings of probes and values are refused when they are made, with the name of the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from noidchecks import (
    Active,
    File,
    FtpProbe,
    Identity,
    Listing,
    Login,
    Probe,
    Range,
    SshProbe,
    State,
    TftpFile,
    TftpProbe,
    UsageError,
    check,
)
from noidchecks.value import Value

PROBES: dict[type[Value], dict[str, Any]] = {
    FtpProbe: {"host": "h"},
    TftpProbe: {"host": "h", "filename": "f"},
    SshProbe: {"host": "h", "login": Login("u", "p")},
}
VALUES: dict[type[Value], dict[str, Any]] = {
    **PROBES,
    Login: {"user": "u", "password": "p"},
    Listing: {"folder": "in"},
    File: {"name": "f"},
    TftpFile: {"name": "f"},
    Identity: {"path": "key"},
    Active: {"address": "192.0.2.1"},
    Range: {"start": 0.0},
}
STRANGERS: tuple[Any, ...] = (
    None, True, 1, 0.5, "x", b"x", (), [], {}, object(), State.OK, Range(end=1), (1,), ("x",), (b"x", 1), (None,),
    Login("u", "secret"), float("nan"), float("inf"), -1, 10**400, "\0", "a b", "x\n", "\udcff", "\ud800",
    bytearray(b"x"), int,
)  # fmt: skip


def every_field() -> list[Any]:
    return [pytest.param(kind, name, id=f"{kind.__name__}-{name}") for kind in VALUES for name in kind._fields]


@pytest.mark.parametrize(("kind", "name"), every_field())
def test_any_value_of_any_field_is_taken_or_a_usage_error(kind: type[Value], name: str) -> None:
    """And one that is taken has the type that the class declares, so that check() never meets another."""
    for stranger in STRANGERS:
        refused: ValueError | None = None
        try:
            made = kind(**(VALUES[kind] | {name: stranger}))
        except ValueError as error:
            refused = error
        if refused is not None:
            # What a range always said is no UsageError: it starts after its end.
            assert isinstance(refused, UsageError) or kind is Range
            assert str(refused).isprintable()
            assert "secret" not in str(refused)
        else:
            assert hash(made) == hash(made.replace())
            declared = kind.__annotations__[name]
            assert any(fits(stranger, one) for one in declared.split(" | ")), f"{stranger!r} was taken for {declared}"


def fits(found: object, declared: str) -> bool:
    if declared == "float":
        return isinstance(found, int | float) and not isinstance(found, bool)
    if declared == "int":
        return isinstance(found, int) and not isinstance(found, bool)
    if declared.startswith("tuple["):
        return isinstance(found, tuple)
    return type(found).__name__ in (declared, f"{declared}Type")


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("host", value) for value in ("", " ", "a b", "a\tb", "a\n", "a\0b", "\udcff", "x" * 300, None, b"h", 1)),
        *(("port", value) for value in (0, -1, 65536, 70000, "21", 21.0, True, None, 10**400)),
        *(("timeout", value) for value in ("5", None, True, float("nan"), float("inf"), b"5")),
        *(("source", value) for value in ("garbage", "127.0.0.1 ", "localhost", "1.2.3", None, 1, b"127.0.0.1")),
        *(("family", value) for value in (4, 6, "4", None, -1)),
        *(("warning", value) for value in (0.5, "0.5", (0, 1), 1)),
        *(("critical", value) for value in (0.5, "0.5", (0, 1), 1)),
        *(("timeout_state", value) for value in (2, "critical", None)),
        *(("show_phases", value) for value in (1, "yes", None)),
    ],
)
def test_what_no_probe_can_have(kind: Callable[..., object], field: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        kind(**(PROBES[kind] | {field: value}))  # type: ignore[index]  # a class is called and looked up
    said = str(caught.value).lower()
    assert field.split("_")[0] in said
    assert "\n" not in said


def test_a_number_is_no_threshold() -> None:
    with pytest.raises(UsageError, match=r"^warning must be a Range or None, not float$"):
        FtpProbe("h", warning=0.5)  # type: ignore[arg-type]  # that is the test


def test_a_secret_is_not_repeated() -> None:
    with pytest.raises(UsageError, match=r"^password must be a str, not bytes$"):
        Login("u", b"secret")  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (FtpProbe, {"expect": "220"}, "expect must be a tuple, each bytes, not str"),
        (FtpProbe, {"expect": ("220",)}, "expect must be a tuple, each bytes, not a tuple of 1: str"),
        (
            FtpProbe,
            {"certificate_days": (1,)},
            "certificate_days must be a tuple of 2, each an int or",
        ),
        (FtpProbe, {"login": "anonymous"}, "login must be a Login or None, not str"),
        (FtpProbe, {"tls": "explicit", "sni": ".h"}, "sni"),
        (FtpProbe, {"tls": "explicit", "verify": True, "ca_file": "a\0"}, "ca_file must not hold NUL"),
        (FtpProbe, {"limit": 0}, "Limit"),
        (FtpProbe, {"delay": float("inf")}, "delay"),
        (SshProbe, {"identities": ("key",)}, "identities must be a tuple, each an Identity, not a tuple of 1: str"),
        (SshProbe, {"known_hosts": "a\0"}, "known_hosts must not hold NUL"),
        (TftpProbe, {"further": [TftpFile("g")]}, "further must be a tuple, each a TftpFile, not list"),
        (File, {"limit": 0}, "Limit"),
    ],
)
def test_the_sentence_names_field_and_type(kind: type[Value], fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        kind(**(VALUES[kind] | fields))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("before", "field", "value"),
    [
        ({}, "expect", ("a",)),
        ({"expect": (b"a",)}, "expect", (b"a", "b")),
        ({"sni": "a", "tls": "implicit"}, "sni", "a\0"),
        ({"jail": True}, "jail", 1),
        ({"port": 1}, "port", True),
    ],
)
def test_a_value_is_refused_behind_others_that_were_right(before: dict[str, Any], field: str, value: Any) -> None:
    """Fields that have the values of the probe before are not looked at again; all others are."""
    for _ in range(2):
        FtpProbe("h", **before)
        with pytest.raises(UsageError, match=field):
            FtpProbe("h", **before | {field: value})
    FtpProbe("h", **before)


def test_a_source_has_a_family() -> None:
    assert FtpProbe("h", source="127.0.0.1").source == "127.0.0.1"
    assert FtpProbe("h", source="fe80::1%lo").source == "fe80::1%lo"
    for kind in (FtpProbe, SshProbe, TftpProbe):
        with pytest.raises(UsageError, match="not of the address family"):
            kind("h", source="127.0.0.1", family=10)


def test_subclasses_of_the_types_will_do() -> None:
    class Text(str):
        __slots__ = ()

    class Mine(FtpProbe):
        """A user's own, with fields of its parent."""

    assert Mine(Text("h"), timeout=1).host == "h"
    with pytest.raises(UsageError, match="timeout must be a number"):
        Mine("h", timeout="1")  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("timeout", [-1, 0, 1e-9, 1e9, 1e300])
def test_any_finite_timeout_runs(timeout: float) -> None:
    assert check(FtpProbe("127.0.0.1", port=1, timeout=timeout)).state == State.CRITICAL


def test_probes_are_known_at_run_time() -> None:
    class Own:
        timeout = 1.0

        def dialogue(self) -> None: ...
        def judge(self, found: object, timings: object) -> None: ...

    assert all(isinstance(kind(**fields), Probe) for kind, fields in PROBES.items())
    assert isinstance(Own(), Probe)
    assert not isinstance(Login(), Probe)
    assert not isinstance("check_ftp", Probe)
