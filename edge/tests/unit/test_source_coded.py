"""The compressed pictures beside the frames: every one, whole, with its own time."""

from __future__ import annotations

import itertools
import threading

import av
import cv2
import numpy as np
import pytest

from roeh.bitstream.codec_config import parse_record
from roeh.bitstream.nal import from_annex_b, join_length_prefixed, nal_type, split_length_prefixed
from roeh.capture.gops import GopBuilder
from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.gop import TICKS_PER_S, Discontinuity, StreamEnd
from roeh.core.ids import ClockIds
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.sources.coded import CodedStream
from roeh.sources.file import FileFrames
from tests.coded_clips import decoded, numbers_in, write_coded_clip
from tests.unit.source_conformance import numbered_pictures, write_clip

SIZE = Size(64, 48)
CAPTURE_ID = ClockIds(SimulatedClock()).new()


class Grouping:
    """Groups what a source tells, as capture does."""

    def __init__(self, **limits):
        self.gops = []
        self.pictures = []
        self.ends = []
        self.damages = 0
        self.begun = []
        self.builder = GopBuilder("gate", CAPTURE_ID, **limits)

    def picture(self, picture):
        self.pictures.append(picture)
        self._keep(self.builder.add(picture))

    def damaged(self):
        self.damages += 1
        self._keep(self.builder.damaged())

    def ended(self, reason):
        self.ends.append(reason)
        self._keep(self.builder.end(Discontinuity.SOURCE_RECONNECTED))

    def begins(self, codec, *, is_coded):
        self.begun.append((codec, is_coded))

    def _keep(self, gop):
        if gop is not None:
            self.gops.append(gop)


def record(path, *, loop=False, frames=None, clock=None, **limits):
    """Read a file as capture does; (what was grouped, the frames beside it)."""
    grouping = Grouping(**limits)
    stop = threading.Event()
    seen = []
    clock = clock or SimulatedClock(t_mono_ns=7 * NS_PER_S)
    source = FileFrames(
        str(path), camera_id="gate", clock=clock, paced=True, loop=loop, coded=grouping
    )
    with source:
        for frame in source.frames(stop):
            seen.append(frame.info)
            if len(seen) == frames:
                stop.set()
    return grouping, seen


def times_us(gop):
    """When each picture of a group was taken, in the order of showing."""
    first = gop.units[0].pts
    return [
        gop.t_first_mono_us + (pts - first) * 100 // 9 for pts in sorted(u.pts for u in gop.units)
    ]


@pytest.mark.parametrize(
    ("codec", "suffix", "b_frames"),
    [
        *itertools.product(["h264", "h265"], [".mp4", ".mkv", ".ts"], [0, 3]),
        # An AVI tells no presentation times, so nothing may be re-ordered in it.
        ("h264", ".avi", 0),
    ],
)
def test_every_picture_is_recorded_once_and_in_its_place(tmp_path, suffix, codec, b_frames):
    clip = write_coded_clip(
        tmp_path / f"clip{suffix}",
        numbered_pictures(25),
        codec=codec,
        b_frames=b_frames,
        headers_in_band=suffix in {".ts", ".avi"},
    )
    grouping, frames = record(clip)
    gops = grouping.gops
    assert [numbers_in(gop) for gop in gops] == [
        [*range(10)],
        [*range(10, 20)],
        [*range(20, 25)],
    ]
    assert [gop.discontinuity for gop in gops] == [Discontinuity.CAPTURE_START, None, None]
    assert [gop.is_complete for gop in gops] == [True, True, False]
    assert [gop.seq for gop in gops] == [1, 2, 3]
    assert grouping.ends == [StreamEnd.SOURCE_ENDED]
    assert all([unit.is_key for unit in gop.units].index(True) == 0 for gop in gops)
    assert (gops[0].codec_config.width_px, gops[0].codec_config.height_px) == (64, 48)
    # The recording's times are those of the frames, which alerts carry.
    recorded_us = [time for gop in gops for time in times_us(gop)]
    assert recorded_us == pytest.approx([frame.t_mono_ns / 1000 for frame in frames], abs=1200)
    assert [gop.t_end_mono_us for gop in gops[:-1]] == [gop.t_first_mono_us for gop in gops[1:]]
    assert gops[-1].t_end_mono_us - times_us(gops[-1])[-1] == pytest.approx(100_000, abs=2000)


