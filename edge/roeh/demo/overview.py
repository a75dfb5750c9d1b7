"""The demo's picture: tracks, zones and alerts of one run on the ground round the pole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from roeh.core.config import NodeConfig
from roeh.core.types import Alert, AlertPhase
from roeh.detect.tracklog import TrackLine
from roeh.media.frames import UInt8Image
from roeh.media.polar import PolarAlert, PolarTrack, PolarZone, draw_polar, zone_outline_m

#: A track of fewer points says nothing to somebody who looks.
_MIN_POINTS = 5
_MAX_RANGE_M = 40.0
_MARGIN = 1.1


def polar_picture(config: NodeConfig, track_log: Path, alerts: Sequence[Alert]) -> UInt8Image:
    """Draw a run.

    Args:
        config: gives the zones.
        track_log: what detection appended, see `DetectSection.track_log`.
        alerts: those that arrived.
    """
    tracks = _tracks(track_log)
    raised = [alert for alert in alerts if alert.phase is AlertPhase.RAISED]
    ranges = [alert.where.range_m for alert in raised]
    ranges += [(e * e + n * n) ** 0.5 for track in tracks for e, n in track.points_m]
    range_m = min(_MAX_RANGE_M, max(10.0, _MARGIN * _quantile(ranges, 0.95)))
    node = config.node
    return draw_polar(
        f"{node.site}/{node.name}   {len(tracks)} tracks   {len(raised)} alerts",
        range_m=range_m,
        tracks=tracks,
        zones=_zones(config, range_m),
        alerts=[
            PolarAlert(
                alert.rule, alert.where.east_m, alert.where.north_m, alert.where.range_sigma_m
            )
            for alert in raised
        ],
    )


def _tracks(track_log: Path) -> list[PolarTrack]:
    points: dict[int, list[tuple[float, float]]] = {}
    if track_log.is_file():
        with track_log.open("rb") as lines:
            for line in lines:
                track = msgspec.json.decode(line, type=TrackLine)
                # Where a track only coasts it is a guess, and no picture of anybody's way.
                if track.seen and track.label == "person":
                    points.setdefault(track.id, []).append((track.east_m, track.north_m))
    return [
        PolarTrack(id=track_id, points_m=tuple(places))
        for track_id, places in points.items()
        if len(places) >= _MIN_POINTS
    ]


def _zones(config: NodeConfig, range_m: float) -> list[PolarZone]:
    zones = [PolarZone(zone.name, zone_outline_m(zone, at_most_m=range_m)) for zone in config.zones]
    zones += [PolarZone(line.name, (line.from_m, line.to_m)) for line in config.lines]
    return zones


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0
