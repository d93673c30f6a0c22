from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks.exporter.errors import RequestError
from noidchecks.exporter.target import Target, parse_target


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("ftp.example.net", "ftp.example.net", 0),
        ("ftp.example.net.", "ftp.example.net.", 0),
        ("FTP_1:2121", "FTP_1", 2121),
        ("192.0.2.1", "192.0.2.1", 0),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("::1", "::1", 0),
        ("2001:db8::1", "2001:db8::1", 0),
        ("[2001:db8::1]", "2001:db8::1", 0),
        ("[2001:db8::1]:21", "2001:db8::1", 21),
        ("[fe80::1%eth0]:21", "fe80::1%eth0", 21),
        ("fe80::1%eth0", "fe80::1%eth0", 0),
    ],
)
def test_the_forms_of_a_target(text: str, host: str, port: int) -> None:
    assert parse_target(text) == Target(host, port)
    assert parse_target(str(parse_target(text))) == Target(host, port)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/run/ftp.sock", "unix socket"),
        ("ftp://ftp.example.net/", "is a URL"),
        ("-H", "neither"),
        ("--help", "neither"),
        ("-Hftp.example.net", "neither"),
        (".example.net", "neither"),
        ("a..b", "neither"),
        ("a b", "neither"),
        ("a\nb", "neither"),
        ("a\0b", "neither"),
        ("a;b", "neither"),
        ("a/b", "neither"),
        ("schön.example.net", "neither"),
        ("x" * 64, "neither"),
        ("x." * 200, "neither"),
        ("", "neither"),
        ("[", "neither"),
        ("[]", "neither"),
        ("[::1", "neither"),
        ("[::1]21", "neither"),
        ("[192.0.2.1]:21", "neither"),
        ("[a]:21", "neither"),
        ("1:2:3", "neither"),
        ("fe80::1%e th0", "neither"),
        ("a:", "port must be 1 to 65535"),
        ("a:0", "port must be 1 to 65535"),
        ("a:65536", "port must be 1 to 65535"),
        ("a:999999999999", "port must be 1 to 65535"),
        ("a:-1", "port must be 1 to 65535"),
        ("a:ftp", "port must be 1 to 65535"),
        ("a:\uff12\uff11", "port must be 1 to 65535"),
        ("[::1]:", "port must be 1 to 65535"),
    ],
)
def test_what_is_no_target_gets_one_sentence(text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        parse_target(text)
    assert caught.value.status == 400
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a b", "-x", "[::1]", "a\nb", "x" * 300, "/x", "a:1"])
def test_what_is_no_name_of_a_server(name: str) -> None:
    with pytest.raises(RequestError, match="is no host name"):
        parse_target("192.0.2.1", name)
    assert parse_target("192.0.2.1:21", "a.example.net") == Target("192.0.2.1", 21, "a.example.net")


@given(st.text(st.characters(codec=None), max_size=80) | st.from_regex(r"[\[\]:a-f0-9%.\-]{0,40}"))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    sentence = ""
    try:
        target: Target | None = parse_target(text)
    except RequestError as error:
        target = None
        sentence = str(error)
    if target is None:
        assert sentence.isprintable()
        return
    assert target.host[0] not in "-/."
    assert target.host.isascii()
    assert target.host.isprintable()
    assert " " not in target.host
    assert 0 <= target.port <= 65535