def test_utc_goes_with_the_monotonic_time(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(20))
    clock = SimulatedClock(t_utc_ns=1_700_000_000 * NS_PER_S, utc_error_ns=3_000_000)
    grouping, frames = record(clip, clock=clock)
    first, second = grouping.gops
    assert first.t_utc_us == frames[0].t_utc_ns // 1000
    assert second.t_utc_us - first.t_utc_us == second.t_first_mono_us - first.t_first_mono_us
    assert (second.utc_error_us, second.synchronised) == (3000, True)
    assert second.boot_id == frames[0].boot_id


def test_decoding_times_grow_and_nothing_is_shown_before_it_is_decoded(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(30), b_frames=3)
    grouping, _ = record(clip)
    units = [unit for gop in grouping.gops for unit in gop.units]
    assert all(later.dts > earlier.dts for earlier, later in itertools.pairwise(units))
    assert all(unit.pts >= unit.dts for unit in units)
    assert any(unit.pts > unit.dts for unit in units)
    assert units[0].pts == 0


def test_a_recovery_point_does_not_begin_a_group(tmp_path):
    """Open groups of H.264 begin with a recovery point; only an IDR is safe to cut at."""
    clip = write_coded_clip(tmp_path / "clip.mkv", numbered_pictures(40), b_frames=2, open_gop=True)
    with av.open(str(clip)) as container:
        marked = sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)
    grouping, _ = record(clip)
    assert marked == 4
    (gop,) = grouping.gops
    assert numbers_in(gop) == [*range(40)]


def test_an_open_group_of_h265_is_cut_where_decoding_can_start(tmp_path):
    clip = write_coded_clip(
        tmp_path / "clip.mkv", numbered_pictures(40), codec="h265", b_frames=2, open_gop=True
    )
    grouping, frames = record(clip)
    assert len(grouping.gops) == 4
    recorded_us = sorted(time for gop in grouping.gops for time in times_us(gop))
    assert recorded_us == pytest.approx([frame.t_mono_ns / 1000 for frame in frames], abs=1200)


def test_a_loop_says_that_it_begins_again_and_leaves_no_hole(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(15), b_frames=2)
    grouping, _ = record(clip, loop=True, frames=40)
    gops = grouping.gops
    assert [numbers_in(gop) for gop in gops[:4]] == [
        [*range(10)],
        [*range(10, 15)],
        [*range(10)],
        [*range(10, 15)],
    ]
    assert [gop.discontinuity for gop in gops[:4]] == [
        Discontinuity.CAPTURE_START,
        None,
        Discontinuity.SOURCE_RESTARTED,
        None,
    ]
    assert all(gop.is_complete for gop in gops[:4])
    assert gops[2].t_first_mono_us == pytest.approx(gops[1].t_end_mono_us, abs=1500)


