"""Which GOPs a clip is made of, whatever the clock did meanwhile."""

import itertools

import pytest

from roeh.bitstream.cut import MAX_LATE_GOPS
from roeh.core.custody import FragmentRow, SegmentRow, Span
from roeh.core.errors import EvidenceRefused
from roeh.custody.clip_choice import Asked, ask_segments, ask_utc, choose
from roeh.custody.holdings import Holdings
from roeh.ledger.utc_spans import UtcSpan

S = 1_000_000
GOPS = 5
FIRST, SECOND = "boot-1", "boot-2"
NOON_S = 1_800_000_000


def segment(number, *, mono_s, utc_s, boot=FIRST, present=True):
    """Ten seconds of video."""
    fragments = tuple(
        FragmentRow(100 * n, 100, "", 1, (mono_s + 2 * n) * S, (mono_s + 2 * n + 2) * S)
        for n in range(GOPS)
    )
    return SegmentRow(
        row=number,
        camera_id="north",
        segment=number,
        path=f"north/{number:08d}.mp4",
        boot_id=boot,
        t_first_mono_us=mono_s * S,
        t_end_mono_us=(mono_s + 10) * S,
        t_utc_us=utc_s * S,
        utc_error_us=0,
        synchronised=True,
        size_bytes=1000,
        end_reason="full",
        leaf=number,
        is_present=present,
        locked=False,
        held=False,
        fragments=fragments if present else (),
    )


def held(*segments):
    return Holdings(segments=segments, gaps=(), locks=(), holds=(), age_us=0)


def utc(from_s, to_s):
    return ask_utc("north", UtcSpan(from_s * S, to_s * S))


def names(run):
    return [(gop.segment.segment, gop.number) for gop in run.chosen]


def test_every_gop_that_shares_time_is_chosen_and_no_other():
    holdings = held(*(segment(n, mono_s=10 * n, utc_s=NOON_S + 10 * n) for n in range(1, 5)))
    (run,) = choose(utc(NOON_S + 17, NOON_S + 22), holdings)
    assert names(run) == [(1, 3), (1, 4), (2, 0)]
    assert len(run.following) == MAX_LATE_GOPS
    assert run.following[0].number == 1
    assert run.chosen[0].utc.from_us == (NOON_S + 16) * S


def test_a_clock_set_back_an_hour_within_a_boot_leaves_the_pictures_side_by_side():
    holdings = held(
        segment(1, mono_s=10, utc_s=NOON_S), segment(2, mono_s=20, utc_s=NOON_S + 10 - 3600)
    )
    (run,) = choose(ask_segments("north", (1, 2)), holdings)
    assert all(b.t_first_us == a.t_end_us for a, b in itertools.pairwise(run.chosen))
    assert run.chosen[-1].utc.to_us == (NOON_S + 20 - 3600) * S
    (late,) = choose(utc(NOON_S + 12 - 3600, NOON_S + 13 - 3600), holdings)
    assert names(late) == [(2, 1)]


def test_over_a_restart_utc_says_how_long_it_was_and_time_never_runs_back():
    before = segment(1, mono_s=1000, utc_s=NOON_S)
    after = segment(2, mono_s=5, utc_s=NOON_S + 40, boot=SECOND)
    wrong = segment(2, mono_s=5, utc_s=NOON_S - 90_000, boot=SECOND)
    (run,) = choose(ask_segments("north", (1, 2)), held(before, after))
    assert run.chosen[GOPS].t_first_us - run.chosen[GOPS - 1].t_end_us == 30 * S
    (run,) = choose(ask_segments("north", (1, 2)), held(before, wrong))
    assert run.chosen[GOPS].t_first_us == run.chosen[GOPS - 1].t_end_us


def test_other_video_in_between_makes_two_runs():
    holdings = held(
        segment(1, mono_s=10, utc_s=NOON_S),
        segment(2, mono_s=20, utc_s=NOON_S + 90_000),
        segment(3, mono_s=30, utc_s=NOON_S + 20),
    )
    runs = choose(utc(NOON_S, NOON_S + 60), holdings)
    assert [{name[0] for name in names(run)} for run in runs] == [{1}, {3}]


def test_what_was_deleted_by_rule_parts_nothing_and_is_named_when_it_is_all():
    gone = segment(2, mono_s=20, utc_s=NOON_S + 10, present=False)
    holdings = held(
        segment(1, mono_s=10, utc_s=NOON_S), gone, segment(3, mono_s=30, utc_s=NOON_S + 20)
    )
    (run,) = choose(utc(NOON_S, NOON_S + 60), holdings)
    assert len(run.chosen) == 2 * GOPS
    assert run.chosen[GOPS].t_first_us - run.chosen[GOPS - 1].t_end_us == 10 * S
    with pytest.raises(EvidenceRefused, match="deleted by rule of what was asked for: 1"):
        choose(ask_segments("north", (2,)), holdings)


def test_the_spans_of_an_alert_are_of_their_boot_alone():
    holdings = held(
        segment(1, mono_s=10, utc_s=NOON_S), segment(2, mono_s=10, utc_s=NOON_S + 60, boot=SECOND)
    )
    asked = Asked(
        camera_id="north", text="an alert", spans=(Span("north", SECOND, 11 * S, 13 * S),)
    )
    (run,) = choose(asked, holdings)
    assert names(run) == [(2, 0), (2, 1)]
