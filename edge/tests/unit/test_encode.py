"""Frames encoded here: closed groups, nothing re-ordered, masks burnt in, the rate kept."""

from __future__ import annotations

import itertools

import av
import cv2
import numpy as np
import pytest

from roeh.bitstream.nal import from_annex_b, is_key_slice, nal_type
from roeh.core.clock import NS_PER_S
from roeh.core.errors import RuntimeMissing
from roeh.core.gop import TICKS_PER_S
from roeh.core.types import Size
from roeh.media.encode import (
    BurntMask,
    EncoderFailed,
    H264Encoder,
    encoded_size,
    i420_shape,
    open_encoder,
    write_i420,
)
from tests.unit.source_conformance import number_in, numbered_pictures

SIZE = Size(64, 48)


def encoder_of(size=SIZE, *, fps=10.0, bps=1_000_000, gop_s=2.0):
    return open_encoder(size, fps=fps, bps=bps, gop_s=gop_s)


def i420_of(picture):
    out = np.empty(i420_shape(encoded_size(Size(picture.shape[1], picture.shape[0]))), np.uint8)
    write_i420(picture, "bgr24", out)
    return out


def encode(encoder, pictures, *, times_s=None, begins=()):
    packets = []
    for index, picture in enumerate(pictures):
        t_s = index / 10 if times_s is None else times_s[index]
        t_ns = round((5 + t_s) * NS_PER_S)
        packets += encoder.encode(i420_of(picture), t_ns, begins=index in begins)
    return packets + encoder.flush()


def pictures_in(encoder, packets):
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = encoder.format.extradata
    frames = []
    for packet in [*packets, None]:
        frames += decoder.decode(None if packet is None else av.Packet(packet.content))
    return [frame.to_ndarray(format="bgr24") for frame in frames]


def is_idr(packet):
    return any(is_key_slice("h264", nal) for nal in from_annex_b(packet.content))


def test_every_picture_comes_out_at_once_in_order_and_with_its_time():
    encoder = encoder_of()
    pictures = numbered_pictures(12)
    packets = encode(encoder, pictures)
    assert [number_in(picture) for picture in pictures_in(encoder, packets)] == [*range(12)]
    assert all(packet.pts == packet.dts for packet in packets)
    assert [packet.pts for packet in packets] == [
        (50 + index) * TICKS_PER_S // 10 for index in range(12)
    ]
    assert len(encoder_of().encode(i420_of(pictures[0]), NS_PER_S, begins=False)) == 1


def test_a_key_picture_comes_each_gop_s_and_is_an_idr():
    packets = encode(encoder_of(gop_s=0.5), numbered_pictures(20))
    assert [is_idr(packet) for packet in packets] == [index % 5 == 0 for index in range(20)]


def test_the_distance_is_by_time_when_pictures_come_unevenly():
    times_s = [0, 0.1, 0.9, 1.0, 1.96, 2.1, 4.0, 4.1, 4.2, 6.5]
    packets = encode(encoder_of(gop_s=2.0), numbered_pictures(10), times_s=times_s)
    keys = [index for index, packet in enumerate(packets) if is_idr(packet)]
    # 1.96 s is nearer to two seconds than the picture after it.
    assert keys == [0, 4, 6, 9]


def test_a_key_picture_can_be_asked_for():
    packets = encode(encoder_of(), numbered_pictures(10), begins={4})
    assert [index for index, packet in enumerate(packets) if is_idr(packet)] == [0, 4]


def test_nothing_moves_and_no_change_of_scene_makes_a_key_picture():
    flat = [np.full((48, 64, 3), level, np.uint8) for level in (0, 0, 255, 0, 255, 255)]
    assert sum(is_idr(packet) for packet in encode(encoder_of(), flat)) == 1


def test_parameter_sets_are_told_beforehand():
    kinds = [nal_type("h264", nal) for nal in from_annex_b(encoder_of().format.extradata)]
    assert kinds[:2] == [7, 8]


@pytest.mark.parametrize("bps", [300_000, 1_500_000])
def test_noise_does_not_take_more_than_the_rate(bps):
    noise = np.random.default_rng(5).integers(0, 255, (60, 120, 160, 3), np.uint8)
    packets = encode(encoder_of(Size(160, 120), bps=bps), list(noise))
    sizes = [len(packet.content) for packet in packets]
    assert sum(sizes) * 8 / 6 < 1.4 * bps
    # Nor two seconds of it anywhere more than the buffer allows.
    windows = [sum(sizes[first : first + 20]) * 8 / 2 for first in range(40)]
    assert max(windows) < 2.2 * bps


def test_odd_sides_are_evened_by_repeating_the_last_line():
    pictures = [cv2.resize(picture, (65, 49)) for picture in numbered_pictures(4)]
    encoder = encoder_of(encoded_size(Size(65, 49)))
    shown = pictures_in(encoder, encode(encoder, pictures))
    assert [picture.shape for picture in shown] == [(50, 66, 3)] * 4
    assert [number_in(picture[:49, :65]) for picture in shown] == [0, 1, 2, 3]


def test_a_masked_pixel_is_black_in_what_is_recorded_and_others_are_not():
    mask = np.zeros((48, 64), bool)
    mask[10:31, 20:41] = True
    burnt = BurntMask(mask)
    encoder = encoder_of(bps=3_000_000)
    packets = []
    for index in range(5):
        i420 = i420_of(np.full((48, 64, 3), (60, 220, 190), np.uint8))
        burnt.blacken(i420)
        packets += encoder.encode(i420, index * NS_PER_S // 10, begins=False)
    for picture in pictures_in(encoder, packets):
        assert picture[mask].max() < 24
        outside = ~cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        assert picture[outside].reshape(-1, 3).max(axis=1).min() > 180


def test_an_encoder_that_is_not_there_is_passed_over():
    with pytest.raises(EncoderFailed, match="h264_nosuch"):
        H264Encoder(SIZE, fps=10, bps=1_000_000, gop_s=2, name="h264_nosuch")
    assert encoder_of().name in {"libx264", "h264_v4l2m2m"}


def test_pictures_that_nothing_encodes_are_refused_in_one_line():
    with pytest.raises(RuntimeMissing, match=r"no H\.264 encoder works here") as refused:
        encoder_of(Size(64, 47))
    assert "\n" not in refused.value.line()


def test_groups_are_closed():
    """Each decodes by itself, whatever came before it."""
    encoder = encoder_of(gop_s=0.5)
    packets = encode(encoder, numbered_pictures(15))
    keys = [index for index, packet in enumerate(packets) if is_idr(packet)]
    for first, end in itertools.pairwise([*keys, 15]):
        shown = pictures_in(encoder, packets[first:end])
        assert [number_in(picture) for picture in shown] == [*range(first, end)]
