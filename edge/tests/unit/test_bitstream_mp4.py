"""What is written as MP4 is read back the same, here and by the library everyone uses."""

import io
import itertools

import av
import pytest

from roeh.bitstream.codec_config import codec_config_from_extradata, decoder_record
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_read import init_size_bytes, read_fragments, read_init, read_video
from roeh.bitstream.mp4_write import fragment, init_segment, note_box
from roeh.core.errors import EvidenceRefused
from roeh.core.gop import AccessUnit
from tests.encoded_video import (
    ENCODERS,
    HEIGHT_PX,
    WIDTH_PX,
    encoded,
    end_dts,
    in_gops,
    library_copy,
    pattern,
    segment,
)

STREAMS = [("h264", 0), ("h264", 2), ("h265", 0), ("h265", 2)]


@pytest.fixture(params=STREAMS, ids=lambda stream: f"{stream[0]}-{stream[1]}b")
def stream(request):
    return encoded(*request.param)


def test_what_was_written_is_read_back(stream):
    config, units = stream
    written = segment(config, in_gops(units))
    assert read_init(written) == config
    assert tuple(picture.unit for picture in read_video(written).pictures) == units


def test_a_fragment_written_again_from_what_was_read_is_the_same_bytes(stream):
    config, units = stream
    written = segment(config, in_gops(units))
    again = init_segment(read_init(written)) + b"".join(
        fragment(read.sequence_number, read.base_dts, read.units, read.end_dts)
        for read in read_fragments(written)
    )
    assert again == written


def test_fragments_lie_one_behind_the_other_and_each_picture_where_it_is_said(stream):
    config, units = stream
    written = segment(config, in_gops(units))
    offset = init_size_bytes(written)
    for read in read_fragments(io.BytesIO(written)):
        assert read.offset_bytes == offset
        offset += read.size_bytes
        for at, unit in zip(read.unit_offsets_bytes, read.units, strict=True):
            assert written[at : at + len(unit.nal_units)] == unit.nal_units
    assert offset == len(written)


def test_the_library_reads_the_pictures_and_times_that_were_written(stream):
    config, units = stream
    container = av.open(io.BytesIO(segment(config, in_gops(units))))
    video = container.streams.video[0]
    packets = [packet for packet in container.demux(video) if packet.size]
    assert [
        AccessUnit(bytes(packet), packet.dts, packet.pts, packet.is_keyframe) for packet in packets
    ] == list(units)
    assert (video.codec_context.width, video.codec_context.height) == (WIDTH_PX, HEIGHT_PX)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_decoder_record_says_what_the_library_says(codec):
    file = library_file(codec)
    config = read_init(file)
    theirs = file[file.index(b"avcC" if codec == "h264" else b"hvcC") + 4 :]
    ours = decoder_record(config)
    if codec == "h264":
        assert theirs.startswith(ours)
        return
    profile_tier_and_level = slice(0, 13)
    chroma_and_depth = slice(16, 19)
    layers_and_length = slice(21, 22)
    for part in (profile_tier_and_level, chroma_and_depth, layers_and_length):
        assert theirs[part] == ours[part]


def library_file(codec):
    """An MP4 file that the library encoded and laid out, from annex B to index."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as target:
        video = target.add_stream(ENCODERS[codec], rate=10)
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        if codec == "h265":
            video.options = {"x265-params": "log-level=none:pools=1"}
        for number in range(3):
            target.mux(video.encode(pattern(number)))
        target.mux(video.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    "movflags", ["", "frag_keyframe+empty_moov", "frag_keyframe", "negative_cts_offsets"]
)
def test_files_of_the_library_are_read_however_they_are_laid_out(stream, movflags):
    config, units = stream
    copy = library_copy(segment(config, in_gops(units)), movflags)
    read = [picture.unit for picture in read_video(copy).pictures]
    assert [(unit.nal_units, unit.is_key) for unit in read] == [
        (unit.nal_units, unit.is_key) for unit in units
    ]
    assert [unit.pts - read[0].pts for unit in read] == [unit.pts - units[0].pts for unit in units]
    steps = {later.dts - earlier.dts for earlier, later in itertools.pairwise(read)}
    assert steps == {units[1].dts - units[0].dts}


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_parameter_sets_are_found_in_a_record_and_between_start_codes(codec):
    config, _ = encoded(codec)
    annex_b = b"".join(b"\0\0\0\1" + nal for nal in reversed(config.parameter_sets))
    for extradata in (annex_b, decoder_record(config)):
        assert codec_config_from_extradata(codec, extradata, WIDTH_PX, HEIGHT_PX) == config


def test_a_stream_without_a_picture_parameter_set_is_refused():
    config, _ = encoded("h264")
    with pytest.raises(Malformed, match="parameter sets"):
        codec_config_from_extradata(
            "h264", b"\0\0\0\1" + config.parameter_sets[0], WIDTH_PX, HEIGHT_PX
        )


def test_the_last_picture_lasts_up_to_the_end_that_is_given():
    config, units = encoded("h264")
    group = in_gops(units)[0]
    late = end_dts(group) + 12_345
    written = init_segment(config) + fragment(1, 0, group, late)
    assert next(read_fragments(written)).end_dts == late


def test_a_fragment_far_into_a_stream_begins_where_it_is_told():
    config, units = encoded("h264", b_frames=2)
    group = in_gops(units)[1]
    written = init_segment(config) + fragment(1, 2**40, group, end_dts(group))
    read = next(read_fragments(written))
    assert read.base_dts == 2**40
    assert read.units[0].pts - 2**40 == group[0].pts - group[0].dts


@pytest.mark.parametrize("end", [-1, 2**40])
def test_times_that_do_not_grow_are_not_written(end):
    _, units = encoded("h264")
    with pytest.raises(EvidenceRefused, match="do not grow"):
        fragment(1, 0, units, units[0].dts + end)


def test_a_note_is_passed_over():
    config, units = encoded("h264")
    written = segment(config, in_gops(units))
    at = init_size_bytes(written)
    noted = written[:at] + note_box("a derivative") + written[at:]
    assert read_video(noted).config == config
    assert len(read_video(noted).pictures) == len(units)


def test_a_torn_tail_is_placed_and_what_stands_before_it_is_whole():
    config, units = encoded("h264")
    written = segment(config, in_gops(units))
    last = list(read_fragments(written))[-1]
    for torn_at in (last.offset_bytes + 5, last.offset_bytes + 300, len(written) - 1):
        reading = read_fragments(io.BytesIO(written[:torn_at]))
        assert [next(reading).sequence_number, next(reading).sequence_number] == [1, 2]
        with pytest.raises(Malformed) as torn:
            next(reading)
        assert last.offset_bytes <= torn.value.offset_bytes < torn_at


def test_a_size_that_lies_takes_no_memory():
    config, units = encoded("h264")
    written = bytearray(segment(config, in_gops(units)))
    trun = written.index(b"trun")
    written[trun + 8 : trun + 12] = b"\xff\xff\xff\xff"
    with pytest.raises(Malformed):
        read_video(bytes(written))


@pytest.mark.parametrize("junk", [b"", b"\0" * 8, b"not a video at all", b"\0\0\0\1moov" * 3])
def test_what_is_no_video_is_malformed(junk):
    with pytest.raises(Malformed):
        read_init(junk)
