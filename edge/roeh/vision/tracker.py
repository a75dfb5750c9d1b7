"""Detections into tracks, on the ground plane in metres, where no 0/360 seam exists.

Each look of a sensor: predict every track, drop doubles among the detections, pair
confident detections with tracks at the greatest joint likelihood, let confirmed tracks
that went without take a faint one, start a track at every confident detection left over.
What one sensor sees of whom another follows continues the track (`kalman`). Why it is our
own: edge/design/adr/0003-own-tracker.md; how it behaves: edge/design/tracking.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.core.clock import NS_PER_S
from roeh.core.types import Box, Covariance, Detection, Track
from roeh.vision.assignment import pair_up
from roeh.vision.duplicates import keep_best, same_thing
from roeh.vision.kalman import Fixes, TrackFilter
from roeh.vision.mobility import mobility_of
from roeh.vision.track_history import SHOWN_NS, History, as_track

Array = NDArray[np.float64]

# Of nobody the place is known better, each way: a covariance must have an inverse.
_POSITION_FLOOR_M2 = 0.01**2 * np.eye(2)
_REACH_M = 1.0
# A speed not known yet may take a track so far and no farther, however long unseen.
_DASH_SIGMAS, _DASH_S = 2.5, 0.5
_OTHER_LABEL_COST = 2.0
# How much less well a rival may explain a detection and still put it in doubt.
_RIVAL_MARGIN = 6.0


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """When a track starts, counts and ends.

    Attributes:
        start_confidence: a fainter detection may continue a track and never start one.
        confirm_hits: a track is confirmed once seen in so many ...
        confirm_looks: ... of its first looks, or dropped when that cannot be any more.
        coast_s: a confirmed track unseen for longer ends.
        gate: squared Mahalanobis distance a detection may lie from a track; 13.8 lets
            through all but one in a thousand of the right ones.
        merge_within_m: detections closer than this are one object.
        merge_agreement: squared Mahalanobis distance within which two overlapping boxes
            far away are one object; 18.4 keeps all but one in ten thousand together.
        merge_never_beyond_m: however vague, detections farther apart are two objects.
        merge_cover: least share of the smaller box that the larger covers then.
        contested_doubt: factor on the variance of a detection that another confirmed track,
            left without one, could have taken as well: where two people pass and only one
            is seen, neither track is torn off its course.
    """

    start_confidence: float = 0.4
    confirm_hits: int = 3
    confirm_looks: int = 5
    coast_s: float = 3.0
    gate: float = 13.8
    merge_within_m: float = 0.35
    merge_agreement: float = 18.4
    merge_never_beyond_m: float = 2.0
    merge_cover: float = 0.6
    contested_doubt: float = 100.0


@dataclass(frozen=True, slots=True)
class _Sightings:
    """Detections of one sensor's look as arrays, best first, doubles dropped."""

    detections: tuple[Detection, ...]
    fixes: Fixes
    family: tuple[str, ...]
    label: tuple[str, ...]
    confident: NDArray[np.bool_]


