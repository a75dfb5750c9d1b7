"""Whatever the bytes: what was split joins again, and what is read is video or malformed."""

import functools
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.bitstream.codec_config import codec_config_from_extradata, decoder_record
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.media_signing import is_media_signing_sei, parse_sei
from roeh.bitstream.mp4_read import read_fragments, read_init, read_video
from roeh.bitstream.mp4_write import fragment, init_segment
from roeh.bitstream.nal import (
    from_annex_b,
    join_length_prefixed,
    split_length_prefixed,
    with_emulation_prevention,
    without_emulation_prevention,
)
from roeh.core.gop import AccessUnit
from tests.encoded_video import HEIGHT_PX, WIDTH_PX, encoded, in_gops, library_copy, segment
from tests.signed_video import signed_groups

#: Files to damage.
KINDS = ["h264", "h265", "h264 indexed", "h265 indexed"]
#: Bytes among which start codes are frequent.
few = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 0xFF]), max_size=60).map(bytes)
nal_units = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def attempt(read):
    """(what was read, None) or (None, the Malformed); any other exception goes through."""
    try:
        return read(), None
    except Malformed as malformed:
        return None, malformed


@given(few)
def test_emulation_prevention_is_undone_and_leaves_no_start_code(payload):
    escaped = with_emulation_prevention(payload)
    assert without_emulation_prevention(escaped) == payload
    assert not any(bytes((0, 0, n)) in escaped for n in (0, 1, 2))


@given(few, few)
def test_what_is_escaped_alone_begins_what_is_escaped_with_more_behind_it(first, second):
    """So the signed part of a signature is what was given to be signed."""
    assert with_emulation_prevention(first + second).startswith(with_emulation_prevention(first))


@given(nal_units)
def test_nal_units_behind_their_lengths_are_split_as_they_were_joined(nals):
    assert list(split_length_prefixed(join_length_prefixed(nals))) == nals


@given(st.lists(few.map(lambda payload: with_emulation_prevention(payload) + b"\x80"), max_size=6))
def test_nal_units_between_start_codes_are_split_as_they_were_joined(nals):
    for start_code in (b"\0\0\1", b"\0\0\0\1"):
        assert from_annex_b(b"".join(start_code + nal for nal in nals)) == tuple(nals)


@given(st.binary(max_size=80))
def test_any_bytes_are_nal_units_or_malformed(octets):
    nals, malformed = attempt(lambda: list(split_length_prefixed(octets)))
    if malformed is None:
        assert join_length_prefixed(nals) == octets
    else:
        assert 0 <= malformed.offset_bytes < len(octets)


@given(
    base_dts=st.integers(0, 2**50),
    start=st.integers(-(2**40), 2**40),
    pictures=st.lists(
        st.tuples(
            st.binary(min_size=1, max_size=30),
            st.integers(0, 2**31 - 1),
            st.integers(0, 2**31 - 1),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ),
)
def test_any_pictures_at_any_times_are_read_as_they_were_written(base_dts, start, pictures):
    config, _ = encoded("h264")
    units, dts = [], start
    for nal, duration, composition, is_key in pictures:
        unit = AccessUnit(join_length_prefixed([nal]), dts, dts + composition, is_key)
        units.append(unit)
        dts += duration
    written = init_segment(config) + fragment(7, base_dts, units, dts)
    (read,) = read_fragments(written)
    moved = [
        AccessUnit(u.nal_units, u.dts - start + base_dts, u.pts - start + base_dts, u.is_key)
        for u in units
    ]
    assert (list(read.units), read.sequence_number) == (moved, 7)
    assert (read.base_dts, read.end_dts) == (base_dts, base_dts + dts - start)


def read_everything(octets):
    """Read in every way there is; only Malformed may come out, placed inside."""
    for read in (read_video, lambda file: list(read_fragments(io.BytesIO(file)))):
        _, malformed = attempt(functools.partial(read, octets))
        assert malformed is None or 0 <= malformed.offset_bytes <= len(octets)


@functools.cache
def small_file(kind):
    """Of ours, or with an index as the library writes it."""
    codec, _, indexed = kind.partition(" ")
    config, units = encoded(codec, b_frames=2, pictures=20)
    ours = segment(config, in_gops(units))
    return library_copy(ours) if indexed else ours


@functools.cache
def headers_of(kind):
    """Offsets of all bytes of a small file that are not pictures."""
    file = small_file(kind)
    offsets = set(range(len(file)))
    for picture in read_video(file).pictures:
        start = picture.offset_bytes
        offsets -= set(range(start, start + len(picture.unit.nal_units)))
    return sorted(offsets)


@given(kind=st.sampled_from(KINDS), changes=st.data())
def test_a_file_with_changed_headers_is_read_or_malformed(kind, changes):
    file = bytearray(small_file(kind))
    where = st.tuples(st.sampled_from(headers_of(kind)), st.integers(0, 255))
    for offset, value in changes.draw(st.lists(where, min_size=1, max_size=6)):
        file[offset] = value
    read_everything(bytes(file))


@given(kind=st.sampled_from(KINDS), cut=st.data())
def test_a_file_with_bytes_taken_out_or_put_in_is_read_or_malformed(kind, cut):
    file = small_file(kind)
    start = cut.draw(st.integers(0, len(file)))
    end = cut.draw(st.integers(start, min(len(file), start + 64)))
    read_everything(file[:start] + cut.draw(st.binary(max_size=16)) + file[end:])


@given(st.binary(max_size=400))
def test_any_bytes_are_video_or_malformed(octets):
    read_everything(octets)


@pytest.mark.parametrize("kind", ["h264", "h264 indexed"])
@pytest.mark.parametrize("lie", [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1\0\0"])
def test_no_number_in_a_header_makes_reading_take_much_memory(kind, lie):
    file = small_file(kind)
    offsets = headers_of(kind)[::5]
    tracemalloc.start()
    try:
        for offset in offsets:
            read_everything(file[:offset] + lie + file[offset + len(lie) :])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000 + 10 * len(file)


@given(codec=st.sampled_from(["h264", "h265"]), changes=st.data())
def test_changed_extradata_is_parameter_sets_or_malformed(codec, changes):
    record = bytearray(decoder_record(encoded(codec)[0]))
    where = st.tuples(st.integers(0, len(record) - 1), st.integers(0, 255))
    for offset, value in changes.draw(st.lists(where, min_size=1, max_size=4)):
        record[offset] = value
    config, _ = attempt(lambda: codec_config_from_extradata(codec, record, WIDTH_PX, HEIGHT_PX))
    if config is not None:
        init, malformed = attempt(lambda: init_segment(config))
        assert malformed is not None or read_init(init) == config


@given(st.data())
def test_a_changed_signature_is_parsed_or_malformed_or_none(changes):
    _, groups = signed_groups(2)
    sei = next(
        bytearray(nal)
        for nal in split_length_prefixed(groups[1][0].nal_units)
        if is_media_signing_sei(nal)
    )
    where = st.tuples(st.integers(0, len(sei) - 1), st.integers(0, 255))
    for offset, value in changes.draw(st.lists(where, min_size=1, max_size=4)):
        sei[offset] = value
    end = changes.draw(st.integers(1, len(sei)))
    signed, _ = attempt(lambda: parse_sei(bytes(sei[:end])))
    assert signed is None or bytes(sei).startswith(signed.signed_bytes[:20])
