"""The command line of `roeh view`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import msgspec
import numpy as np

from roeh.core.clock import SystemClock
from roeh.core.config import NodeConfig, SensorSection, load_config
from roeh.core.errors import EXIT_OK, ConfigError, OutputRefused
from roeh.core.moments import reading_text
from roeh.core.types import Size
from roeh.core.views import HEIGHT_SHARES, LAYOUTS, Layout, ViewChoice
from roeh.media.frames import UInt8Image
from roeh.media.masks import blackened, mask_of, outside
from roeh.media.overlay import Boxed, Overlay, found_words
from roeh.media.polar import zone_outline_m
from roeh.media.view_frame import framed, words_of
from roeh.media.views import draw_view
from roeh.optics.configured import rig_from
from roeh.optics.ground import bearing_of, range_of
from roeh.optics.rig import Rig
from roeh.optics.view_layout import view_of
from roeh.sources.one_picture import clip_picture, file_picture, live_picture
from roeh.vision.open import open_model_for, open_still_detector

#: Of each layout, where `--width` does not say.
_WIDTHS_PX: dict[Layout, int] = {
    "picture": 1280, "panorama": 1920, "double_panorama": 1600, "quad": 1600, "ptz": 1280,
}  # fmt: skip
_PATIENCE_S = 15.0
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_LEAST_PX, _MOST_PX = 160, 8192


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="NODE.toml", help="the node"
    )
    parser.add_argument("--sensor", metavar="NAME", help="this camera alone; default: all")
    layouts = [layout.replace("_", "-") for layout in LAYOUTS]
    parser.add_argument("--layout", choices=layouts, default="panorama", help="default: panorama")
    for option, default, text in (
        ("--bearing", 0.0, "of its middle, degrees from north"),
        ("--elevation", -25.0, "of a ptz, 0 horizon, -90 straight down"),
        ("--fov", 60.0, "across a ptz, degrees"),
    ):
        parser.add_argument(
            option, type=float, default=default, metavar="DEG", help=f"{text}; default {default:g}"
        )
    parser.add_argument("--width", type=int, metavar="PX", help="of the view")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--picture", type=Path, metavar="FILE", help="a camera's picture, not live")
    source.add_argument("--clip", type=Path, metavar="FILE", help="a video or a recorded segment")
    parser.add_argument("--at", type=float, default=0.0, metavar="S", help="seconds into the clip")
    parser.add_argument("--rings", action="store_true", help="draw rings of metres and bearings")
    parser.add_argument("--zones", action="store_true", help="draw the node's zones and lines")
    parser.add_argument("--detect", action="store_true", help="draw boxes round what is found")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jpg", help="or png, webp")


def run(chosen: argparse.Namespace) -> int:
    """Make the picture.

    Raises:
        RoehError: what is wrong.
    """
    if chosen.out.suffix.lower() not in _SUFFIXES:
        raise OutputRefused(
            what="no picture's name", which=f"{chosen.out}", remedy="end it in .jpg, .png or .webp"
        )
    config = load_config(chosen.config)
    choice = _choice(chosen)
    sections = _sections(config, chosen)
    pictures, words = _pictures(config, sections, chosen)
    picture = _drawn(config, choice, pictures, chosen, words)
    _, encoded = cv2.imencode(chosen.out.suffix.lower(), picture)
    try:
        chosen.out.write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputRefused(
            what=f"cannot write ({error.strerror})",
            which=f"{chosen.out}",
            remedy="name a file in a directory that this user can write",
        ) from None
    height_px, width_px = picture.shape[:2]
    cameras = ", ".join(pictures)
    sys.stdout.write(f"{chosen.out}: {words_of(choice)}, {width_px}x{height_px}, {cameras}\n")
    return EXIT_OK


def _choice(chosen: argparse.Namespace) -> ViewChoice:
    wanted = {
        "layout": chosen.layout.replace("-", "_"),
        "bearing_deg": chosen.bearing,
        "elevation_deg": chosen.elevation,
        "fov_deg": chosen.fov,
    }
    try:
        return msgspec.convert(wanted, ViewChoice)
    except msgspec.ValidationError as error:
        raise ConfigError(
            what="no such view", which=f"{error}", remedy="give angles within these limits"
        ) from None


def _sections(config: NodeConfig, chosen: argparse.Namespace) -> tuple[SensorSection, ...]:
    """Whose pictures are wanted; a file is one camera's."""
    found = [each for each in config.sensors if chosen.sensor in {None, each.name}]
    if not found:
        raise ConfigError(
            what="unknown sensor",
            which=f"--sensor {chosen.sensor}",
            remedy=f"use one of {', '.join(each.name for each in config.sensors)}",
        )
    is_file = chosen.picture is not None or chosen.clip is not None
    if is_file and len(found) > 1:
        raise ConfigError(
            what="a file is the picture of one camera",
            which=f"{chosen.config} has {len(found)}",
            remedy="say which with --sensor",
        )
    return tuple(found[:1] if chosen.layout == "picture" else found)