class Tracker:
    """Follows objects over looks at any, even irregular, rate.

    Ids count up from 1. The same detections give the same tracks and ids, in whatever
    order each look's detections come.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._settings = settings or TrackerSettings()
        self._next_id = 1
        self._t_mono_ns: int | None = None
        self._histories: list[History] = []
        self._filter = TrackFilter()

    def update(
        self,
        detections: Sequence[Detection],
        t_mono_ns: int,
        *,
        sensor: str | None = None,
        not_looked_at: Collection[int] = (),
    ) -> tuple[Track, ...]:
        """Take what one picture showed, and tell where everything is now.

        Args:
            detections: of one picture; those without a position are passed over, since
                nobody knows where they are. Of pictures taken at the same moment by
                several sensors they may come together.
            t_mono_ns: when the picture was taken. One that is older than the last (of
                sensors that take turns) tells where things were then.
            sensor: whose picture it is, if it is one sensor's: of a track that it never
                saw it need not have seen anything now.
            not_looked_at: ids of tracks on ground that nobody looked at this time, so
                that not seeing them means nothing.

        Returns:
            All live tracks by id: tentative and confirmed, seen and coasting.
        """
        now_ns = self._advance(t_mono_ns)
        if not self._histories and not detections:
            return ()
        for history in self._histories:
            history.seen = False
        late_s = (now_ns - t_mono_ns) / NS_PER_S
        for name in sorted({detection.sensor for detection in detections}):
            own = [detection for detection in detections if detection.sensor == name]
            sightings = self._sightings(name, own, late_s)
            fresh = self._associate(sightings, now_ns, not_looked_at)
            self._start(sightings, fresh, now_ns)
        for history in self._histories:
            may_see = sensor is None or sensor in history.glimpses
            if may_see and not history.seen and history.id not in not_looked_at:
                history.looks += 1
        self._settle()
        return self._tracks(now_ns)

    def _advance(self, t_mono_ns: int) -> int:
        """Predict to the time of the picture and end what was not seen for too long."""
        last_ns = t_mono_ns if self._t_mono_ns is None else self._t_mono_ns
        now_ns = self._t_mono_ns = max(t_mono_ns, last_ns)
        coast_ns = round(self._settings.coast_s * NS_PER_S)
        self._keep([now_ns - history.last_seen_mono_ns <= coast_ns for history in self._histories])
        self._filter.predict((now_ns - last_ns) / NS_PER_S)
        return now_ns

    def _sightings(self, sensor: str, detections: Sequence[Detection], late_s: float) -> _Sightings:
        """The detections that count, in an order of their own, each object once."""
        # The order must depend on neither the input's order nor on where north is.
        ordered = sorted(
            (detection for detection in detections if detection.position is not None),
            key=_by_merit,
        )
        fixes = _fixes_of(sensor, ordered, late_s)
        kept = list(range(len(ordered)))
        if len(ordered) > 1:
            kept = self._without_doubles(ordered, fixes)
        chosen = tuple(ordered[row] for row in kept)
        return _Sightings(
            detections=chosen,
            fixes=fixes.only(np.array(kept, np.intp)),
            family=tuple(mobility_of(detection.label).family for detection in chosen),
            label=tuple(detection.label for detection in chosen),
            confident=np.array(
                [d.confidence >= self._settings.start_confidence for d in chosen], np.bool_
            ),
        )

    def _without_doubles(self, ordered: Sequence[Detection], fixes: Fixes) -> list[int]:
        settings = self._settings
        boxes = [detection.box_sensor_px for detection in ordered]
        same = same_thing(
            fixes.place_m,
            fixes.jitter_m2,
            np.array([(box.x0_px, box.y0_px, box.x1_px, box.y1_px) for box in boxes]),
            _equal_pairs([mobility_of(detection.label).family for detection in ordered]),
            within_m=settings.merge_within_m,
            agreement=settings.merge_agreement,
            never_beyond_m=settings.merge_never_beyond_m,
            min_cover=settings.merge_cover,
        )
        return keep_best(same)

    def _associate(
        self, sightings: _Sightings, now_ns: int, not_looked_at: Collection[int]
    ) -> list[int]:
        """Give detections to tracks; returns the confident detections left over."""
        confident = np.flatnonzero(sightings.confident)
        if not self._histories or not sightings.detections:
            return [int(row) for row in confident]
        reward = self._rewards(sightings, now_ns)
        strong = np.where(sightings.confident[None], reward, 0.0)
        rows, columns = pair_up(strong)
        if not sightings.confident.all():
            # A faint detection is enough to go on with, if the track was sure before.
            sure = np.array([history.confirmed for history in self._histories])
            sure[rows] = False
            faint = np.where(sure[:, None] & ~sightings.confident[None], reward, 0.0)
            more_rows, more_columns = pair_up(faint)
            rows, columns = np.append(rows, more_rows), np.append(columns, more_columns)
        # Whom this sensor does not show was not passed over for somebody else.
        left = np.array([h.confirmed and h.id not in not_looked_at for h in self._histories])
        left[rows] = False
        claims = reward[left][:, columns]
        rivals = (claims > 0) & (claims >= reward[rows, columns] - _RIVAL_MARGIN)
        contested = rivals.any(axis=0)
        doubt = np.where(contested, self._settings.contested_doubt, 1.0)
        self._filter.correct(rows, sightings.fixes.only(columns), doubt)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            self._histories[row].see(sightings.detections[column], now_ns)
        taken = set(columns.tolist())
        return [row for row in confident.tolist() if row not in taken]

    def _rewards(self, sightings: _Sightings, now_ns: int) -> Array:
        """How well every track explains every detection (n, m); 0 where it cannot at all.

        The log determinant makes a track that has coasted, and so could be anywhere,
        stand back behind one that was seen just now.
        """
        squared, log_determinant = self._filter.distances(sightings.fixes)
        labels = [history.label for history in self._histories]
        families = [mobility_of(label).family for label in labels]
        alike = np.array(families)[:, None] == np.array(sightings.family)[None]
        named_otherwise = np.array(labels)[:, None] != np.array(sightings.label)[None]
        possible = alike & (squared <= self._settings.gate) & self._within_reach(sightings, now_ns)
        if not possible.any():
            return np.zeros_like(squared)
        vaguest = float(log_determinant[possible].max())
        reward = self._settings.gate - squared + vaguest - log_determinant
        reward += _OTHER_LABEL_COST * (1.0 - named_otherwise)
        rewards: Array = np.where(possible, reward + 1e-6, 0.0)
        return rewards

    def _within_reach(self, sightings: _Sightings, now_ns: int) -> NDArray[np.bool_]:
        """Whether each track may have got to each detection (n, m).

        A track of few looks hardly knows its speed: unseen for seconds it could be
        anywhere, as far as its covariance goes, and would jump across the square to
        whoever turns up there.
        """
        unseen_s = (
            np.array([now_ns - history.last_seen_mono_ns for history in self._histories]) / NS_PER_S
        )
        stray = np.array([mobility_of(history.label).stray_mps for history in self._histories])
        velocity_m2ps2 = self._filter.covariance[:, 2:, 2:]
        speed_sigma = np.sqrt((velocity_m2ps2[:, 0, 0] + velocity_m2ps2[:, 1, 1]) / 2)
        dash_m = _DASH_SIGMAS * speed_sigma * np.minimum(unseen_s, _DASH_S)
        fixes = sightings.fixes
        jitter_m2 = np.trace(fixes.jitter_m2, axis1=1, axis2=2)[None]
        # Between two sensors both are off, each in its own way.
        apart_m2 = 2 * np.trace(fixes.lasting_m2, axis1=1, axis2=2)[None]
        others = np.array([history.last.sensor != fixes.sensor for history in self._histories])
        off_m = 3.0 * np.sqrt(jitter_m2 + np.where(others[:, None], apart_m2, 0.0))
        gap = self._filter.gaps(fixes)
        reach_m = _REACH_M + (stray * unseen_s + dash_m)[:, None] + off_m
        within: NDArray[np.bool_] = np.hypot(gap[..., 0], gap[..., 1]) <= reach_m
        return within

    def _settle(self) -> None:
        """Confirm what was seen often enough, drop what cannot be any more."""
        settings = self._settings
        may_miss = settings.confirm_looks - settings.confirm_hits
        for history in self._histories:
            history.confirmed |= history.hits >= settings.confirm_hits
        self._keep(
            [
                history.confirmed or history.looks - history.hits <= may_miss
                for history in self._histories
            ]
        )

    def _start(self, sightings: _Sightings, rows: list[int], now_ns: int) -> None:
        """A new track at each of these detections."""
        if not rows:
            return
        mobilities = [mobility_of(sightings.detections[row].label) for row in rows]
        self._filter.start(
            sightings.fixes.only(np.array(rows, np.intp)),
            np.array([mobility.density_m2ps3 for mobility in mobilities]),
            np.array([mobility.speed_sigma_mps for mobility in mobilities]),
        )
        for row in rows:
            detection = sightings.detections[row]
            history = History(
                id=self._next_id,
                first_seen_mono_ns=now_ns,
                last=detection,
                last_seen_mono_ns=now_ns,
                confidence=detection.confidence,
                confirmed=self._settings.confirm_hits <= 1,
            )
            history.note(detection, now_ns)
            history.vote(detection)
            self._histories.append(history)
            self._next_id += 1

    def _keep(self, wanted: list[bool]) -> None:
        if all(wanted):
            return
        self._histories = [h for h, keep in zip(self._histories, wanted, strict=True) if keep]
        self._filter.keep(np.array(wanted, np.bool_))

    def _tracks(self, now_ns: int) -> tuple[Track, ...]:
        """The tracks as others see them."""
        if not self._histories:
            return ()
        state, covariance = self._filter.state, self._filter.covariance
        since_ns = now_ns - SHOWN_NS
        in_view = np.array([h.last_seen_mono_ns >= since_ns for h in self._histories])
        position_m2 = self._filter.place_covariance_m2(in_view).tolist()
        speed_sigma = _speed_sigma(state[:, 2:], covariance[:, 2:, 2:]).tolist()
        return tuple(
            as_track(history, row, spread, sigma, now_ns)
            for history, row, spread, sigma in zip(
                self._histories, state.tolist(), position_m2, speed_sigma, strict=True
            )
        )


def _speed_sigma(velocity: Array, covariance: Array) -> Array:
    """Sigma of the speed (n,): along the motion; along the worst axis for what stands."""
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    a, b, c = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
    worst = (a + c) / 2 + np.hypot((a - c) / 2, b)
    moving = speed > 1e-6
    east, north = (velocity / np.where(moving, speed, 1.0)[:, None]).T
    along = east * east * a + 2 * east * north * b + north * north * c
    sigma: Array = np.sqrt(np.where(moving, along, worst))
    return sigma


def _by_merit(detection: Detection) -> tuple[float, str, float, float, float, float, str]:
    box: Box = detection.box_sensor_px
    return (
        -detection.confidence,
        detection.sensor,
        box.x0_px,
        box.y0_px,
        box.x1_px,
        box.y1_px,
        detection.label,
    )


def _fixes_of(sensor: str, detections: Sequence[Detection], late_s: float) -> Fixes:
    """The places of detections, each with one."""
    places = [d.position for d in detections if d.position is not None]
    total = np.array([_entries(p.covariance) for p in places]).reshape(-1, 2, 2)
    # Where nobody told the parts apart all of it is new each time.
    jitter = np.array(
        [_entries(d.jitter or p.covariance) for d, p in zip(detections, places, strict=True)]
    ).reshape(-1, 2, 2)
    return Fixes(
        sensor=sensor,
        place_m=np.array([(p.east_m, p.north_m) for p in places]).reshape(-1, 2),
        jitter_m2=jitter + _POSITION_FLOOR_M2,
        lasting_m2=total - jitter,
        late_s=late_s,
    )


def _entries(covariance: Covariance) -> tuple[float, float, float, float]:
    """Row by row."""
    off = covariance.east_north_m2
    return covariance.east_east_m2, off, off, covariance.north_north_m2


def _equal_pairs(names: Sequence[str]) -> NDArray[np.bool_]:
    """Which pairs (n, n) of names are equal."""
    column = np.array(names)
    equal: NDArray[np.bool_] = column[:, None] == column[None]
    return equal
