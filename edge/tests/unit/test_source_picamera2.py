"""The Raspberry Pi camera's source, on a stand-in for picamera2 with its manners."""

from __future__ import annotations

import threading

import av
import pytest

from roeh.bitstream.nal import split_length_prefixed
from roeh.capture.recording import CameraRecording
from roeh.core.config import (
    EvidenceSection,
    IrCutSection,
    LensSection,
    LightSection,
    MaskSection,
    Picamera2Source,
    SensorSection,
)
from roeh.core.errors import CameraMissing, LensError, SourceUnreadable
from roeh.core.gop import StreamEnd
from roeh.core.ids import ClockIds
from roeh.core.ipc.stream import StreamClient
from roeh.core.peers import Role
from roeh.sources.factory import open_source
from roeh.sources.picamera2.binding import USED, has_hardware_encoder, load_library
from roeh.sources.picamera2.frames import Picamera2Frames
from roeh.sources.protocol import SourceState, WantedVideo
from tests.clocks import SynchronisedClock
from tests.picamera2_stand_in import CHROMA_U, CHROMA_V, PADDING, Board, named
from tests.unit.source_conformance import (
    BUSY_NS,
    STOP_NS,
    CodedLog,
    Watched,
    check_coded_pictures,
    check_kept_frames,
    check_live_times,
    check_order_and_format,
    check_released,
    check_stall_and_recovery,
    check_stop_before_start,
    check_stops_in_time,
    take_frames,
)
from tests.waiting import wait_until

GOP_S = 0.1


class NoWait:
    """A jitter that never waits."""

    def uniform(self, low, high):
        del high
        return low


def section_of(**changes):
    return Picamera2Source(**{"fps": 60.0, "stall_timeout_s": 0.2} | changes)


def sensor_of(section, **changes):
    fields = {
        "name": "gate",
        "source": section,
        "lens": LensSection(width_px=96, height_px=64, fov_deg=180),
    }
    return SensorSection(**fields | changes)


def source_on(board, clock, observer=lambda _: None, coded=None, section=None, **changes):
    section = section or section_of()
    return Picamera2Frames(
        section,
        sensor=sensor_of(section, **changes),
        clock=clock,
        observer=observer,
        coded=coded,
        video=WantedVideo(bps=500_000, gop_s=GOP_S),
        library=board.library,
        jitter=NoWait(),
    )


def built_on(board, **changes):
    return lambda clock, observer, coded: source_on(board, clock, observer, coded, **changes)


def checked(board):
    yield board
    assert board.outstanding == 0
    assert board.released_twice == 0
    assert board.died_of is None
    assert not board.is_open


@pytest.fixture
def board():
    yield from checked(Board())


@pytest.fixture(params=["YUV420", "NV12"])
def any_board(request):
    yield from checked(Board(order=request.param))


def test_every_name_that_is_used_is_stood_for():
    assert [name for name in USED if named(name) is None] == []


def test_it_keeps_what_every_source_promises(any_board):
    def build(clock, paced, observer):
        del paced
        any_board.clock = clock
        return source_on(any_board, clock, observer)

    check_order_and_format(build)
    check_stop_before_start(build)
    check_released(build)


def test_it_keeps_what_every_live_source_promises(board):
    build = built_on(board)
    check_live_times(build)
    check_kept_frames(build)
    assert board.starved == 0


def test_a_stall_is_told_and_over_when_pictures_come_again(board):
    told = check_stall_and_recovery(built_on(board), board.is_silent.set, board.is_silent.clear)
    assert "no picture for 0.2 s" in told.detail
    assert board.opened == board.closed > 1


def test_an_encoder_that_falls_silent_is_a_stall_though_frames_come(board):
    told = check_stall_and_recovery(
        built_on(board), board.encoder_is_silent.set, board.encoder_is_silent.clear
    )
    assert "the encoder gives none" in told.detail


def test_a_stop_ends_at_once(board):
    check_stops_in_time(built_on(board), board.is_silent.set)


def test_its_coded_pictures_begin_with_a_key_and_go_on_in_groups(any_board):
    pictures = check_coded_pictures(built_on(any_board), gop_s=GOP_S)
    assert not any(picture.is_masked for picture in pictures)


