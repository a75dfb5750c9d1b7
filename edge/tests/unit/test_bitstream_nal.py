"""NAL units of both codecs are told apart as the standards number them."""

import pytest

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.nal import (
    from_annex_b,
    is_first_slice,
    is_key_slice,
    is_parameter_set,
    is_sei,
    is_slice,
    split_length_prefixed,
    with_emulation_prevention,
)
from tests.encoded_video import encoded, in_gops


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_group_has_one_key_picture_and_each_picture_one_first_slice(codec):
    _, units = encoded(codec)
    for group in in_gops(units):
        for number, unit in enumerate(group):
            slices = [n for n in split_length_prefixed(unit.nal_units) if is_slice(codec, n)]
            assert [is_first_slice(codec, nal) for nal in slices] == [True]
            assert [is_key_slice(codec, nal) for nal in slices] == [number == 0]


def test_of_several_slices_only_one_is_the_first():
    _, units = encoded("h264", slices=3)
    slices = [n for n in split_length_prefixed(units[0].nal_units) if is_slice("h264", n)]
    assert [is_first_slice("h264", nal) for nal in slices] == [True, False, False]


@pytest.mark.parametrize(("codec", "sei"), [("h264", b"\x06\x05"), ("h265", b"\x4e\x01\x05")])
def test_parameter_sets_and_sei_are_no_slices(codec, sei):
    config, _ = encoded(codec)
    assert all(is_parameter_set(codec, nal) for nal in config.parameter_sets)
    assert is_sei(codec, sei)
    assert not is_parameter_set(codec, sei)
    assert not any(is_slice(codec, nal) for nal in (sei, *config.parameter_sets))


def test_the_encoder_says_in_an_sei_who_it_is():
    _, units = encoded("h264")
    first, *_ = split_length_prefixed(units[0].nal_units)
    assert is_sei("h264", first)


def test_both_start_codes_and_trailing_zeros_are_no_part_of_a_nal_unit():
    stream = b"\0\0\0\1\x67\x42\0\0\1\x68\xce\0\0\0\0\1\x65\x88\x80\0\0"
    assert from_annex_b(stream) == (b"\x67\x42", b"\x68\xce", b"\x65\x88\x80")


@pytest.mark.parametrize(
    ("payload", "escaped"),
    [
        (b"\0\0\0", b"\0\0\3\0"),
        (b"\0\0\0\0\0", b"\0\0\3\0\0\3\0"),
        (b"\0\0\1", b"\0\0\3\1"),
        (b"\0\0\3", b"\0\0\3\3"),
        (b"\0\0\4", b"\0\0\4"),
        (b"\0\0", b"\0\0"),
    ],
)
def test_what_would_look_like_a_start_code_is_escaped(payload, escaped):
    assert with_emulation_prevention(payload) == escaped


@pytest.mark.parametrize(
    ("picture", "offset"),
    [
        (b"\0\0\0\2\x65", 0),
        (b"\0\0\0\1\x65\0\0\0\0", 5),
        (b"\0\0\0\1\x65\0\0", 5),
        (b"\xff\xff\xff\xff\x65", 0),
    ],
)
def test_a_length_that_does_not_fit_is_placed(picture, offset):
    with pytest.raises(Malformed) as error:
        list(split_length_prefixed(picture))
    assert error.value.offset_bytes == offset
