from __future__ import annotations

from noidlb.events import EventLog
from noidlb.service.defects import Defects


def fail(text: str) -> None:
    raise ValueError(text)


def caught(text: str) -> Exception:
    try:
        fail(text)
    except ValueError as error:
        return error
    raise AssertionError


def test_a_defect_is_reported_once_with_its_traceback() -> None:
    events = EventLog()
    defects = Defects(events)
    for number in range(3):
        defects.report("GET /", caught(f"attempt {number}"))
    defects.report("GET /metrics", caught("elsewhere"))
    defects.report("GET /", KeyError("no traceback"))
    one, two, three = events.recent()
    assert one.kind == "internal-error"
    assert one.reason.startswith("GET /: ValueError: attempt 0, in ")
    assert "test_defects.py line" in one.reason
    assert any("raise ValueError(text)" in line for line in one.transcript)
    assert two.reason.startswith("GET /metrics: ValueError: elsewhere")
    assert three.reason.startswith("GET /: KeyError: 'no traceback', in an unknown place")


def test_ever_new_defects_do_not_fill_the_log() -> None:
    events = EventLog()
    defects = Defects(events)
    for number in range(200):
        defects.report(f"work {number}", caught("x"))
    assert len(events.recent(limit=1000)) == 100
