"""The timeline as people see it: stretches, gaps, holds and alerts along UTC."""

import pytest

from roeh.core.custody import GapRow, HoldRow, SegmentRow, Span
from roeh.ledger.records import AlertRecord, LockRecord, Record
from roeh.retrieve.api.answers import Bar
from roeh.retrieve.api.questions import CustodyQuestion, PageQuestion, SpanQuestion, parse_texts
from roeh.retrieve.door.problems import HttpProblem
from roeh.retrieve.visits.laying import Layout, alert_marks

_S = 1_000_000
_BOOT = "8be4df61-93ca-4ad2-9b9b-0242ac120002"
#: UTC less monotonic time.
_OFFSET = 1_000 * _S


def segment(number, from_s, to_s, *, camera="north", **changed):
    fields = {
        "row": number,
        "camera_id": camera,
        "segment": number,
        "path": f"{camera}/{number}",
        "boot_id": _BOOT,
        "t_first_mono_us": from_s * _S,
        "t_end_mono_us": to_s * _S,
        "t_utc_us": from_s * _S + _OFFSET,
        "utc_error_us": 10,
        "synchronised": True,
        "size_bytes": 1,
        "end_reason": "full",
        "leaf": number,
        "is_present": True,
        "locked": False,
        "held": False,
        "fragments": (),
    }
    return SegmentRow(**(fields | changed))


def bar(from_s, to_s, keep="plain", *, is_written=False):
    return Bar(
        from_utc_us=from_s * _S + _OFFSET,
        to_utc_us=to_s * _S + _OFFSET,
        error_us=10,
        synchronised=True,
        keep=keep,
        is_written=is_written,
    )


def layout(camera=None):
    return Layout(_OFFSET, _OFFSET + 100 * _S, camera)


def test_segments_that_follow_each_other_and_are_kept_alike_are_one_stretch():
    made = layout()
    made.add_segments([segment(1, 0, 10), segment(2, 10, 20), segment(3, 20, 30, held=True)])
    made.add_segments([segment(4, 30, 40, locked=True), segment(5, 60, 70, end_reason=None)])
    (lane,) = made.lanes()
    assert lane.bars == (
        bar(0, 20),
        bar(20, 30, "held"),
        bar(30, 40, "locked"),
        bar(60, 70, is_written=True),
    )


def test_what_was_deleted_stands_before_what_is_there():
    made = layout()
    made.add_segments([segment(1, 0, 10, is_present=False)])
    made.add_segments([segment(2, 10, 20)])
    assert made.lanes()[0].bars == (bar(0, 10, "deleted"), bar(10, 20))


def test_what_lies_outside_or_is_of_another_camera_is_left_out():
    made = layout("north")
    made.add_segments([segment(1, 100, 110), segment(2, 0, 10, camera="south")])
    made.add_gap(GapRow(1, "north", _BOOT, 0, 0, _BOOT, 0, _OFFSET, "stopped"))
    assert made.lanes() == ()


def test_gaps_and_holds_lie_in_the_lane_of_their_camera():
    made = layout()
    made.add_segments([segment(1, 0, 10), segment(2, 0, 10, camera="south")])
    made.add_gap(GapRow(3, "south", _BOOT, 0, _OFFSET + 10, _BOOT, 0, _OFFSET + 20, "stalled"))
    span = Span("north", _BOOT, 2 * _S, 5 * _S)
    made.add_hold(HoldRow(1, "hold", "Somebody", "a fight", (span,), 0, "active", None))
    made.add_hold(HoldRow(2, "over", "Somebody", "a fight", (span,), 0, "released", None))
    north, south = made.lanes()
    assert [(gap.from_utc_us, gap.reason) for gap in south.gaps] == [(_OFFSET + 10, "stalled")]
    assert [hold.hold_id for hold in north.holds] == ["hold"]
    assert north.holds[0].from_utc_us == _OFFSET + 2 * _S
    assert (north.gaps, south.holds) == ((), ())


def test_an_alert_has_the_cameras_whose_video_it_keeps():
    def record(leaf, body):
        return Record(
            leaf=leaf, site="a", node="b", boot_id=_BOOT, t_mono_us=leaf, t_utc_us=leaf,
            utc_error_us=0, synchronised=True, body=body,
        )  # fmt: skip

    def alert(leaf, name, phase):
        body = AlertRecord(
            seq=leaf, id=name, raised_id="one", phase=phase, priority=5, rule="quay",
            payload_sha256="", thumbnail_sha256=None,
        )  # fmt: skip
        return record(leaf, body)

    lock = LockRecord(
        raised_id="one", camera_id="north", boot_id=_BOOT, from_mono_us=0, to_mono_us=1,
        expires_age_us=2,
    )  # fmt: skip
    marks = alert_marks([alert(1, "one", "raised"), record(2, lock), alert(3, "two", "updated")])
    assert [(mark.alert_id, mark.cameras, mark.has_thumbnail) for mark in marks] == [
        ("one", ("north",), False)
    ]


def test_parameters_are_whole_numbers_and_known():
    assert parse_texts({"from_utc_us": "1", "to_utc_us": "2"}, SpanQuestion).to_utc_us == 2
    assert parse_texts({"after": "-1", "before": "7"}, CustodyQuestion).before == 7
    assert parse_texts({}, PageQuestion).after == -1


@pytest.mark.parametrize("text", ["", " 1", "+1", "01", "1.0", "1e3", "0x1", "1_0", "-2", "9" * 17])
def test_what_only_looks_like_a_number_is_none(text):
    with pytest.raises(HttpProblem):
        parse_texts({"after": text}, PageQuestion)


def test_a_parameter_that_nobody_knows_is_refused():
    with pytest.raises(HttpProblem):
        parse_texts({"after": "1", "path": "/etc/passwd"}, PageQuestion)
