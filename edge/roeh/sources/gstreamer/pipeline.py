"""From a sensor's configuration to the pipeline that GStreamer's child runs; pure.

Names of NVIDIA's elements and properties are theirs: nvarguscamerasrc (`sensor-id`,
`exposuretimerange` and `gainrange` as "low high", the first in ns, `ispdigitalgainrange`,
`aeantibanding` 0 off, 2 50 Hz, 3 60 Hz, `aeregion` as "left top right bottom weight"), nvvidconv,
nvv4l2h264enc (`bitrate` in bit/s, `control-rate` 1 constant, `iframeinterval`, `idrinterval`,
`insert-sps-pps`). Source: gst-inspect-1.0 of them on Jetson Linux, and the source of
nvarguscamerasrc in NVIDIA's public_sources (gst-nvarguscamera), which also says that a range
beyond the sensor's own is cut to that and that a rate is taken in whole frames a second.
"""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import GstreamerSource, LightSection
from roeh.core.errors import LensError
from roeh.core.types import Box, Size
from roeh.media.decode import PictureFormat
from roeh.media.encode import encoded_size
from roeh.sources.protocol import WantedVideo

#: Which Debian package brings an element; a Jetson's own come with JetPack.
_PACKAGES = {
    "videotestsrc": "gstreamer1.0-plugins-base",
    "appsink": "gstreamer1.0-plugins-base",
    "videoconvert": "gstreamer1.0-plugins-base",
    "videoscale": "gstreamer1.0-plugins-base",
    "gdkpixbufoverlay": "gstreamer1.0-plugins-good",
    "h264parse": "gstreamer1.0-plugins-bad",
    "x264enc": "gstreamer1.0-plugins-ugly",
    "nvarguscamerasrc": "nvidia-l4t-gstreamer",
    "nvvidconv": "nvidia-l4t-gstreamer",
    "nvv4l2h264enc": "nvidia-l4t-gstreamer",
}
HARDWARE_ENCODER, SOFTWARE_ENCODER = "nvv4l2h264enc", "x264enc"

# A record whose shape differs more from its lens's shows another field of view.
_ASPECT_TOLERANCE = 0.01
_NVMM = "video/x-raw(memory:NVMM)"
# Bilinear where it scales; of itself it takes the nearest pixel.
_CONVERT = "nvvidconv interpolation-method=1"