def test_frames_are_the_cameras_pictures_without_padding(any_board):
    with source_on(any_board, any_board.clock) as source:
        frame = take_frames(source, 1)[0].read()
    assert frame.pixels.shape == (96, 96)
    planes = frame.pixels.reshape(-1)
    assert set(planes[96 * 64 : 96 * 80]) == {CHROMA_U}
    assert set(planes[96 * 80 :]) == {CHROMA_V}
    assert PADDING not in planes


def test_a_picture_that_nobody_wants_any_more_gives_its_buffer_back_at_once(board):
    board.most_pictures = 1
    with source_on(board, board.clock, section=section_of(stall_timeout_s=60.0)) as source:
        stop = threading.Event()
        frames = source.frames(stop)
        kept = next(frames)
        wait_until(lambda: board.outstanding == 1)
        picture = kept.read().pixels
        assert picture.any()
        del kept
        wait_until(lambda: board.outstanding == 0)
        stop.set()


def test_pictures_that_cannot_be_read_are_told_and_the_camera_is_given_back(board):
    """Kept ones among them: their frames say so, and the camera can be opened again."""
    told, stop = [], threading.Event()
    with source_on(board, board.clock, told.append) as source:
        frames = source.frames(stop)
        kept = next(frames)
        board.refuses_to_read.set()
        with pytest.raises(SourceUnreadable, match="no descriptor is left"):
            kept.read()
        wait_until(lambda: board.closed)
        with pytest.raises(SourceUnreadable, match="no descriptor is left"):
            kept.read()
        board.refuses_to_read.clear()
        later = next(frame for frame in frames if told[-1].state is SourceState.RECONNECTED)
        assert later.read().pixels.any()
        stop.set()
    assert [notice.state for notice in told[:2]] == [SourceState.CONNECTED, SourceState.STALLED]


def test_frames_that_were_missed_are_counted(board):
    with source_on(board, board.clock) as source:
        stop = threading.Event()
        frames = source.frames(stop)
        first = next(frames).info
        busy = board.hangs["metadata"] = threading.Event()
        before = board.pictures
        wait_until(lambda: board.pictures > before + 20)
        del board.hangs["metadata"]
        busy.set()
        seqs = [next(frames).info.seq for _ in range(8)]
        stop.set()
    assert seqs[-1] - first.seq > 20


MASK = MaskSection(name="yard", polygon_px=((0, 0), (47, 0), (47, 31), (0, 31)))


@pytest.mark.parametrize("scale", [1, 2])
def test_masks_are_burnt_into_what_is_recorded_and_not_into_frames(any_board, scale):
    log = CodedLog()
    section = section_of(record_width_px=96 * scale, record_height_px=64 * scale)
    with Watched(built_on(any_board, section=section, masks=(MASK,)), coded=log) as watched:
        wait_until(lambda: len(log.pictures) >= 4 or watched.failure)
        frame = watched.last_pixels
    assert all(picture.is_masked for picture in log.pictures)
    config = log.pictures[0].codec_config
    assert (config.width_px, config.height_px) == (96 * scale, 64 * scale)
    for picture in decoded(log.pictures):
        inside, beside = picture[: 30 * scale, : 46 * scale], picture[: 30 * scale, 52 * scale :]
        assert inside.max() < 30
        assert beside.min() > 60
    assert frame[:30, :46].min() > 60


@pytest.mark.parametrize("is_masked", [True, False])
def test_capture_records_a_camera_with_masks_only_masked(board, tmp_path, is_masked):
    section = section_of()
    sensor = sensor_of(section, masks=(MASK,))
    clock = SynchronisedClock()
    recording = CameraRecording(
        sensor,
        EvidenceSection(refuse_unmasked=True),
        capture_id=ClockIds(clock).new(),
        client=StreamClient(tmp_path / "nobody.sock", Role.CAPTURE, clock),
        clock=clock,
    )

    def build(clock, observer, coded):
        return Picamera2Frames(
            section,
            sensor=sensor,
            clock=clock,
            observer=observer,
            coded=coded,
            video=WantedVideo(gop_s=GOP_S, is_masked=is_masked),
            library=board.library,
        )

    with Watched(build, coded=recording):
        wait_until(lambda: recording.trouble() or recording.counters().ring_bytes)
    assert ("cannot be masked" in recording.trouble()) is not is_masked
    assert (recording.counters().ring_bytes > 0) is is_masked
    recording.close(StreamEnd.CAPTURE_STOPPED, 0.0)


