"""The timeline says of every moment what is held, and no label covers another."""

import io

import numpy as np
import pytest

from roeh.core.custody import GapRow, HoldRow, LockRow, SegmentRow, Span
from roeh.core.errors import EvidenceRefused
from roeh.core.moments import utc_argument
from roeh.custody.holdings import Holdings, spans_of
from roeh.custody.listing import Chosen
from roeh.custody.timeline import axis_ticks_us, timeline_of
from roeh.custody.timeline_picture import Heading, draw_timeline
from roeh.custody.timeline_terminal import print_timeline
from roeh.ledger.records import AlertRecord, ClockStepRecord, Record
from roeh.ledger.utc_spans import UtcSpan

BOOT = "00000000-0000-4000-8000-000000000000"
OTHER_BOOT = "11111111-1111-4111-8111-111111111111"
S = 1_000_000
T0_US = utc_argument("2026-01-31T18:30:00Z")
HEADING = Heading(title="harbour/pole-7", made="now", ledger="")


def segment(row, at_s, length_s=10, **changes):
    fields = {
        "row": row,
        "camera_id": "north",
        "segment": row,
        "path": f"north/{row:08d}.mp4",
        "boot_id": BOOT,
        "t_first_mono_us": at_s * S,
        "t_end_mono_us": (at_s + length_s) * S,
        "t_utc_us": T0_US + at_s * S,
        "utc_error_us": 2000,
        "synchronised": True,
        "size_bytes": 1000,
        "end_reason": "full",
        "leaf": row,
        "is_present": True,
        "locked": False,
        "held": False,
        "fragments": (),
        **changes,
    }
    return SegmentRow(**fields)


def holdings(*segments, gaps=(), locks=(), holds=()):
    return Holdings(tuple(segments), tuple(gaps), tuple(locks), tuple(holds), age_us=0)


def record(leaf, at_s, body):
    return Record(
        leaf=leaf,
        site="harbour",
        node="pole-7",
        boot_id=BOOT,
        t_mono_us=at_s * S,
        t_utc_us=T0_US + at_s * S,
        utc_error_us=0,
        synchronised=True,
        body=body,
    )


def alert_record(leaf, at_s, raised_id):
    body = AlertRecord(
        seq=leaf,
        id=raised_id,
        raised_id=raised_id,
        phase="raised",
        priority=5,
        rule="quay",
        payload_sha256="",
        thumbnail_sha256=None,
    )
    return record(leaf, at_s, body)


SPAN = Span("north", BOOT, 12 * S, 18 * S)
EVERYTHING = holdings(
    segment(1, 0, is_present=False),
    segment(2, 10, locked=True),
    segment(3, 20),
    segment(4, 30),
    segment(5, 100, held=True, end_reason=None),
    segment(6, 0, camera_id="south"),
    gaps=(
        GapRow(7, "north", BOOT, 40 * S, T0_US + 40 * S, BOOT, 100 * S, T0_US + 100 * S, "stalled"),
    ),
    locks=(LockRow(1, "a1", 1, 5, SPAN, 10**15, "active"),),
    holds=(
        HoldRow(
            1, "h1", "A", "case", (Span("north", BOOT, 100 * S, 200 * S),), T0_US, "active", None
        ),
    ),
)
RECORDS = (
    alert_record(8, 15, "a1"),
    record(9, 60, ClockStepRecord(by_us=-5 * S, synchronised_before=True, synchronised_after=True)),
)


