"""Rendering: what is asked of the sandboxed child that decodes, and what it answers.

An order goes to the child's standard input, answers come from its standard output, each
behind its length (4 bytes, big endian), as MessagePack. Segments, and the file that a copy
is written to, are descriptors that the child inherits. The client is bundle/rendering.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.config import LensSection, MaskSection, SensorSection
from roeh.core.config.section import Name
from roeh.core.custody import SegmentRow
from roeh.core.retrieval import Region
from roeh.core.sandbox import SandboxLimits
from roeh.core.types import Count, TimeUs
from roeh.core.views import ViewChoice

#: The longest preview.
MAX_PREVIEW_US = 60_000_000
#: The longest redacted copy in one order.
MAX_REDACTED_US = 3600 * 1_000_000
#: Of a still or a preview.
MAX_STILL_SIDE_PX = 1920
MAX_PREVIEW_HEIGHT_PX = 360
MAX_PREVIEW_FPS = 10
#: The largest frame of the protocol, either way: a report with its stills is the longest.
MAX_ORDER_BYTES = 64 * 1024 * 1024
MAX_ANSWER_BYTES = 1024 * 1024
#: An hour of ten-second segments, and what lies at its ends.
MAX_SEGMENTS = 400

#: Stands beneath every picture that is a view.
DEWARPED_WORDS = "VIEW MADE FROM THE RECORDING - NOT THE ORIGINAL PICTURE"
#: Tilted more than this, a camera looks to all sides.
_LOOKS_DOWN_DEG = 60.0

PointPx = tuple[float, float]


class FragmentInput(msgspec.Struct, frozen=True):
    """One group of pictures in its segment, and when it was taken."""

    offset_bytes: Count
    size_bytes: Annotated[int, Meta(ge=1, le=64 * 1024 * 1024)]
    t_first_utc_us: TimeUs
    t_end_utc_us: TimeUs


class SegmentInput(msgspec.Struct, frozen=True):
    """One segment file, in the order of the descriptors that are handed over."""

    fragments: Annotated[tuple[FragmentInput, ...], Meta(min_length=1, max_length=2000)]


class Masks(msgspec.Struct, frozen=True):
    """Privacy masks: polygons in pixels of a sensor's picture of this size.

    The recording may have another size: masks are scaled to it.
    """

    width_px: Annotated[int, Meta(ge=1, le=16384)]
    height_px: Annotated[int, Meta(ge=1, le=16384)]
    polygons_px: Annotated[tuple[tuple[PointPx, ...], ...], Meta(max_length=256)]


class Dewarp(msgspec.Struct, frozen=True, kw_only=True):
    """A view of the picture instead of the picture itself, with words beneath that say so.

    Attributes:
        camera_id: whose picture it is.
        lens: of it, for a picture of this shape.
        azimuth_deg, tilt_deg, roll_deg: how it hangs.
        heading_deg: of the pole.
        choice: which view.
        words: ASCII, beneath the view.
    """

    camera_id: Name
    lens: LensSection
    azimuth_deg: Annotated[float, Meta(ge=-360, le=360)]
    tilt_deg: Annotated[float, Meta(ge=-90, le=90)]
    roll_deg: Annotated[float, Meta(ge=-360, le=360)]
    heading_deg: Annotated[float, Meta(ge=-360, le=360)]
    choice: ViewChoice
    words: Annotated[str, Meta(max_length=200)] = ""


class StillOrder(msgspec.Struct, frozen=True, kw_only=True, tag="still"):
    """One picture as JPEG: the last one taken at or before `at_utc_us`, else the first after."""

    segments: Annotated[tuple[SegmentInput, ...], Meta(min_length=1, max_length=MAX_SEGMENTS)]
    at_utc_us: TimeUs
    max_side_px: Annotated[int, Meta(ge=16, le=MAX_STILL_SIDE_PX)] = 1280
    masks: Masks | None = None
    view: Dewarp | None = None


class PreviewOrder(msgspec.Struct, frozen=True, kw_only=True, tag="preview"):
    """A small, short video of a span: fragmented MP4, H.264, as a browser plays it.

    A view has a size of its own, whatever `height_px`.
    """

    segments: Annotated[tuple[SegmentInput, ...], Meta(min_length=1, max_length=MAX_SEGMENTS)]
    from_utc_us: TimeUs
    to_utc_us: TimeUs
    height_px: Annotated[int, Meta(ge=16, le=MAX_PREVIEW_HEIGHT_PX)] = MAX_PREVIEW_HEIGHT_PX
    fps: Annotated[int, Meta(ge=1, le=MAX_PREVIEW_FPS)] = MAX_PREVIEW_FPS
    masks: Masks | None = None
    view: Dewarp | None = None


class RedactOrder(msgspec.Struct, frozen=True, kw_only=True, tag="redact"):
    """A copy of a span at full size in which regions and masks show nothing any more.

    The file is written to the descriptor of the envelope, from where it stands.

    Attributes:
        regions: of this camera, in pixels of the recorded video.
        bps: bits a second of the copy, at the most.
    """

    segments: Annotated[tuple[SegmentInput, ...], Meta(min_length=1, max_length=MAX_SEGMENTS)]
    from_utc_us: TimeUs
    to_utc_us: TimeUs
    regions: Annotated[tuple[Region, ...], Meta(max_length=64)]
    masks: Masks | None = None
    bps: Annotated[int, Meta(ge=100_000, le=100_000_000)] = 4_000_000


class ReportOrder(msgspec.Struct, frozen=True, kw_only=True, tag="report"):
    """A report as PDF.

    Attributes:
        report: bundle.report's page in one language, as JSON.
        stills: JPEG by the name that the page calls it.
    """

    report: bytes
    stills: dict[str, bytes] = {}


Order = StillOrder | PreviewOrder | RedactOrder | ReportOrder


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An order with the numbers of the descriptors in the child; made by the client alone."""

    order: Order
    limits: SandboxLimits
    descriptors: tuple[int, ...] = ()
    output: int | None = None


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """The next bytes of the picture, video or page."""

    content: bytes


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """All of it was given.

    Attributes:
        pictures: how many are in it.
        damaged: groups of pictures asked for that could not be decoded, wholly or in part.
        width_px, height_px: of the pictures; 0 of a report.
        from_utc_us, to_utc_us: of the first and the last picture in it; 0 of a report.
        obscured: the regions as they were rounded out, of a copy.
        size_bytes: of what was written or sent.
        is_view: what was asked for as a view is one; else it is the picture as recorded.
    """

    pictures: int = 0
    damaged: int = 0
    width_px: int = 0
    height_px: int = 0
    from_utc_us: int = 0
    to_utc_us: int = 0
    obscured: tuple[Region, ...] = ()
    size_bytes: int = 0
    is_view: bool = False


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It could not be done."""

    code: Literal["no_picture", "malformed", "encoder", "no_sandbox", "no_memory", "unexpected"]
    what: Annotated[str, Meta(max_length=500)]


Answer = Piece | Finished | Failed


def segment_input(row: SegmentRow) -> SegmentInput:
    """A segment of the index as the child is told of it."""
    to_utc_us = row.t_utc_us - row.t_first_mono_us
    return SegmentInput(
        tuple(
            FragmentInput(
                offset_bytes=fragment.offset_bytes,
                size_bytes=fragment.size_bytes,
                t_first_utc_us=max(0, fragment.t_first_mono_us + to_utc_us),
                t_end_utc_us=max(0, fragment.t_end_mono_us + to_utc_us),
            )
            for fragment in row.fragments
        )
    )


def masks_of(sensor: SensorSection) -> Masks | None:
    """The masks of a camera; None without any."""
    if not sensor.masks:
        return None
    return Masks(sensor.lens.width_px, sensor.lens.height_px, tuple(map(_polygon_px, sensor.masks)))


def looks_to_deg(sensor: SensorSection, heading_deg: float) -> float:
    """The bearing that a view of a camera has in its middle: north where it looks down."""
    if sensor.tilt_deg > _LOOKS_DOWN_DEG:
        return 0.0
    return (heading_deg + sensor.azimuth_deg) % 360.0


def dewarp_of(
    sensor: SensorSection, heading_deg: float, choice: ViewChoice, words: str
) -> Dewarp | None:
    """The view of a camera's picture; None for the picture itself."""
    if choice.layout == "picture":
        return None
    return Dewarp(
        camera_id=sensor.name,
        lens=sensor.lens,
        azimuth_deg=sensor.azimuth_deg,
        tilt_deg=sensor.tilt_deg,
        roll_deg=sensor.roll_deg,
        heading_deg=heading_deg,
        choice=choice,
        words=words,
    )


def _polygon_px(mask: MaskSection) -> tuple[PointPx, ...]:
    return tuple((float(x), float(y)) for x, y in mask.polygon_px)


def camera_regions(regions: tuple[Region, ...], camera_id: Name) -> tuple[Region, ...]:
    """Those of one camera."""
    return tuple(region for region in regions if region.camera_id == camera_id)