def test_where_masks_are_not_asked_for_pictures_say_that_they_have_none(board):
    log = CodedLog()

    def build(clock, observer, coded):
        section = section_of()
        return Picamera2Frames(
            section,
            sensor=sensor_of(section, masks=(MASK,)),
            clock=clock,
            observer=observer,
            coded=coded,
            video=WantedVideo(gop_s=GOP_S, is_masked=False),
            library=board.library,
        )

    with Watched(build, coded=log):
        wait_until(lambda: log.pictures)
    assert not log.pictures[0].is_masked


def test_a_picture_that_could_not_be_masked_is_not_handed_on(board):
    board.refuses_to_write.set()
    log = CodedLog()
    build = built_on(board, masks=(MASK,))
    with Watched(build, coded=log) as watched:
        told = watched.await_state(SourceState.STALLED)
        assert "masks cannot be burnt in" in told.detail
        assert log.pictures == []
        board.refuses_to_write.clear()
        watched.await_state(SourceState.RECONNECTED if watched.infos else SourceState.CONNECTED)
        wait_until(lambda: log.pictures)


def test_an_unplugged_camera_is_told_and_looked_for_until_it_is_back(board):
    def plug_in():
        wait_until(lambda: board.looked_anew > 0)
        board.is_unplugged.clear()

    check_stall_and_recovery(built_on(board), board.is_unplugged.set, plug_in)


def test_a_stall_is_told_and_the_recording_ended_before_the_driver_is_stopped(board):
    log = CodedLog()
    with Watched(built_on(board), coded=log) as watched:
        watched.await_frames(2)
        wait_until(lambda: log.pictures)
        frozen = board.hangs["stop"] = threading.Event()
        board.is_silent.set()
        told = watched.await_state(SourceState.STALLED)
        assert "no picture" in told.detail
        assert log.ends == [StreamEnd.SOURCE_STALLED]
        assert board.closed == 0
        del board.hangs["stop"]
        frozen.set()


def test_a_camera_that_another_program_has_is_waited_for(board):
    board.is_open = True
    with Watched(built_on(board)) as watched:
        told = watched.await_state(SourceState.STALLED)
        assert "busy" in told.detail
        board.is_open = False
        watched.await_state(SourceState.CONNECTED)


def test_a_thread_of_the_driver_that_dies_is_a_stall():
    board = Board()
    with Watched(built_on(board), coded=CodedLog()) as watched:
        watched.await_frames(2)
        board.encoder_breaks.set()
        watched.await_state(SourceState.STALLED)
        board.encoder_breaks.clear()
        watched.await_state(SourceState.RECONNECTED)
    assert board.died_of is not None
    # The one that it had in its hands.
    assert board.outstanding == 1


@pytest.mark.parametrize("call", ["open", "stop", "close", "metadata"])
def test_a_driver_that_hangs_for_good_is_told_and_holds_up_nobody(board, call):
    log = CodedLog()
    with Watched(built_on(board, section=section_of(stall_timeout_s=0.05)), coded=log) as watched:
        if call != "open":
            watched.await_frames(2)
        board.hangs[call] = threading.Event()
        if call in {"open", "stop", "close"}:
            board.is_silent.set()
        wait_until(lambda: any("restart capture" in one.detail for one in watched.notices))
        assert watched.states()[-1] is SourceState.STALLED
        if log.pictures:
            wait_until(lambda: log.ends)
        assert watched.stop() < STOP_NS + BUSY_NS
        board.hangs.pop(call).set()


def test_a_library_built_for_another_numpy_is_told_at_entry(tmp_path, monkeypatch):
    """The commonest mistake in a venv on a Pi: no ImportError, and no traceback either."""
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CameraMissing, match=r"numpy\.dtype size changed"):
        load_library()


def test_what_is_not_there_is_told_at_entry():
    def entering(board=None, library=None, **changes):
        section = section_of(**changes.pop("section", {}))
        source = Picamera2Frames(
            section,
            sensor=sensor_of(section, **changes),
            clock=SynchronisedClock(),
            coded=CodedLog(),
            library=library or (board or Board()).library,
        )
        with pytest.raises((CameraMissing, LensError)) as refused:
            source.__enter__()
        return refused.value.line()

    assert "python3-picamera2" in entering(library=load_library)
    assert "--system-site-packages" in entering(library=load_library)
    assert "0: stand-in" in entering(section={"camera": 3})
    assert "libcamera sees none" in entering(Board(cameras=0))
    assert "Pi 4" in entering(section={"encoder": "v4l2"})
    assert "another shape" in entering(section={"record_width_px": 96, "record_height_px": 48})
    smaller = {"record_width_px": 48, "record_height_px": 32}
    assert "smaller than" in entering(section=smaller)
    odd = LensSection(width_px=95, height_px=63, fov_deg=180)
    assert "odd side" in entering(lens=odd)
    cut = LightSection(ir_cut=IrCutSection(filter_line=1, chip="/dev/no-such-chip"))
    assert "light.ir_cut" in entering(light=cut)


