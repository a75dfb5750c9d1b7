"""Confirmed tracks as lines of JSON: for replay, for a picture of the demo, for a rig."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

import msgspec

from roeh.core.clock import NS_PER_US
from roeh.core.types import Track


class TrackLine(msgspec.Struct, frozen=True):
    """One track at one time; lengths rounded to millimetres, angles to hundredths."""

    t_mono_us: int
    id: int
    label: str
    confidence: float
    east_m: float
    north_m: float
    bearing_deg: float
    range_m: float
    speed_mps: float
    dwell_s: float
    seen: bool
    sensor: str
    box_sensor_px: tuple[float, float, float, float]


def write_tracks(tracks: Sequence[Track], out: TextIO) -> None:
    """Append one line for each confirmed track."""
    for track in tracks:
        if track.confirmed:
            out.write(msgspec.json.encode(_line(track)).decode() + "\n")


def _line(track: Track) -> TrackLine:
    box = track.box_sensor_px
    speed_mps = (track.velocity_east_mps**2 + track.velocity_north_mps**2) ** 0.5
    return TrackLine(
        t_mono_us=track.t_mono_ns // NS_PER_US,
        id=track.id,
        label=track.label,
        confidence=round(track.confidence, 3),
        east_m=round(track.position.east_m, 3),
        north_m=round(track.position.north_m, 3),
        bearing_deg=round(track.bearing_deg, 2),
        range_m=round(track.range_m, 3),
        speed_mps=round(speed_mps, 2),
        dwell_s=round(track.dwell_s, 2),
        seen=track.seen,
        sensor=track.sensor,
        box_sensor_px=(
            round(box.x0_px, 1),
            round(box.y0_px, 1),
            round(box.x1_px, 1),
            round(box.y1_px, 1),
        ),
    )
