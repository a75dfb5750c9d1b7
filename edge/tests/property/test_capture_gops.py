"""Grouping and the ring, whatever comes in whatever order."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from roeh.capture.gops import GopBuilder
from roeh.capture.ring import GopRing, held_bytes
from roeh.capture.stamps import Stamps, orderly
from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.gop import CodecConfig, Discontinuity, Gop, StreamEnd
from roeh.core.ids import ClockIds
from roeh.sources.coded import CodedPicture

CAPTURE_ID = ClockIds(SimulatedClock()).new()
CONFIG = CodecConfig("h264", (b"\x67", b"\x68"), 64, 48)
STEP = 9000

stamp = st.one_of(st.none(), st.integers(-(10**6), 10**6))


@given(
    st.lists(st.builds(Stamps, dts=stamp, pts=stamp), min_size=1, max_size=30),
    st.one_of(st.none(), st.integers(-(10**6), 10**6)),
)
def test_whatever_the_stamps_decoding_times_grow_and_none_is_shown_before(stamps, after_dts):
    ticks = orderly(stamps, after_dts=after_dts, step=STEP)
    dts = [one.dts for one in ticks]
    assert len(ticks) == len(stamps)
    assert all(later > earlier for earlier, later in itertools.pairwise(dts))
    assert after_dts is None or dts[0] > after_dts
    assert all(one.pts >= one.dts for one in ticks)


@given(st.permutations(range(8)))
def test_without_decoding_times_the_shown_ones_stay_as_they_are(order):
    shown = [place * STEP for place in order]
    ticks = orderly([Stamps(None, pts) for pts in shown], after_dts=None, step=STEP)
    assert [one.pts for one in ticks] == shown
    again = orderly([Stamps(one.dts, one.pts) for one in ticks], after_dts=None, step=STEP)
    assert again == ticks


def test_pictures_before_the_first_stamp_lie_even_steps_before_it():
    stamps = [Stamps(None, None)] * 2 + [Stamps(dts, dts) for dts in (0, 3600, 7200)]
    ticks = orderly(stamps, after_dts=None, step=STEP)
    assert [one.pts for one in ticks] == [-7200, -3600, 0, 3600, 7200]


def test_a_first_picture_without_a_stamp_is_shown_before_those_it_is_needed_for():
    """I P B B as FFmpeg gives them of a camera that has just been connected."""
    stamps = [(None, None), (None, 10800), (None, 3600), (3600, 7200), (7200, 21600)]
    ticks = orderly([Stamps(*one) for one in stamps], after_dts=None, step=STEP)
    assert [one.pts for one in ticks] == [0, 10800, 3600, 7200, 21600]
    assert [one.dts for one in ticks] == [-3600, 0, 3600, 7200, 18000]


# A picture as (key, why it does not go on, bytes), a loss, or an end.
happening = st.one_of(
    st.tuples(
        st.booleans(),
        st.sampled_from(
            [None, None, None, None, Discontinuity.FORMAT_CHANGED, Discontinuity.SOURCE_RESTARTED]
        ),
        st.integers(1, 40),
    ),
    st.sampled_from(["damaged", "end"]),
)
MAX_BYTES, MAX_UNITS = 150, 6


def grouped(happenings):
    """(groups, the pictures of each as they were given, groups dropped)."""
    builder = GopBuilder("gate", CAPTURE_ID, max_bytes=MAX_BYTES, max_units=MAX_UNITS)
    clock = SimulatedClock(t_mono_ns=NS_PER_S)
    gops = []
    for index, one in enumerate(happenings):
        if one == "damaged":
            gops.append(builder.damaged())
        elif one == "end":
            gops.append(builder.end(Discontinuity.SOURCE_RECONNECTED))
        else:
            is_key, why, size = one
            gops.append(
                builder.add(
                    CodedPicture(
                        nal_units=index.to_bytes(2) + bytes(size),
                        codec_config=CONFIG,
                        dts=index * STEP,
                        pts=index * STEP,
                        is_key=is_key,
                        at=clock.read(),
                        discontinuity=why,
                    )
                )
            )
        clock.advance(0.1)
    gops.append(builder.end(Discontinuity.SOURCE_RECONNECTED))
    return [gop for gop in gops if gop is not None], builder.dropped


def index_of(unit):
    return int.from_bytes(unit.nal_units[:2])


@given(st.lists(happening, max_size=60))
def test_every_group_begins_with_its_key_and_has_no_hole(happenings):
    gops, dropped = grouped(happenings)
    for gop in gops:
        assert [unit.is_key for unit in gop.units] == [True] + [False] * (len(gop.units) - 1)
        indices = [index_of(unit) for unit in gop.units]
        assert indices == [*range(indices[0], indices[-1] + 1)]
        assert gop.size_bytes <= MAX_BYTES
        assert len(gop.units) <= MAX_UNITS
        assert gop.t_first_mono_us < gop.t_end_mono_us
    for earlier, later in itertools.pairwise(gops):
        assert earlier.t_end_mono_us <= later.t_first_mono_us
        assert earlier.seq < later.seq
        follows = index_of(later.units[0]) == index_of(earlier.units[-1]) + 1
        if later.discontinuity is None:
            # It goes on: in pictures, in count, in time.
            assert follows
            assert later.seq == earlier.seq + 1
            assert earlier.t_end_mono_us == later.t_first_mono_us
            assert earlier.is_complete
    if not dropped:
        assert [gop.seq for gop in gops] == [*range(1, len(gops) + 1)]
    assert all(gop.discontinuity is not None for gop in gops[:1])


@given(st.lists(happening, max_size=60))
def test_a_key_picture_always_begins_a_group(happenings):
    gops, _ = grouped(happenings)
    begun = {index_of(gop.units[0]) for gop in gops}
    for index, one in enumerate(happenings):
        if one in {"damaged", "end"} or not one[0]:
            continue
        # Unless that very group was dropped: it ran into a bound.
        rest = itertools.takewhile(
            lambda later: later not in {"damaged", "end"} and not later[0] and later[1] is None,
            happenings[index + 1 :],
        )
        sizes = [one[2] + 2, *(later[2] + 2 for later in rest)]
        if sum(sizes) <= MAX_BYTES and len(sizes) <= MAX_UNITS:
            assert index in begun


def gop_of(seq, size_bytes):
    clock = SimulatedClock(t_mono_ns=seq * NS_PER_S)
    builder = GopBuilder("gate", CAPTURE_ID)
    builder.add(CodedPicture(bytes(size_bytes), CONFIG, 0, 0, True, clock.read(), None))
    gop = builder.end(Discontinuity.DAMAGED)
    return msgspec.structs.replace(gop, seq=seq, discontinuity=None)


RING_BYTES = 20_000
moves = st.lists(
    st.one_of(
        st.integers(0, 9000).map(lambda size: ("put", size)),
        st.sampled_from([("end", 0), ("hold", 0), ("done", 0), ("release", 0), ("refuse", 0)]),
    ),
    max_size=80,
)


@given(moves)
def test_the_ring_keeps_order_and_bound_and_tells_of_all_that_it_dropped(moves):
    ring = GopRing(RING_BYTES)
    seq, held, taken, refused = 0, None, [], set()
    for move, size in moves:
        if move == "put":
            seq += 1
            ring.put(gop_of(seq, size))
        elif move == "end":
            ring.put(StreamEnd.SOURCE_STALLED)
        elif move == "hold" and held is None:
            held = ring.hold(0)
        elif held is not None and move in {"done", "release", "refuse"}:
            getattr(ring, move)()
            if move == "done":
                taken.append(held)
            if move == "refuse" and isinstance(held, Gop):
                refused.add(held.seq)
            held = None
        assert ring.size_bytes <= RING_BYTES
    if held is not None:
        ring.release()
    while (item := ring.hold(0)) is not None:
        taken.append(item)
        ring.done()
    assert ring.size_bytes == 0
    gops = [item for item in taken if isinstance(item, Gop)]
    assert ring.dropped == seq - len(gops)
    last = 0
    for gop in gops:
        # Exactly the groups behind a hole say that there is one.
        expected = None
        if gop.seq != last + 1:
            expected = {Discontinuity.RING_FULL, Discontinuity.DAMAGED}
        assert gop.discontinuity in (expected or {None})
        if gop.seq - 1 not in refused and expected:
            assert gop.discontinuity is Discontinuity.RING_FULL
        last = gop.seq


def test_a_group_counts_for_its_bytes_and_more():
    assert held_bytes(gop_of(1, 5000)) > 5000
