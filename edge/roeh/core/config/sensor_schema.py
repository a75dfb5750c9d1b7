"""The sections of node.toml that say what a camera is: its source, lens, light and pose.

Angles: bearings are degrees from true north, clockwise. Positions: metres east and
north of the foot of the pole. A field's unit is the end of its name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from roeh.core.config.section import (
    BearingDeg,
    FilePath,
    Name,
    NotNegative,
    PictureSide,
    PointM,
    PointPx,
    Positive,
    Section,
    Share,
)

#: A lens that sees more than this bends its picture too much to be looked at whole.
FISHEYE_FROM_DEG = 130.0


class LensSection(Section, frozen=True, kw_only=True):
    """A lens: `equidistant` and `kannala_brandt` need fov_deg, `pinhole` hfov by fov_deg too.

    `k` are the four Kannala-Brandt coefficients. `focal_px` (fx, fy), where calibrated,
    replaces the focal length that the field of view implies.
    """

    model: Literal["equidistant", "kannala_brandt", "pinhole"] = "equidistant"
    width_px: PictureSide
    height_px: PictureSide
    fov_deg: Annotated[float, Meta(gt=0, le=220)]
    center_px: PointPx | None = None
    focal_px: tuple[Positive, Positive] | None = None
    k: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def is_fisheye(self) -> bool:
        """Whether its picture has to be taken apart, for the detector and for people.

        Not so a calibrated ordinary lens, though it is described as a fisheye's.
        """
        return self.model != "pinhole" and self.fov_deg > FISHEYE_FROM_DEG


class StandaloneLens(LensSection, frozen=True, kw_only=True):
    """LENS.toml of `roeh detect`: a lens and how it hangs.

    `tilt_deg` 90 looks straight down, 0 at the horizon.
    """

    height_m: Positive
    tilt_deg: Annotated[float, Meta(ge=-90, le=90)] = 90.0
    azimuth_deg: BearingDeg = 0.0


class FileSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """A video file, at its own pace; `loop` starts it again at its end."""

    path: FilePath
    loop: bool = False


class RtspSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="rtsp"):
    """A network camera. Credentials stand in the URL or in `password_file`."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^rtsps?://[^\s/]\S*(?!\n)$",
            description="an address such as rtsp://camera.local/stream",
        ),
    ]
    password_file: str = ""
    transport: Literal["tcp", "udp"] = "tcp"
    stall_timeout_s: Positive = 5.0


class PanoramaView(Section, frozen=True, kw_only=True):
    """One pane of ordinary footage, hung round the pole.

    `hfov_deg` is the angle the picture's width takes; `tilt_deg` how far below the
    horizon its centre lies; `start_s` where in the footage it begins.
    """

    azimuth_deg: BearingDeg
    hfov_deg: Annotated[float, Meta(gt=5, lt=120)] = 60.0
    tilt_deg: Annotated[float, Meta(ge=0, lt=80)] = 20.0
    start_s: NotNegative = 0.0


class PanoramaSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="panorama"):
    """Ordinary footage re-projected into the sensor's own fisheye picture."""

    path: FilePath
    views: Annotated[tuple[PanoramaView, ...], Meta(min_length=1)]
    fps: Annotated[float, Meta(gt=0, le=60)] = 10.0
    loop: bool = True


class ComposedSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="composed"):
    """Drawn people on a drawn street with exact ground truth.

    `night` and `flicker` in [0, 1]; `rain_drops` streaks in each frame. An ordinary camera's
    people stay before it; `all_round` lets them walk all round the pole, the same people
    for every sensor with the same seed.
    """

    seed: Annotated[int, Meta(ge=0)] = 1
    people: Annotated[int, Meta(ge=0, le=64)] = 8
    fps: Annotated[float, Meta(gt=0, le=60)] = 10.0
    duration_s: NotNegative = 0.0
    night: Share = 0.0
    rain_drops: Annotated[int, Meta(ge=0, le=5000)] = 0
    flicker: Share = 0.0
    all_round: bool = False


class _BoardCamera(Section, frozen=True, kw_only=True, tag_field="kind"):
    """A camera on this board. Frames have the lens's size.

    What is recorded is the same picture at `record_width_px` by `record_height_px` (0: the
    lens's size). No picture for `stall_timeout_s`: the camera is stopped and started again.
    """

    fps: Annotated[float, Meta(gt=0, le=120)] = 10.0
    record_width_px: Annotated[int, Meta(ge=0, le=16384)] = 0
    record_height_px: Annotated[int, Meta(ge=0, le=16384)] = 0
    stall_timeout_s: Positive = 3.0


