"""Pictures as boards give them: padded rows, boot time, a sky that does not count, lines."""

import numpy as np
import pytest
from gpiod.line import Direction, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S, SimulatedClock, SystemClock
from roeh.core.config import IrCutSection
from roeh.core.errors import CameraMissing
from roeh.core.types import Size
from roeh.media.frames import pixel_shape
from roeh.media.planes import PlaneLayout, PlaneMask, copy_as_i420
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, Sensor
from roeh.sources.light.gpio import GpioIrCut
from roeh.sources.light.ir_cut import IrCutFailed, line_levels
from roeh.sources.light.metering import GroundMeter, metered_pixels
from roeh.sources.picamera2.boot_stamps import BootStamps, suspended_ns

PAD = 77

layouts = st.builds(
    lambda half_width, half_height, padding, order: PlaneLayout(
        Size(2 * half_width, 2 * half_height), 2 * half_width + 2 * padding, order
    ),
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(0, 8),
    st.sampled_from(["i420", "nv12"]),
)


def laid(i420, layout, spare=0):
    """A buffer as a driver lays that picture, written sample by sample."""
    width, height = layout.size.width_px, layout.size.height_px
    stride = layout.stride_bytes
    buffer = np.full(layout.size_bytes + spare, PAD, np.uint8)
    flat = i420.reshape(-1)
    for y in range(height):
        for x in range(width):
            buffer[y * stride + x] = flat[y * width + x]
    for plane in range(2):
        start = width * height * (4 + plane) // 4
        for y in range(height // 2):
            for x in range(width // 2):
                sample = flat[start + y * width // 2 + x]
                if layout.order == "nv12":
                    where = stride * height + y * stride + 2 * x + plane
                else:
                    where = stride * height + (plane * height // 2 + y) * stride // 2 + x
                buffer[where] = sample
    return buffer


def picture_of(layout, seed):
    shape = pixel_shape(layout.size.width_px, layout.size.height_px, "yuv420p")
    return np.random.default_rng(seed).integers(0, 70, shape, np.uint8)


@settings(max_examples=40, deadline=None)
@given(layout=layouts, seed=st.integers(0, 99), spare=st.integers(0, 50))
def test_a_drivers_buffer_gives_its_picture_without_padding(layout, seed, spare):
    picture = picture_of(layout, seed)
    out = np.empty_like(picture)
    copy_as_i420(laid(picture, layout, spare), layout, out)
    assert np.array_equal(out, picture)


@settings(max_examples=40, deadline=None)
@given(layout=layouts, seed=st.integers(0, 99))
def test_a_mask_blackens_what_is_masked_and_nothing_else(layout, seed):
    picture = picture_of(layout, seed)
    mask = np.random.default_rng(seed).random((layout.size.height_px, layout.size.width_px)) < 0.3
    buffer = laid(picture, layout)
    PlaneMask(mask, layout).blacken(buffer)
    height, width = mask.shape
    chroma = mask.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3)).reshape(-1)
    expected = picture.copy().reshape(-1)
    expected[: height * width][mask.reshape(-1)] = 16
    expected[height * width :][np.concatenate([chroma, chroma])] = 128
    assert np.array_equal(buffer, laid(expected.reshape(picture.shape), layout))


def test_a_buffer_that_is_too_short_is_refused():
    layout = PlaneLayout(Size(8, 4), 16, "nv12")
    with pytest.raises(ValueError, match="hold no picture"):
        copy_as_i420(np.zeros(layout.size_bytes - 1, np.uint8), layout, np.zeros((6, 8), np.uint8))


def test_boot_time_is_monotonic_time_where_nothing_was_suspended():
    assert suspended_ns(SystemClock()) == 0


@pytest.mark.parametrize("is_boot_time", [True, False])
def test_a_stamp_is_brought_to_the_monotonic_clock_whatever_it_counts(is_boot_time):
    clock = SimulatedClock(t_mono_ns=50 * NS_PER_S)
    clock.suspend(3600)
    stamps = BootStamps(clock)
    assert suspended_ns(clock) == 3600 * NS_PER_S
    taken_ns = clock.mono_ns() - NS_PER_S // 20
    stamp_ns = taken_ns + (3600 * NS_PER_S if is_boot_time else 0)
    assert stamps.place(stamp_ns, clock.mono_ns()) == taken_ns
    # The encoder gives it later: it stays the same time.
    clock.advance(1.0)
    assert stamps.locate(stamp_ns) == taken_ns


def test_a_board_that_slept_between_two_pictures_keeps_their_order():
    clock = SimulatedClock(t_mono_ns=50 * NS_PER_S)
    stamps = BootStamps(clock)
    first = stamps.place(clock.boot_ns(), clock.mono_ns())
    clock.suspend(30)
    clock.advance(0.1)
    assert stamps.place(clock.boot_ns(), clock.mono_ns()) - first == NS_PER_S // 10


@pytest.mark.parametrize("stamp_ns", [None, 0, 10**18])
def test_a_picture_without_a_true_stamp_was_taken_when_it_came(stamp_ns):
    clock = SimulatedClock(t_mono_ns=50 * NS_PER_S)
    stamps = BootStamps(clock)
    assert stamps.place(stamp_ns, clock.mono_ns()) == 50 * NS_PER_S
    assert stamps.place(stamp_ns, clock.mono_ns()) > 50 * NS_PER_S


def side_looking(tilt_deg):
    return Sensor("side", Pinhole.from_hfov(320, 240, 70), Pose(0, tilt_deg, 0, 4))


def test_the_sky_does_not_count_for_exposure():
    sensor = side_looking(10.0)
    layout = PlaneLayout(Size(320, 240), 384, "i420")
    buffer = np.full(layout.size_bytes, PAD, np.uint8)
    rows = buffer[: 384 * 240].reshape(240, 384)
    # 10 degrees below the horizon is the picture's middle.
    rows[:118, :320], rows[118:, :320] = 235, 60
    assert GroundMeter(sensor, layout, whole=False).mean_luma(buffer) == 60.0
    assert 130 < GroundMeter(sensor, layout, whole=True).mean_luma(buffer) < 160


def test_a_camera_that_sees_no_ground_is_metered_by_what_it_sees():
    assert len(metered_pixels(side_looking(-60.0), whole=False)) > 1000


def test_outside_of_a_fisheyes_circle_nothing_counts():
    sensor = Sensor("down", Equidistant(400, 400, 185), Pose(0, 90, 0, 5))
    pixels = metered_pixels(sensor, whole=True)
    assert np.hypot(*(pixels - 199.5).T).max() <= 200.5
    ground = metered_pixels(sensor, whole=False)
    assert np.hypot(*(ground - 199.5).T).max() == pytest.approx(200 * 80 / 92.5, abs=4)


@pytest.mark.parametrize("low_by_day", [False, True])
def test_the_filter_is_away_and_the_lamps_are_on_by_night(low_by_day):
    section = IrCutSection(filter_line=17, filter_low_by_day=low_by_day, lamp_line=27)
    assert line_levels(section, is_night=False) == {17: not low_by_day, 27: False}
    assert line_levels(section, is_night=True) == {17: low_by_day, 27: True}
    assert line_levels(IrCutSection(filter_line=5), is_night=True) == {5: False}


class KernelLines:
    """What the kernel keeps of lines that somebody asked for."""

    def __init__(self):
        self.levels = {}
        self.is_gone = False

    def request(self, path, consumer=None, config=None):
        assert (path, consumer) == ("/dev/gpiochip0", "roeh")
        for line, wanted in config.items():
            assert wanted.direction is Direction.OUTPUT
            self.levels[line] = wanted.output_value
        return self

    def set_values(self, values):
        if self.is_gone:
            raise OSError(19, "No such device")
        self.levels |= values

    def release(self):
        # As most chips do: what was set last stays.
        self.left, self.levels = self.levels, {}


def test_lines_are_held_as_by_day_switched_together_and_let_go():
    kernel = KernelLines()
    lines = GpioIrCut(IrCutSection(filter_line=17, lamp_line=27), "gate", kernel.request)
    with lines:
        assert kernel.levels == {17: Value.ACTIVE, 27: Value.INACTIVE}
        lines.switch(is_night=True)
        assert kernel.levels == {17: Value.INACTIVE, 27: Value.ACTIVE}
        lines.switch(is_night=False)
        assert kernel.levels == {17: Value.ACTIVE, 27: Value.INACTIVE}
        kernel.is_gone = True
        with pytest.raises(IrCutFailed, match="No such device"):
            lines.switch(is_night=True)
    assert kernel.levels == {}


def test_lines_that_are_let_go_by_night_are_left_as_by_day():
    """Nobody would put out the lamps of a pole that was stopped at night."""
    kernel = KernelLines()
    with GpioIrCut(IrCutSection(filter_line=17, lamp_line=27), "gate", kernel.request) as lines:
        lines.switch(is_night=True)
    assert kernel.left == {17: Value.ACTIVE, 27: Value.INACTIVE}


def test_a_chip_that_is_not_there_is_told_before_anything_begins(tmp_path):
    missing, no_chip = tmp_path / "gpiochip9", tmp_path / "file"
    no_chip.touch()
    for path in (missing, no_chip):
        lines = GpioIrCut(IrCutSection(filter_line=17, lamp_line=27, chip=str(path)), "gate")
        with pytest.raises(CameraMissing) as refused:
            lines.__enter__()
        assert "17, 27" in refused.value.line()
        assert str(path) in refused.value.line()
        lines.__exit__(None, None, None)