def test_the_configuration_leads_to_it_and_here_to_what_is_missing():
    section = section_of()
    source = open_source(
        section, sensor=sensor_of(section), clock=SynchronisedClock(), paced=True, coded=CodedLog()
    )
    with pytest.raises(CameraMissing, match="picamera2 cannot be loaded"), source:
        pass


def test_the_encoder_is_the_boards_only_where_the_kernel_says_that_it_has_one(tmp_path):
    name = tmp_path / "name"
    assert not has_hardware_encoder(name)
    name.write_text("rpivid\n")
    assert not has_hardware_encoder(name)
    name.write_text("bcm2835-codec-encode\n")
    assert has_hardware_encoder(name)


def test_pictures_of_another_size_than_asked_for_are_told_with_both_sizes(board):
    board.gives_width_px = 128
    with Watched(built_on(board)) as watched:
        told = watched.await_state(SourceState.STALLED)
    assert "128x64 instead of 96x64" in told.detail


class Lines:
    """The filter's lines, as a record of what they were set to."""

    def __init__(self):
        self.held = False
        self.nights = []

    def __enter__(self):
        self.held = True
        return self

    def __exit__(self, *error):
        self.held = False

    def switch(self, *, is_night):
        assert self.held
        self.nights.append(is_night)


def test_exposure_follows_the_light_and_a_picture_says_how_it_was_exposed(board):
    board.fps = 200.0
    board.light_per_us *= 8
    with Watched(built_on(board, section=section_of(fps=20.0))) as watched:
        watched.await_frames(2)
        wait_until(lambda: watched.infos[-1].light.exposure_us < 4_000)
        assert board.set["AeEnable"] is False
        board.light_per_us /= 40
        wait_until(lambda: watched.infos[-1].light.exposure_us == 40_000)
        # Flicker-free on the way: whole half periods of 50 Hz, or less than one.
        for info in watched.infos:
            assert info.light.exposure_us % 10_000 == 0 or info.light.exposure_us < 10_000
            assert info.light.gain >= 1.0
        assert not watched.infos[-1].light.is_night


def test_in_the_dark_the_filter_goes_away_and_colour_with_it(board):
    board.fps = 200.0
    cut = IrCutSection(filter_line=1, switch_after_s=0.2, night_exposure_s=0.25)
    lines = Lines()

    def build(clock, observer, coded):
        section = section_of(fps=20.0)
        sensor = sensor_of(section, light=LightSection(ir_cut=cut))
        return Picamera2Frames(
            section,
            sensor=sensor,
            clock=clock,
            observer=observer,
            coded=coded,
            library=board.library,
            ir_cut=lines,
        )

    with Watched(build) as watched:
        watched.await_frames(2)
        assert board.set["Saturation"] == 1.0
        board.light_per_us /= 1000
        wait_until(lambda: watched.infos[-1].light.is_night)
        assert lines.nights == [True]
        wait_until(lambda: board.set["Saturation"] == 0.0)
        board.light_per_us *= 4000
        wait_until(lambda: not watched.infos[-1].light.is_night)
        assert lines.nights == [True, False]
        wait_until(lambda: board.set["Saturation"] == 1.0)
    assert not lines.held


def test_a_camera_that_cannot_be_set_is_left_to_itself():
    board = Board(exposes=False)
    with Watched(built_on(board)) as watched:
        watched.await_frames(3)
    assert set(board.set) == {"FrameDurationLimits"}
    assert all(info.light is None for info in watched.infos)


def decoded(pictures):
    """Luma of coded pictures."""
    context = av.CodecContext.create("h264", "r")
    shown = []
    for picture in pictures:
        nals = split_length_prefixed(picture.nal_units)
        stream = b"".join(b"\0\0\0\1" + bytes(nal) for nal in nals)
        shown += context.decode(av.Packet(stream))
    shown += context.decode(None)
    return [frame.to_ndarray(format="gray") for frame in shown]