class Picamera2Source(_BoardCamera, frozen=True, kw_only=True, tag="picamera2"):
    """A Raspberry Pi camera, number `camera` as libcamera counts.

    `encoder`: "v4l2" the Pi 4's hardware, "libav" software; "auto" by the board.
    """

    camera: Annotated[int, Meta(ge=0, le=15)] = 0
    encoder: Literal["auto", "v4l2", "libav"] = "auto"


class GstreamerSource(_BoardCamera, frozen=True, kw_only=True, tag="gstreamer"):
    """A camera behind GStreamer: a Jetson's CSI sensor number `camera`.

    `element` "videotestsrc" draws GStreamer's test picture instead. `encoder`:
    "nvv4l2h264enc" the Jetson's hardware, "x264enc" software; "auto" by what is there.
    """

    element: Literal["nvarguscamerasrc", "videotestsrc"] = "nvarguscamerasrc"
    camera: Annotated[int, Meta(ge=0, le=15)] = 0
    encoder: Literal["auto", "nvv4l2h264enc", "x264enc"] = "auto"


class V4l2Source(Section, frozen=True, kw_only=True, tag_field="kind", tag="v4l2"):
    """A USB camera: `device` best by its name in /dev/v4l/by-id, which outlives unplugging.

    `video`: what the camera sends; "auto" takes H.264 where it has it, then MJPEG, then raw.
    """

    device: FilePath = "/dev/video0"
    video: Literal["auto", "h264", "mjpeg", "raw"] = "auto"
    fps: Annotated[float, Meta(gt=0, le=120)] = 10.0
    stall_timeout_s: Positive = 3.0


SourceSection = (
    FileSource
    | RtspSource
    | PanoramaSource
    | ComposedSource
    | Picamera2Source
    | GstreamerSource
    | V4l2Source
)


class IrCutSection(Section, frozen=True, kw_only=True):
    """The filter that keeps infrared from the sensor by day, and the lamps, by GPIO.

    `filter_line` is high by day (low with `filter_low_by_day`); `lamp_line`, if not
    negative, is high by night. Night begins when exposure times gain stays above
    `night_exposure_s` for `switch_after_s`, day when it stays below `day_exposure_s`
    (seconds at gain 1, the latter with the filter away and the lamps on).
    """

    chip: FilePath = "/dev/gpiochip0"
    filter_line: Annotated[int, Meta(ge=0, le=1023)]
    filter_low_by_day: bool = False
    lamp_line: Annotated[int, Meta(ge=-1, le=1023)] = -1
    night_exposure_s: Positive = 0.25
    day_exposure_s: Positive = 0.01
    switch_after_s: Positive = 20.0


class LightSection(Section, frozen=True, kw_only=True):
    """How a camera on this board is exposed.

    Exposures are multiples of half a period of the mains (`mains_hz` 0: any), so that
    lamps do not beat, up to `max_exposure_s`; darker than that, gain up to `max_gain`.
    `metering` "ground" leaves out what lies above 10 degrees below the horizon: the sky.
    """

    mains_hz: Literal[0, 50, 60] = 50
    max_exposure_s: Annotated[float, Meta(gt=0, le=1)] = 0.04
    max_gain: Annotated[float, Meta(ge=1, le=64)] = 16.0
    metering: Literal["ground", "whole"] = "ground"
    ir_cut: IrCutSection | None = None


class MaskSection(Section, frozen=True, kw_only=True):
    """A privacy mask: nothing inside is analysed or ever shown in a thumbnail."""

    name: Name
    polygon_px: tuple[PointPx, ...]


class SensorSection(Section, frozen=True, kw_only=True):
    """One camera: what it gives, its lens, how it hangs.

    `azimuth_deg` is clockwise from the pole's forward mark; `tilt_deg` 90 looks straight
    down, 0 at the horizon. `offset_m` is where the lens hangs beside the pole's axis: metres
    to the right of the forward mark and along it. `azimuth_sigma_deg` is against the other
    sensors of the rig; how well north itself is known is node.heading_sigma_deg.
    """

    name: Name = "sensor"
    source: SourceSection
    lens: LensSection
    light: LightSection = LightSection()
    height_m: Annotated[float, Meta(gt=0.5, lt=60)] = 5.0
    height_sigma_m: NotNegative = 0.03
    azimuth_deg: BearingDeg = 0.0
    azimuth_sigma_deg: NotNegative = 0.3
    tilt_deg: Annotated[float, Meta(ge=-90, le=90)] = 90.0
    roll_deg: Annotated[float, Meta(ge=-180, le=180)] = 0.0
    tilt_sigma_deg: NotNegative = 0.5
    offset_m: PointM = (0.0, 0.0)
    masks: tuple[MaskSection, ...] = ()
    stop_after_s: NotNegative = 0.0