def test_segments_that_follow_each_other_and_are_kept_alike_are_one_bar():
    lanes = timeline_of(EVERYTHING, RECORDS, Chosen()).lanes
    north, south = lanes
    assert [(bar.keep, (bar.when.to_us - bar.when.from_us) // S) for bar in north.bars] == [
        ("deleted", 10),
        ("locked", 10),
        ("plain", 20),
        ("held", 10),
    ]
    assert north.bars[-1].is_written
    assert [gap.reason for gap in north.gaps] == ["stalled"]
    assert [mark.rule for mark in north.alerts] == ["quay"]
    assert [lock.from_us for lock in north.locks] == [T0_US + 12 * S]
    assert [hold.person for hold in north.holds] == ["A"]
    assert not south.alerts


def test_it_is_cut_to_what_was_chosen():
    chosen = Chosen(since_us=T0_US + 21 * S, until_us=T0_US + 35 * S, camera_id="north")
    timeline = timeline_of(EVERYTHING, RECORDS, chosen)
    assert timeline.when == UtcSpan(T0_US + 21 * S, T0_US + 35 * S)
    assert [lane.camera_id for lane in timeline.lanes] == ["north"]
    assert timeline.steps == ()
    with pytest.raises(EvidenceRefused, match="nothing is recorded"):
        timeline_of(EVERYTHING, RECORDS, Chosen(since_us=T0_US + 10_000 * S))


@pytest.mark.parametrize("length_s", [1, 9, 59, 3600, 40_000, 86_400 * 3, 86_400 * 4000])
def test_the_axis_has_a_few_round_moments(length_s):
    when = UtcSpan(T0_US + 123_456, T0_US + 123_456 + length_s * S)
    ticks = axis_ticks_us(when, 10)
    assert len(ticks) <= 11
    assert all(when.from_us <= tick <= when.to_us and tick % S == 0 for tick in ticks)
    assert len(ticks) >= min(2, length_s)


def test_in_a_terminal_each_thing_is_where_it_was():
    out = io.StringIO()
    print_timeline(timeline_of(EVERYTHING, RECORDS, Chosen()), out)
    lines = out.getvalue().splitlines()
    (lane,) = [line for line in lines if line.startswith("north")]
    cells = lane[14:]
    order = "".join(sign for n, sign in enumerate(cells) if n == 0 or cells[n - 1] != sign).strip()
    assert order == "·▓▒-█"
    assert "stepped 5.0 s backwards" in out.getvalue()


def test_the_picture_has_every_kind_in_its_colour():
    picture = draw_timeline(timeline_of(EVERYTHING, RECORDS, Chosen()), HEADING)
    assert picture.shape[1] == 1800
    empty = draw_timeline(timeline_of(holdings(segment(3, 20)), (), Chosen()), HEADING)
    for color in ((70, 150, 235), (120, 60, 25)):
        lanes = slice(150, 262)
        assert np.any(np.all(picture[lanes] == color, axis=2))
        assert not np.any(np.all(empty[lanes] == color, axis=2))


def test_a_thousand_gaps_and_strange_names_fit_on_one_page():
    strange = "süd\x1b[31m" * 40
    many = [segment(n, n * 20, camera_id=strange) for n in range(1, 1000)]
    ends = [(T0_US + (n * 20 + 10) * S, T0_US + (n + 1) * 20 * S) for n in range(1, 999)]
    gaps = [GapRow(7, strange, BOOT, 0, begin, BOOT, 0, end, "stalled") for begin, end in ends]
    picture = draw_timeline(timeline_of(holdings(*many, gaps=gaps), (), Chosen()), HEADING)
    assert picture.shape[0] < 1000
    # Nothing runs over the edge of the page.
    assert np.all(picture[:, -15:] == 255)


def test_utc_is_found_in_the_time_of_each_boot():
    stepped = segment(2, 5, boot_id=OTHER_BOOT, t_utc_us=T0_US + 3 * S, utc_error_us=S)
    wanted = UtcSpan(T0_US + 4 * S, T0_US + 6 * S)
    first, second = spans_of(wanted, (segment(1, 0), stepped), None)
    assert (first.from_mono_us, first.to_mono_us) == (4 * S - 2000, 6 * S + 2000)
    # One second later by its clock than by the other, and one second of doubt.
    assert (second.boot_id, second.from_mono_us, second.to_mono_us) == (OTHER_BOOT, 5 * S, 9 * S)


def test_what_was_deleted_or_is_of_another_camera_is_not_found():
    gone = segment(1, 0, is_present=False)
    other = segment(2, 0, camera_id="south")
    wanted = UtcSpan(T0_US, T0_US + S)
    assert spans_of(wanted, (gone, other), "north") == ()