def test_another_codec_is_said_and_gives_no_pictures(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", numbered_pictures(5), codec="mpeg4")
    grouping, frames = record(clip)
    assert len(frames) == 5
    assert grouping.begun == [("mpeg4", False)]
    assert (grouping.pictures, grouping.ends) == ([], [])


def test_a_change_of_size_in_the_stream_is_a_new_format(tmp_path):
    """A stream without a container, as of a camera that was set to another size."""
    content = b""
    for size in [(64, 48), (128, 96)]:
        pictures = [cv2.resize(picture, size) for picture in numbered_pictures(10)]
        part = write_coded_clip(tmp_path / "part.h264", pictures, headers_in_band=True)
        content += part.read_bytes()
    whole = tmp_path / "whole.h264"
    whole.write_bytes(content)
    grouping, _ = record(whole)
    first, second = grouping.gops
    assert second.discontinuity is Discontinuity.FORMAT_CHANGED
    assert (second.codec_config.width_px, second.codec_config.height_px) == (128, 96)
    assert first.codec_config != second.codec_config
    assert numbers_in(first) == [*range(10)]
    assert len(decoded(second)) == 10
    assert first.is_complete
    assert first.t_end_mono_us == second.t_first_mono_us


def test_a_group_that_is_too_large_is_dropped_and_the_next_one_says_so(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(30), key_every=15)
    grouping, _ = record(clip, max_units=14)
    assert grouping.gops == []
    assert grouping.builder.dropped == 2
    assert grouping.builder.longest_ns == pytest.approx(1.4 * NS_PER_S, abs=1e7)
    clip = write_coded_clip(tmp_path / "noise.mp4", noise_then_calm())
    grouping, _ = record(clip, max_bytes=20_000)
    (gop,) = grouping.gops
    assert (gop.seq, gop.discontinuity) == (2, Discontinuity.GOP_TOO_LARGE)


def noise_then_calm():
    noise = np.random.default_rng(3).integers(0, 255, (10, 96, 128, 3), np.uint8)
    return [*noise, *([np.full((96, 128, 3), 90, np.uint8)] * 10)]


def packets_of(path):
    """(format, packets) of an MP4 as a camera would send them: with start codes."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [
            CompressedPacket(
                annex_b(split_length_prefixed(bytes(packet))),
                int(packet.dts * packet.time_base * TICKS_PER_S),
                int(packet.pts * packet.time_base * TICKS_PER_S),
            )
            for packet in container.demux(stream)
            if packet.size
        ]
        sets, _ = parse_record("h264", bytes(stream.codec_context.extradata))
    return CompressedFormat("h264", annex_b(sets), SIZE), packets


def annex_b(nals):
    return b"".join(b"\0\0\1" + nal for nal in nals)


@pytest.fixture(scope="module")
def clip_packets(tmp_path_factory):
    clip = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return packets_of(write_coded_clip(clip, numbered_pictures(20), key_every=5))


def told(video, packets, *, again=None):
    """What an observer hears of packets 0.1 s apart; `again` begins anew before that one."""
    grouping = Grouping()
    stream = CodedStream(grouping)
    clock = SimulatedClock(t_mono_ns=NS_PER_S)
    stream.begin(video, None)
    for index, packet in enumerate(packets):
        if index == again:
            stream.end(StreamEnd.SOURCE_STALLED)
            stream.begin(video, Discontinuity.SOURCE_RECONNECTED)
        stream.take(packet, video.size, clock.read())
        clock.advance(0.1)
    stream.end(StreamEnd.SOURCE_ENDED)
    return grouping


def changed(packet, **fields):
    return CompressedPacket(
        **(
            {"content": packet.content, "dts": packet.dts, "pts": packet.pts}
            | {"is_damaged": packet.is_damaged}
            | fields
        )
    )


@pytest.mark.parametrize(
    "broken",
    [{"is_damaged": True}, {"content": b"\xff" * 40}, {"content": b"\0" * 40}],
    ids=["marked", "no start code", "zeros"],
)
def test_a_damaged_picture_ends_its_group_and_the_next_group_says_so(clip_packets, broken):
    video, packets = clip_packets
    packets = [*packets]
    packets[7] = changed(packets[7], **broken)
    grouping = told(video, packets)
    assert [numbers_in(gop) for gop in grouping.gops] == [
        [0, 1, 2, 3, 4],
        [5, 6],
        [10, 11, 12, 13, 14],
        [15, 16, 17, 18, 19],
    ]
    assert [gop.is_complete for gop in grouping.gops] == [True, False, True, False]
    assert grouping.gops[2].discontinuity is Discontinuity.DAMAGED
    assert grouping.gops[1].t_end_mono_us == grouping.gops[1].t_first_mono_us + 200_000


def test_lengths_that_lie_are_damage(clip_packets):
    video, packets = clip_packets
    record_of_sets = avcc_of(video.extradata)
    prefixed = [
        changed(packet, content=join_length_prefixed(from_annex_b(packet.content)))
        for packet in packets
    ]
    avcc = CompressedFormat("h264", record_of_sets, SIZE)
    whole = told(avcc, prefixed)
    assert [numbers_in(gop) for gop in whole.gops] == [
        [*range(first, first + 5)] for first in (0, 5, 10, 15)
    ]
    prefixed[7] = changed(prefixed[7], content=prefixed[7].content[:-1])
    assert told(avcc, prefixed).damages == 1


def avcc_of(extradata):
    sps, pps = from_annex_b(extradata)
    head = bytes((1, *sps[1:4], 0xFF, 0xE1))
    return head + len(sps).to_bytes(2) + sps + b"\1" + len(pps).to_bytes(2) + pps


def test_parameter_sets_that_come_only_in_band_are_found(clip_packets):
    video, packets = clip_packets
    sets = video.extradata
    without = CompressedFormat("h264", b"", SIZE)
    assert told(without, packets).gops == []
    in_band = [changed(packets[0], content=sets + packets[0].content), *packets[1:]]
    assert told(without, in_band).gops[1].codec_config == told(video, packets).gops[0].codec_config
    # In a packet of their own, before the picture they are for.
    alone = [CompressedPacket(sets, None, None), *packets]
    grouping = told(without, alone)
    assert [len(gop.units) for gop in grouping.gops] == [5, 5, 5, 5]
    kinds = [nal_type("h264", nal) for nal in split_length_prefixed(grouping.pictures[0].nal_units)]
    assert kinds[:2] == [7, 8]


def test_without_decoding_times_they_are_made_from_how_pictures_are_shown(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(20), b_frames=3, key_every=10)
    grouping, _ = record(clip)
    video = CompressedFormat("h264", b"", SIZE)
    sets = annex_b(grouping.gops[0].codec_config.parameter_sets)
    packets = [
        CompressedPacket(sets + annex_b(split_length_prefixed(unit.nal_units)), None, unit.pts)
        for gop in grouping.gops
        for unit in gop.units
    ]
    again = told(video, packets)
    assert [numbers_in(gop) for gop in again.gops] == [[*range(10)], [*range(10, 20)]]
    units = [unit for gop in again.gops for unit in gop.units]
    assert all(later.dts > earlier.dts for earlier, later in itertools.pairwise(units))
    assert all(unit.pts >= unit.dts for unit in units)


def test_stamps_that_start_again_are_told_as_a_new_stream(clip_packets):
    video, packets = clip_packets
    back = [
        *packets[:10],
        *(changed(p, dts=p.dts - 900_000, pts=p.pts - 900_000) for p in packets[10:]),
    ]
    gops = told(video, back).gops
    assert [gop.discontinuity for gop in gops[1:]] == [
        None,
        Discontinuity.SOURCE_RESTARTED,
        None,
    ]
    assert gops[2].units[0].dts == 0
    assert gops[1].is_complete


def test_a_connection_that_comes_back_is_told(clip_packets):
    video, packets = clip_packets
    grouping = told(video, packets, again=7)
    assert [len(gop.units) for gop in grouping.gops] == [5, 2, 5, 5]
    assert [gop.discontinuity for gop in grouping.gops] == [
        Discontinuity.CAPTURE_START,
        None,
        Discontinuity.SOURCE_RECONNECTED,
        None,
    ]
    assert grouping.ends == [StreamEnd.SOURCE_STALLED, StreamEnd.SOURCE_ENDED]
    assert not grouping.gops[1].is_complete
