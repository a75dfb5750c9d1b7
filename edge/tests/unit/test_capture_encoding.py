"""The thread that encodes: what it has no time for is left out and counted, nobody waits."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from roeh.capture.encoding import FrameEncoding
from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import EvidenceSection
from roeh.core.gop import Discontinuity, StreamEnd
from roeh.core.types import Frame, Size
from roeh.media.encode import EncoderFailed, H264Encoder, open_encoder
from tests.waiting import wait_until

SIZE = Size(64, 48)


class Taking:
    """Takes what is encoded; the thread that encodes waits for `goes_on`."""

    def __init__(self):
        self.pictures = []
        self.ends = []
        self.goes_on = threading.Event()

    def picture(self, picture):
        self.goes_on.wait(20)
        self.pictures.append(picture)

    def damaged(self):
        raise AssertionError("nothing is damaged here")

    def ended(self, reason):
        self.ends.append((reason, len(self.pictures)))

    def begins(self, codec, *, is_coded):
        assert (codec, is_coded) == ("h264", True)


def encoding_to(taking, **more):
    return FrameEncoding(
        "gate",
        EvidenceSection(),
        fps=10,
        mask=None,
        observer=taking,
        clock=SimulatedClock(t_mono_ns=NS_PER_S),
        **more,
    )


@pytest.fixture
def encoding():
    taking = Taking()
    encoding = encoding_to(taking)
    yield encoding, taking
    taking.goes_on.set()
    encoding.close()


def give(encoding, seq, size=SIZE):
    """Offer a frame as the reading thread does; whether it was taken."""
    buffer = encoding.claim(size)
    if buffer is None:
        return False
    info = Frame(
        "gate", seq, NS_PER_S + seq * NS_PER_S // 10, 0, 0, "boot", size.width_px, size.height_px,
        "bgr24",
    )  # fmt: skip
    encoding.put(buffer, info, np.full((size.height_px, size.width_px, 3), 90, np.uint8))
    return True


def test_an_encoder_that_does_not_keep_up_costs_frames_and_nobody_s_time(encoding):
    encoding, taking = encoding
    taken = [give(encoding, seq) for seq in range(10)]
    # Those for which there is a buffer; who gives them never waits.
    assert sum(taken) in {6, 7}
    assert encoding.not_encoded == 10 - sum(taken)
    taking.goes_on.set()
    wait_until(lambda: len(taking.pictures) == sum(taken))
    assert give(encoding, 20)
    wait_until(lambda: len(taking.pictures) == sum(taken) + 1)
    assert taking.pictures[-1].at.t_mono_ns == 3 * NS_PER_S
    assert taking.pictures[-1].discontinuity is None


def test_an_end_comes_after_the_frames_before_it_and_a_key_picture_after_it(encoding):
    encoding, taking = encoding
    taking.goes_on.set()
    for seq in range(2):
        wait_until(lambda seq=seq: give(encoding, seq))
    encoding.end(StreamEnd.SOURCE_STALLED)
    wait_until(lambda: give(encoding, 5))
    wait_until(lambda: len(taking.pictures) == 3)
    assert taking.ends == [(StreamEnd.SOURCE_STALLED, 2)]
    assert [picture.is_key for picture in taking.pictures] == [True, False, True]
    assert taking.pictures[2].discontinuity is Discontinuity.SOURCE_RESTARTED


def test_frames_of_another_size_are_another_format(encoding):
    encoding, taking = encoding
    taking.goes_on.set()
    assert give(encoding, 0)
    wait_until(lambda: give(encoding, 1, Size(128, 96)))
    wait_until(lambda: len(taking.pictures) == 2)
    sizes = [picture.codec_config.width_px for picture in taking.pictures]
    assert sizes == [64, 128]
    assert all(picture.is_key for picture in taking.pictures)


def test_what_waits_is_encoded_before_it_closes(encoding):
    encoding, taking = encoding
    given = sum(give(encoding, seq) for seq in range(3))
    taking.goes_on.set()
    encoding.close()
    assert len(taking.pictures) == given
    assert encoding.cpu_ns > 0


class Breaking(H264Encoder):
    """Breaks with every picture."""

    def encode(self, i420, t_mono_ns, *, begins):
        raise EncoderFailed("libx264: no memory")


def test_an_encoder_that_breaks_again_and_again_is_said_once_and_known_as_not_recording(caplog):
    breaks = threading.Event()
    breaks.set()

    def opener(size, **how):
        return (
            Breaking(size, name="libx264", **how) if breaks.is_set() else open_encoder(size, **how)
        )

    taking = Taking()
    taking.goes_on.set()
    encoding = encoding_to(taking, opener=opener)
    for seq in range(4):
        assert give(encoding, seq)
        wait_until(lambda seq=seq: encoding.not_encoded > seq)
    assert encoding.failure == "libx264: no memory"
    assert caplog.text.count("opened anew") == 1
    breaks.clear()
    assert give(encoding, 4)
    wait_until(lambda: taking.pictures)
    assert encoding.failure == ""
    encoding.close()


def test_a_buffer_without_a_frame_is_there_for_the_next_one(encoding):
    encoding, taking = encoding
    for _ in range(20):
        encoding.give_back(encoding.claim(SIZE))
    taking.goes_on.set()
    assert give(encoding, 0)
    wait_until(lambda: taking.pictures)
