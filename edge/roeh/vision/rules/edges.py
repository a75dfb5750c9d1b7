"""Who is near an edge at which a rule decides: of a zone, or a line."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from roeh.core.config import LineCrossingRule, NodeConfig
from roeh.core.types import Track
from roeh.vision.rules.geometry import Area, area_of, sigma_m

#: Near is what can be reached in this time at the track's speed ...
_REACH_S = 1.0
#: ... and beyond it what the position may be off, and a step.
_SIGMAS = 2.0
_STEP_M = 0.5


class RuleEdges:
    """The edges of all zones and lines that rules name."""

    def __init__(self, config: NodeConfig) -> None:
        named = {getattr(rule, "zone", "") for rule in config.rules}
        self._areas = [area_of(zone) for zone in config.zones if zone.name in named]
        crossed = {rule.line for rule in config.rules if isinstance(rule, LineCrossingRule)}
        # A line is an area of no width: inside is nowhere, the nearest edge is the line.
        self._areas += [
            Area([line.from_m, line.to_m, line.from_m])
            for line in config.lines
            if line.name in crossed
        ]

    def near(self, tracks: Sequence[Track]) -> frozenset[int]:
        """Ids of the tracks that may come over an edge within a second, or just did."""
        if not tracks or not self._areas:
            return frozenset()
        places = np.asarray([(t.position.east_m, t.position.north_m) for t in tracks])
        reach_m = np.asarray(
            [
                _STEP_M
                + _REACH_S * math.hypot(track.velocity_east_mps, track.velocity_north_mps)
                + _SIGMAS * sigma_m(track.position)
                for track in tracks
            ]
        )
        near = np.zeros(len(tracks), np.bool_)
        for area in self._areas:
            near |= np.abs(area.depths_m(places)) <= reach_m
        return frozenset(track.id for track, is_near in zip(tracks, near, strict=True) if is_near)