def _pictures(
    config: NodeConfig, sections: tuple[SensorSection, ...], chosen: argparse.Namespace
) -> tuple[dict[str, UInt8Image], str]:
    """The pictures by the camera's name, and words that say whence and when."""
    if chosen.picture is not None:
        return {sections[0].name: file_picture(chosen.picture, sections[0])}, chosen.picture.name
    if chosen.clip is not None:
        picture = clip_picture(chosen.clip, chosen.at, sections[0])
        return {sections[0].name: picture}, f"{chosen.clip.name} at {chosen.at:g} s"
    clock = SystemClock()
    pictures = {
        section.name: live_picture(
            section, clock=clock, heading_deg=config.node.heading_deg, patience_s=_PATIENCE_S
        )
        for section in sections
    }
    return pictures, reading_text(clock.read())


def _drawn(
    config: NodeConfig,
    choice: ViewChoice,
    pictures: Mapping[str, UInt8Image],
    chosen: argparse.Namespace,
    words: str,
) -> UInt8Image:
    rig = rig_from(config)
    width_px = chosen.width or _WIDTHS_PX[choice.layout]
    width_px = min(max(width_px, _LEAST_PX), _MOST_PX)
    # A camera's picture may be upright.
    size = Size(width_px, round(width_px * HEIGHT_SHARES.get(choice.layout, 4.0)))
    view = view_of(rig, [rig.sensor(name) for name in pictures], choice, size)
    masks = {each.name: mask_of(each) for each in config.sensors}
    drawn = draw_view(view, pictures, masks)
    overlay = Overlay(view, drawn.picture, drawn.hidden)
    if chosen.zones:
        for zone in config.zones:
            overlay.draw_outline(zone.name, zone_outline_m(zone))
        for line in config.lines:
            overlay.draw_outline(line.name, (line.from_m, line.to_m))
    if chosen.rings:
        overlay.draw_rings()
        overlay.draw_bearings()
        if choice.layout == "picture":
            overlay.draw_compass()
    if chosen.detect:
        for name in pictures:
            overlay.draw_boxes(_found(config, rig, name, pictures[name]))
    lines = [f"{config.node.site}/{config.node.name}  {words}  {words_of(choice)}"]
    return framed(view, overlay.finished(), lines)


def _found(config: NodeConfig, rig: Rig, name: str, picture: UInt8Image) -> list[Boxed]:
    """What a careful look at one picture finds, masks left out."""
    section = next(each for each in config.sensors if each.name == name)
    sensor, mask = rig.sensor(name), mask_of(section)
    detector = open_still_detector(
        rig,
        sensor,
        open_model_for(sensor, config.detect.model, config.paths.model_dir),
        labels=config.detect.labels,
        min_confidence=config.detect.min_confidence,
        threads=config.detect.threads,
        max_range_m=config.detect.max_range_m,
    )
    picture = blackened(picture, mask)
    boxed: list[Boxed] = []
    for found in outside(detector.look(picture, range(len(detector.tiles))), mask):
        if found.position is None or found.confidence < config.detect.min_confidence:
            continue
        bearing_deg, range_m = bearing_of(found.position), range_of(found.position)
        outline = np.asarray(found.outline_sensor_px, np.float64)
        text = found_words(found.label, found.confidence, bearing_deg, range_m)
        boxed.append(Boxed(name, outline, text))
    return boxed
