"""The Icinga 2 API over TLS: what is handed in, and what happens when it fails."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from noidchecks import State, UsageError
from noidchecks.demo.certificate import write_certificate
from noidchecks.surveys.destination import Outcome
from noidchecks.surveys.report import icinga2
from noidchecks.surveys.report.icinga2 import PASSWORD_VARIABLE, USER_VARIABLE, Icinga2, credentials
from noidchecks.surveys.report.record import Record
from tests.support.icinga_api import PASSIVE_DISABLED, PASSWORD, UNKNOWN, USER, Api
from tests.support.records import BANNERS, TIME, record


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("icinga") / "certificate.pem"
    write_certificate(path, "localhost")
    return path


@pytest.fixture
def api(certificate: Path) -> Iterator[Api]:
    with Api(certificate) as server:
        yield server


@pytest.fixture
def report(api: Api, certificate: Path) -> Iterator[Icinga2]:
    found = Icinga2(api.url, USER, PASSWORD, str(certificate))
    yield found
    found.close()


def deliver(report: Icinga2, *records: Record) -> Outcome:
    return report.deliver(records)


def services(count: int) -> list[Record]:
    return [record(service=f"s{number}") for number in range(count)]


def arrived(api: Api) -> list[str]:
    return [result["service"].partition("!")[2] for result in api.results]


def test_a_result_arrives_whole(api: Api, report: Icinga2) -> None:
    assert not deliver(report, record(state=State.CRITICAL, more="\nsecond line")).left
    assert api.results == [
        {
            "type": "Service",
            "service": "web1!ftp",
            "exit_status": 2,
            "plugin_output": "FTP CRITICAL - [220 ready]\nsecond line",
            "performance_data": ["time=0.250000s;;;0.000000", "'a b'=7"],
            "execution_start": TIME - 0.25,
            "execution_end": TIME,
            "check_source": socket.gethostname(),
        }
    ]


def test_hostile_banners_are_text(api: Api, report: Icinga2) -> None:
    records = [record(banner, service=f"s{number}") for number, banner in enumerate(BANNERS)]
    assert not deliver(report, *records).left
    assert [result["plugin_output"] for result in api.results] == [one.text for one in records]
    assert {tuple(result["performance_data"]) for result in api.results} == {records[0].perfdata}


def test_many_results_share_a_connection(api: Api, report: Icinga2) -> None:
    for _ in range(3):
        assert not deliver(report, *services(50)).left
    assert (api.connections, api.requests) == (1, 150)
    assert arrived(api) == [f"s{number}" for number in range(50)] * 3


@pytest.mark.parametrize("form", ["chunked", "ends", "last"])
def test_other_forms_of_answers_are_understood(form: str, api: Api, report: Icinga2) -> None:
    api.failures += ["", form]
    delivery = deliver(report, *services(5))
    while delivery.left:
        # A connection that ends with an answer leaves what comes behind it, without any trouble.
        assert delivery.trouble == ""
        delivery = report.deliver(delivery.left)
    assert set(arrived(api)) == {f"s{number}" for number in range(5)}


@pytest.mark.parametrize(
    ("failure", "trouble"),
    [
        (401, "HTTP 401 told to"),
        (403, "HTTP 403 told to"),
        (404, "HTTP 404 told to"),
        ("page", "HTTP 404"),
        ("login", "HTTP 200 is no answer of Icinga 2"),
        (500, "HTTP 500 told to"),
        (503, "HTTP 503 told to"),
        ("close", "the connection was closed"),
        ("nonsense", "the answer is not HTTP"),
        ("endless", "the answer has too long a line"),
    ],
)
def test_trouble_keeps_what_was_not_taken(failure: int | str, trouble: str, api: Api, report: Icinga2) -> None:
    api.failures += ["", "", failure]
    delivery = deliver(report, *services(5))
    assert (delivery.trouble, delivery.refused) == (trouble, [])
    assert [one.name for one in delivery.left] == ["s2 on web1", "s3 on web1", "s4 on web1"]
    again = report.deliver(delivery.left)
    assert (list(again.left), again.trouble) == ([], "")
    assert set(arrived(api)) == {f"s{number}" for number in range(5)}


def test_an_object_that_is_refused_holds_no_other(api: Api, report: Icinga2) -> None:
    records = [record(service=name) for name in ("a", UNKNOWN, "b", PASSIVE_DISABLED, "c")]
    delivery = deliver(report, *records)
    assert (list(delivery.left), delivery.trouble) == ([], "")
    assert list(delivery.refused) == [
        (f"{UNKNOWN} on web1", "404 No objects found."),
        (f"{PASSIVE_DISABLED} on web1", f"403 Passive checks are disabled for object 'web1!{PASSIVE_DISABLED}'."),
    ]
    assert arrived(api) == ["a", "b", "c"]


def test_a_wrong_password_is_trouble_and_not_printed(api: Api, certificate: Path) -> None:
    report = Icinga2(api.url, USER, "wrong-secret", str(certificate))
    delivery = deliver(report, record())
    report.close()
    assert (len(delivery.left), delivery.trouble) == (1, "HTTP 401 Unauthorized.")


def test_a_server_that_comes_back_is_found(certificate: Path) -> None:
    with Api(certificate) as api:
        report = Icinga2(api.url, USER, PASSWORD, str(certificate))
        assert not deliver(report, record()).left
    delivery = deliver(report, *services(3))
    assert len(delivery.left) == 3
    assert "refused" in delivery.trouble
    with Api(certificate, api.port) as api:
        assert not report.deliver(delivery.left).left
        assert arrived(api) == ["s0", "s1", "s2"]
        report.close()


def test_a_connection_that_the_server_has_ended_is_no_trouble(api: Api, report: Icinga2) -> None:
    """Icinga 2 closes those that were silent for ten seconds."""
    api.failures += ["last", ""]
    for _ in range(2):
        delivery = deliver(report, record())
        assert (list(delivery.left), delivery.trouble) == ([], "")
    for connection in api._open:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    delivery = deliver(report, record())
    assert (list(delivery.left), delivery.trouble) == ([], "")
    assert api.connections == 3


@pytest.mark.parametrize("how", ["authority", "name"])
def test_a_certificate_that_is_not_ours_is_never_spoken_to(how: str, api: Api, certificate: Path) -> None:
    url = api.url if how == "authority" else api.url.replace("localhost", "127.0.0.1")
    report = Icinga2(url, USER, PASSWORD, "" if how == "authority" else str(certificate))
    delivery = deliver(report, record())
    assert len(delivery.left) == 1
    assert delivery.trouble.startswith("certificate cannot be verified: ")
    assert api.requests == 0


def test_a_server_that_says_nothing_is_given_up(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icinga2, "_TIMEOUT", 0.1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        report = Icinga2(f"https://localhost:{listener.getsockname()[1]}", USER, PASSWORD, str(certificate))
        delivery = deliver(report, record())
    assert len(delivery.left) == 1
    assert "timed out" in delivery.trouble


@pytest.mark.parametrize(
    "url",
    [
        *("http://x", "x:5665", "https://", "https://x:0", "https://x:99999", "https://x/?a=b", "https://x#y"),
        *("https://[::1", "https://[x]:1", "https://x:y"),
    ],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="must be like https://host:5665"):
        Icinga2(url, "a", "b")


@pytest.mark.parametrize(
    "user", ["user:secret", "user:sec#secret", "user:sec/secret", "user:sec?secret", "[:secret", "secret"]
)
def test_a_password_in_the_url_is_refused_and_not_repeated(user: str) -> None:
    with pytest.raises(UsageError, match="must not hold a user or a password") as refusal:
        Icinga2(f"https://{user}@host:5665", "a", "b")
    assert "sec" not in str(refusal.value)


def test_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read --icinga-ca"):
        Icinga2("https://x", "a", "b", str(tmp_path / "none"))


def test_credentials_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(b"survey\r\np:a ss\xff\r\n")
    assert credentials(str(file)) == ("survey", "p:a ss\udcff")
    for text in (b"", b"survey\n", b"\nsecret\n"):
        file.write_bytes(text)
        with pytest.raises(UsageError, match="must be user and password") as refusal:
            credentials(str(file))
        assert "secret" not in str(refusal.value)
    with pytest.raises(UsageError, match="No such file"):
        credentials(str(tmp_path / "none"))
    monkeypatch.delenv(USER_VARIABLE, raising=False)
    monkeypatch.setenv(PASSWORD_VARIABLE, "b")
    with pytest.raises(UsageError, match=USER_VARIABLE):
        credentials("")
    monkeypatch.setenv(USER_VARIABLE, "a")
    assert credentials("") == ("a", "b")