class WantedCaps(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one end of the pipeline has to give; the child compares. Keys are GStreamer's.

    `framerate` is (frames, seconds).
    """

    media: str
    width: int
    height: int
    framerate: tuple[int, int]
    format: str = ""
    stream_format: str = msgspec.field(default="", name="stream-format")
    alignment: str = ""


class Pipeline(msgspec.Struct, frozen=True):
    """A pipeline to run.

    Attributes:
        description: as gst_parse_launch takes it.
        frames: what its sink "frames" gives.
        coded: what its sink "coded" gives; None without one.
        encoder: the element that encodes; empty without one.
    """

    description: str
    frames: WantedCaps
    coded: WantedCaps | None
    encoder: str


class Camera(msgspec.Struct, frozen=True):
    """What a pipeline is built from.

    Attributes:
        section: which camera.
        light: how it is to be exposed.
        layout: of the frames.
        metering: the part of the picture that exposure weighs, in the lens's pixels; None
            for all of it.
    """

    section: GstreamerSource
    light: LightSection
    layout: PictureFormat
    metering: Box | None = None

    @property
    def rate(self) -> Fraction:
        """Frames a second, as GStreamer writes it."""
        return Fraction(self.section.fps).limit_denominator(1000)

    @property
    def record_size(self) -> Size:
        """Of the coded pictures: the configured one, or the lens's; sides even.

        Raises:
            LensError: it shows another field of view than the lens.
        """
        wide, high = self.section.record_width_px, self.section.record_height_px
        lens = self.layout.size
        if not wide and not high:
            return encoded_size(lens)
        ratio = wide * lens.height_px / (high * lens.width_px) if high else 0.0
        if abs(ratio - 1) > _ASPECT_TOLERANCE:
            raise LensError(
                what="the recorded picture has another shape than its lens",
                which=f"{wide}x{high}, lens for {lens.width_px}x{lens.height_px}",
                remedy="set record_width_px and record_height_px to the lens's shape, or both to 0",
            )
        return encoded_size(Size(wide, high))


def needed_elements(camera: Camera, *, is_coded: bool, is_masked: bool) -> tuple[str, ...]:
    """What has to be there, encoders apart."""
    elements = ["appsink", camera.section.element]
    if _is_nvmm(camera):
        elements.append("nvvidconv")
    else:
        elements.append("videoscale")
    if camera.layout.pixel_format == "bgr24":
        elements.append("videoconvert")
    if is_coded:
        elements.append("h264parse")
        if is_masked:
            elements.append("gdkpixbufoverlay")
    return tuple(elements)


def packages_of(elements: tuple[str, ...]) -> tuple[str, ...]:
    """The packages that bring these elements, each once."""
    return tuple(dict.fromkeys(_PACKAGES[element] for element in elements))


def build(
    camera: Camera, video: WantedVideo | None, *, encoder: str, mask_at: tuple[int, int] | None
) -> Pipeline:
    """The pipeline of a camera.

    Args:
        camera: what it is.
        video: what is to be encoded; None for nothing.
        encoder: the element that encodes it.
        mask_at: (x, y) of the mask's picture in what is recorded; None without masks. The
            child gives the element "mask" its picture.

    Raises:
        LensError: what is recorded would show another field of view than the lens.
    """
    taken = _taken_size(camera, is_coded=video is not None)
    rate = (camera.rate.numerator, camera.rate.denominator)
    # Whoever is slow loses whole frames in front of the encoder, never coded ones behind it.
    # Sinks are not async: frames do not wait for the encoder's first picture.
    parts = [
        *_source(camera, taken),
        "tee name=split",
        "split.",
        "queue name=arrivals leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0",
        *_frames_branch(camera, taken),
        "appsink name=frames emit-signals=true sync=false async=false max-buffers=1 drop=true",
    ]
    coded = None
    if video is not None:
        size = camera.record_size
        parts += [
            "split.",
            "queue leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0",
            *_record_branch(camera, taken, encoder, mask_at),
            _encoding(encoder, video, camera.section.fps),
            "h264parse config-interval=-1",
            "video/x-h264,stream-format=byte-stream,alignment=au",
            "appsink name=coded emit-signals=true sync=false async=false",
        ]
        coded = WantedCaps(
            media="video/x-h264",
            width=size.width_px,
            height=size.height_px,
            framerate=rate,
            stream_format="byte-stream",
            alignment="au",
        )
    lens = camera.layout.size
    frames = WantedCaps(
        media="video/x-raw",
        width=lens.width_px,
        height=lens.height_px,
        framerate=rate,
        format=_raw_format(camera),
    )
    return Pipeline(_joined(parts), frames, coded, encoder if video is not None else "")


def exposure_limit_ns(light: LightSection, fps: float) -> int:
    """The longest exposure: a multiple of half a mains period where one fits."""
    longest_s = min(light.max_exposure_s, 1 / fps)
    if light.mains_hz:
        half_s = 1 / (2 * light.mains_hz)
        # 0.04 s are four halves of 50 Hz, whatever the division makes of it.
        halves = math.floor(longest_s / half_s + 1e-9)
        longest_s = halves * half_s if halves else longest_s
    return round(longest_s * NS_PER_S)


def argus_properties(light: LightSection, fps: float, metering: Box | None) -> tuple[str, ...]:
    """The light section as properties of nvarguscamerasrc.

    Args:
        light: how the camera is exposed.
        fps: frames a second: no exposure is longer than a frame.
        metering: what is weighed, in pixels of the stream; None for all.
    """
    antibanding = {0: 0, 50: 2, 60: 3}[light.mains_hz]
    properties = [
        f"aeantibanding={antibanding}",
        # The shortest is the sensor's own, to which a lower one is cut.
        f'exposuretimerange="1 {exposure_limit_ns(light, fps)}"',
        f'gainrange="1 {light.max_gain:g}"',
        # Gain is analogue times digital: without the latter the limit holds for both.
        'ispdigitalgainrange="1 1"',
    ]
    if metering is not None:
        corners = (metering.x0_px, metering.y0_px, metering.x1_px, metering.y1_px)
        properties.append(f'aeregion="{" ".join(str(round(side)) for side in corners)} 1"')
    return tuple(properties)


def _is_nvmm(camera: Camera) -> bool:
    """Whether the source's pictures lie in the Jetson's own memory."""
    return camera.section.element == "nvarguscamerasrc"


def _raw_format(camera: Camera) -> str:
    return "BGR" if camera.layout.pixel_format == "bgr24" else "I420"


def _taken_size(camera: Camera, *, is_coded: bool) -> Size:
    """What the source gives: the larger of what is wanted of it, sides even."""
    lens = encoded_size(camera.layout.size)
    if not is_coded:
        return lens
    record = camera.record_size
    return record if record.width_px > lens.width_px else lens


def _source(camera: Camera, taken: Size) -> tuple[str, ...]:
    rate = f"framerate={camera.rate.numerator}/{camera.rate.denominator}"
    section = camera.section
    if not _is_nvmm(camera):
        return (
            # Bright all over, and another picture with each frame.
            "videotestsrc is-live=true pattern=smpte75 horizontal-speed=8",
            f"video/x-raw,format=I420,{_sides(taken)},{rate}",
        )
    metering = None
    if camera.metering is not None:
        lens = camera.layout.size
        x, y = taken.width_px / lens.width_px, taken.height_px / lens.height_px
        box = camera.metering
        metering = Box(box.x0_px * x, box.y0_px * y, box.x1_px * x, box.y1_px * y)
    properties = argus_properties(camera.light, section.fps, metering)
    return (
        f"nvarguscamerasrc sensor-id={section.camera} {' '.join(properties)}",
        f"{_NVMM},format=NV12,{_sides(taken)},{rate}",
    )


def _frames_branch(camera: Camera, taken: Size) -> tuple[str, ...]:
    lens = camera.layout.size
    is_bgr = camera.layout.pixel_format == "bgr24"
    if _is_nvmm(camera):
        # It does not make three bytes a pixel.
        first = f"video/x-raw,format={'BGRx' if is_bgr else 'I420'},{_sides(lens)}"
        more = ("videoconvert", "video/x-raw,format=BGR") if is_bgr else ()
        return (_CONVERT, first, *more)
    scale = ("videoscale",) if lens != taken else ()
    convert = ("videoconvert",) if is_bgr else ()
    return (*convert, *scale, f"video/x-raw,format={_raw_format(camera)},{_sides(lens)}")


def _record_branch(
    camera: Camera, taken: Size, encoder: str, mask_at: tuple[int, int] | None
) -> tuple[str, ...]:
    """From the source's picture to the encoder's, masks burnt in where there are any."""
    size = camera.record_size
    is_hardware = encoder == HARDWARE_ENCODER
    into_nvmm = (_CONVERT, f"{_NVMM},format=NV12,{_sides(size)}") if is_hardware else ()
    overlay: tuple[str, ...] = ()
    if mask_at is not None:
        overlay = (f"gdkpixbufoverlay name=mask offset-x={mask_at[0]} offset-y={mask_at[1]}",)
    if _is_nvmm(camera):
        if is_hardware and not overlay:
            return into_nvmm if size != taken else ()
        return (_CONVERT, f"video/x-raw,format=I420,{_sides(size)}", *overlay, *into_nvmm)
    scale = ("videoscale", f"video/x-raw,{_sides(size)}") if size != taken else ()
    return (*scale, *overlay, *into_nvmm)


def _encoding(encoder: str, video: WantedVideo, fps: float) -> str:
    frames = max(1, round(video.gop_s * fps))
    if encoder == HARDWARE_ENCODER:
        return (
            f"{encoder} bitrate={video.bps} control-rate=1 iframeinterval={frames}"
            f" idrinterval={frames} insert-sps-pps=true profile=4"
        )
    # As media.encode does: no picture waits for a later one, one thread, no key but asked for.
    return (
        f"{encoder} tune=zerolatency speed-preset=ultrafast threads=1 bframes=0"
        f" bitrate={max(1, video.bps // 1000)} vbv-buf-capacity=2000 key-int-max={frames}"
        ' option-string="scenecut=0:open-gop=0"'
    )


def _sides(size: Size) -> str:
    return f"width={size.width_px},height={size.height_px}"


def _joined(parts: list[str]) -> str:
    """Elements behind another by "!", branches apart."""
    text = parts[0]
    for part in parts[1:]:
        text += f" {part}" if part == "split." else f" ! {part}"
    return text
