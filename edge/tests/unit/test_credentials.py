"""Content credentials on a copy of a join: a reader of C2PA finds them; nothing needs them."""

import io
import json

import c2pa
import pytest

from roeh.bitstream.cut import ClipGop, join
from roeh.bundle.credentials import MAX_JOIN_BYTES, ContentCredentials
from roeh.core.gop import TICKS_PER_S
from tests.credential_keys import credential_key
from tests.gops import GOP_US, GopSource


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    return credential_key(tmp_path_factory.mktemp("c2pa"))


@pytest.fixture(scope="module")
def video():
    gops = GopSource().take(3)
    return b"".join(
        join(
            ClipGop(
                config=gop.codec_config,
                units=gop.units,
                end_dts=gop.units[0].dts + GOP_US * TICKS_PER_S // 1_000_000,
                t_first_us=gop.t_first_mono_us,
                t_end_us=gop.t_end_mono_us,
            )
            for gop in gops
        )
    )


@pytest.mark.apt("openssl")
def test_a_reader_of_c2pa_finds_who_signed_it_and_a_changed_byte(key_file, video):
    signed = ContentCredentials(str(key_file)).signed([video], len(video), "north, noon")
    assert signed.why_not == ""
    with c2pa.Reader("video/mp4", io.BytesIO(signed.content)) as reader:
        told = json.loads(reader.json())
    assert told["validation_state"] == "Valid"
    changed = bytearray(signed.content)
    changed[-50] ^= 1
    with c2pa.Reader("video/mp4", io.BytesIO(changed)) as reader:
        assert json.loads(reader.json())["validation_state"] == "Invalid"


@pytest.mark.apt("openssl")
def test_what_cannot_be_signed_is_told(key_file, video, tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text(key_file.read_text()[200:])  # without its key
    for path, content, size_bytes in (
        (key_file, b"not a video", 11),
        (key_file, video, MAX_JOIN_BYTES + 1),
        (tmp_path / "nowhere.pem", video, len(video)),
        (wrong, video, len(video)),
    ):
        signed = ContentCredentials(str(path)).signed([content], size_bytes, "")
        assert signed.content == b""
        assert signed.why_not


def test_without_a_key_none_are_wanted(video):
    credentials = ContentCredentials("")
    assert not credentials.is_wanted
    assert credentials.signed([video], len(video), "") == type(credentials.signed([], 0, ""))()
