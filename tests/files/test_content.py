"""What is found in content and in lists of names, however it is cut into chunks."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given, strategies as st

from noidchecks.files.content import Content, Entries


def chunks(data: st.DataObject, raw: bytes) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    return [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(st.text("ab", max_size=40).map(str.encode), st.text("ab", max_size=5).map(str.encode), st.data())
def test_a_text_is_found_across_chunks(raw: bytes, text: bytes, data: st.DataObject) -> None:
    content = Content(hashed=True, text=text)
    for chunk in chunks(data, raw):
        content.feed(chunk)
    assert content.found is (text in raw)
    assert content.size == len(raw)
    assert content.sha256 == sha256(raw).hexdigest()


@given(
    st.lists(
        st.sampled_from(
            [b"a", b".", b"..", b"...", b"d/", b"d/.", b"/d/..", b"d/a", b"z" * 99 + b"/.", b"", b"  ", b" x", b"y" * 9]
        ),
        max_size=8,
    ),
    st.data(),
)
def test_entries_are_counted_however_they_come(names: list[bytes], data: st.DataObject) -> None:
    raw = b"\r\n".join(names) + data.draw(st.sampled_from([b"", b"\r\n", b"\n"]))
    entries = Entries()
    for chunk in chunks(data, raw):
        entries.feed(chunk)
    entries.finish()
    counted = [name for name in names if name.strip() and name.strip().rpartition(b"/")[2] not in (b".", b"..")]
    assert entries.count == len(counted)
    assert entries.last.strip() == (counted[-1].strip() if counted else b"")
