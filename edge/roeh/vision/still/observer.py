"""One camera's watch for things that came to stand: from pictures to `StillObject`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import cv2
import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S
from roeh.core.types import Frame, GroundPoint, Track
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.optics.rig import Rig, Sensor
from roeh.vision.scene import StillObject
from roeh.vision.still.backgrounds import Backgrounds, Float32Image, Mask
from roeh.vision.still.footing import Footing
from roeh.vision.still.pieces import Piece, PieceKind, pieces_of

#: The luma is at most this wide: a bag 15 m away is a few pixels of it.
LUMA_WIDTH_PX = 512
#: What stands still need not be looked at often.
_LOOK_S = 0.25
#: Evidence that makes a pixel stand, and how often a piece must then be judged a thing.
_STANDS_S = 3.0
_LOOKS_TO_BELIEVE = 4
#: More pieces than this are rain, leaves or a strange light: none of them is a thing.
_MANY_PIECES = 40
#: A piece is one known already if they share so much of the smaller.
_SAME_SHARE = 0.3
#: Trust in a known thing grows and falls with each look that judges it, as far as this.
_MOST_VOTES = 20
#: A thing is gone if for so long its place has looked otherwise, by so much of what told
#: it from the street; and hidden if less than this share of it can be seen.
_GONE_S = 3.0
_GONE_SHARE = 0.5
_GONE_LEAST_LEVELS = 4.0
_SEEN_SHARE = 0.5
_LOOKS_FOLLOW = 0.0125
#: Frames are remembered for an object's beginning, about one each second.
_REMEMBERED_FRAMES = 900
_REMEMBER_NS = NS_PER_S
#: Somebody unseen for so long does not hide anything any more.
_TRACK_UNSEEN_S = 3.0
#: Their box and what belongs to it: feet, wheels and the shadow beneath a car.
_BOX_GROWN = 1.15
_VEHICLE_BOX_GROWN = 1.4
_ROUND = np.ones((3, 3), np.uint8)
#: As much street round a thing is looked at with it.
_MARGIN_PX = 5

Window = tuple[slice, slice]


class _Known(msgspec.Struct):
    """A thing that stands, or may; mutable, private to the observer.

    Attributes:
        number: 0 until it is believed to be one.
        window: rows and columns of the luma round it.
        mask: its pixels in the window.
        looks: the fast background in the window when it was last seen, at the scale of the
            beginning.
        contrast: how much it differed from the street, mean levels at that scale.
        votes: in how many looks it was judged a thing, less those in which it was not.
        other_since_ns: since when its place has looked otherwise; None while it does not.
    """

    number: int
    window: Window
    mask: Mask
    looks: Float32Image
    contrast: float
    since: Frame
    position: GroundPoint
    outline: tuple[tuple[float, float], ...]
    confidence: float
    votes: int = 0
    other_since_ns: int | None = None


class StillObserver:
    """Finds what somebody left in one camera's pictures.

    Args:
        rig: whose camera it is.
        sensor: the camera.
        mask: (height, width) of the sensor's picture, true where nothing may be looked at.
    """

    def __init__(self, rig: Rig, sensor: Sensor, mask: Mask | None) -> None:
        self._sensor = sensor
        self._step_px = math.ceil(sensor.lens.width_px / LUMA_WIDTH_PX)
        size = (sensor.lens.height_px // self._step_px, sensor.lens.width_px // self._step_px)
        self._footing = Footing(rig, sensor, self._step_px, size)
        self._ground = self._footing.ground
        if mask is not None:
            at = slice(None, None, self._step_px)
            self._ground &= ~mask[at, at][: size[0], : size[1]]
        self._backgrounds: Backgrounds | None = None
        self._known: list[_Known] = []
        self._frames: deque[Frame] = deque(maxlen=_REMEMBERED_FRAMES)
        self._count = 0
        self._last_ns: int | None = None

    def update(
        self, frame: PixelFrame, tracks: Sequence[Track], *, settling: bool
    ) -> tuple[StillObject, ...]:
        """Look at a picture; what stands now, by its number.

        Args:
            frame: of this camera.
            tracks: live tracks of the pole: they hide things, and are none themselves.
            settling: the picture changed as a whole a moment ago.
        """
        now_ns = frame.info.t_mono_ns
        if self._last_ns is None or now_ns - self._last_ns >= _LOOK_S * NS_PER_S:
            self._last_ns = now_ns
            self._look(frame, tracks, settling=settling)
        return tuple(
            StillObject(
                number=known.number,
                sensor=self._sensor.name,
                position=known.position,
                outline_sensor_px=known.outline,
                since=known.since,
                confidence=known.confidence,
            )
            for known in self._known
            if known.number
        )

    def _look(self, frame: PixelFrame, tracks: Sequence[Track], *, settling: bool) -> None:
        now_ns = frame.info.t_mono_ns
        luma = frame.luma(self._step_px)
        if not self._frames or now_ns - self._frames[-1].t_mono_ns >= _REMEMBER_NS:
            self._frames.append(frame.info)
        if self._backgrounds is None or settling:
            self._backgrounds = Backgrounds(luma, now_ns)
            self._keep_known(self._backgrounds)
            return
        backgrounds = self._backgrounds
        busy = self._busy(tracks, luma.shape, now_ns)
        if backgrounds.update(luma, now_ns, busy=busy, held=self._held(luma.shape)):
            self._backgrounds = Backgrounds(luma, now_ns)
            self._keep_known(self._backgrounds)
            return
        stands = (backgrounds.evidence_s >= _STANDS_S) & self._ground & (busy == 0)
        pieces: list[Piece] = []
        if stands.any():
            pieces = pieces_of(stands, backgrounds.slow, backgrounds.fast, self._footing)
        if len(pieces) <= _MANY_PIECES:
            self._follow(pieces, backgrounds, busy)
        self._known = [
            known
            for known in self._known
            if not known.number or self._is_there(known, backgrounds, busy, now_ns)
        ]

    def _follow(self, pieces: list[Piece], backgrounds: Backgrounds, busy: UInt8Image) -> None:
        """Let each piece speak for or against what is known at its place."""
        spoken_for: set[int] = set()
        for piece in pieces:
            known = self._known_at(piece)
            if piece.kind is PieceKind.THING:
                renewed = self._renew(known, piece, backgrounds)
                if known is not None:
                    self._known.remove(known)
                if renewed is not None:
                    self._known.append(renewed)
                    spoken_for.add(id(renewed))
            elif known is not None:
                spoken_for.add(id(known))
                if not known.number or piece.kind in (PieceKind.GAP, PieceKind.LIGHT):
                    known.votes -= 1
        self._known = [
            known
            for known in self._known
            if known.votes >= 0
            and (known.number or id(known) in spoken_for or _is_hidden(known, busy))
        ]

    def _known_at(self, piece: Piece) -> _Known | None:
        for known in self._known:
            rows, columns = known.window
            inside = (piece.rows >= rows.start) & (piece.rows < rows.stop)
            inside &= (piece.columns >= columns.start) & (piece.columns < columns.stop)
            at = piece.rows[inside] - rows.start, piece.columns[inside] - columns.start
            smaller = min(len(piece.rows), int(np.count_nonzero(known.mask)))
            if np.count_nonzero(known.mask[at]) >= _SAME_SHARE * smaller:
                return known
        return None

    def _renew(self, known: _Known | None, piece: Piece, backgrounds: Backgrounds) -> _Known | None:
        """See a thing again, or for the first time, as it stands now."""
        position = None if piece.stand is None else self._footing.position(piece.stand)
        if position is None:
            return known
        window = _window(piece, backgrounds.slow.shape)
        fast, slow = backgrounds.fast[window], backgrounds.slow[window]
        mask = np.zeros(fast.shape, np.bool_)
        mask[piece.rows - window[0].start, piece.columns - window[1].start] = True
        votes = min(_MOST_VOTES, 1 if known is None else known.votes + 1)
        number = 0 if known is None else known.number
        if not number and votes >= _LOOKS_TO_BELIEVE:
            self._count += 1
            number = self._count
        return _Known(
            number=number,
            window=window,
            mask=mask,
            looks=fast / np.float32(backgrounds.scale),
            contrast=float(np.mean(cv2.absdiff(fast, slow)[mask])) / backgrounds.scale,
            since=self._frame_of(piece, backgrounds) if known is None else known.since,
            position=position,
            outline=self._outline(piece),
            confidence=max(piece.confidence, 0.0 if known is None else known.confidence),
            votes=votes,
        )

    def _is_there(
        self, known: _Known, backgrounds: Backgrounds, busy: UInt8Image, now_ns: int
    ) -> bool:
        """Whether a thing still stands where it did; what hides it leaves it there."""
        window = known.window
        fast, slow, busy = backgrounds.fast[window], backgrounds.slow[window], busy[window]
        seen = known.mask & (busy == 0) & (np.asarray(backgrounds.quiet)[window] > 0)
        if np.count_nonzero(seen) < _SEEN_SHARE * np.count_nonzero(known.mask):
            return True
        ring = ~known.mask & (busy == 0)
        light = 1.0
        if ring.any():
            # Of a shadow that falls on it and on the street round it.
            light = float(np.median((fast[ring] + 1) / (slow[ring] + 1)))
        expected = known.looks * np.float32(backgrounds.scale * light)
        other = float(np.mean(cv2.absdiff(fast, expected)[seen]))
        contrast = known.contrast * backgrounds.scale * light
        if other <= max(_GONE_LEAST_LEVELS, _GONE_SHARE * contrast):
            known.other_since_ns = None
            newer = fast / np.float32(backgrounds.scale)
            known.looks += np.float32(_LOOKS_FOLLOW) * (newer - known.looks)
            return True
        known.other_since_ns = known.other_since_ns or now_ns
        return now_ns - known.other_since_ns < _GONE_S * NS_PER_S

    def _keep_known(self, backgrounds: Backgrounds) -> None:
        """Begin anew with a picture in which, as far as anybody knows, things still stand."""
        self._known = [known for known in self._known if known.number]
        for known in self._known:
            known.looks = backgrounds.fast[known.window].copy()
            known.other_since_ns = None

    def _busy(self, tracks: Sequence[Track], shape: tuple[int, ...], now_ns: int) -> UInt8Image:
        """255 where tracks hide the street."""
        busy = np.zeros(shape, np.uint8)
        for track in tracks:
            is_old = now_ns - track.last_seen_mono_ns > _TRACK_UNSEEN_S * NS_PER_S
            if track.sensor != self._sensor.name or is_old:
                continue
            grown = _BOX_GROWN if track.label == "person" else _VEHICLE_BOX_GROWN
            corners = np.asarray(track.outline_sensor_px, np.float64) / self._step_px
            middle = corners.mean(axis=0)
            corners = middle + grown * (corners - middle)
            cv2.fillConvexPoly(busy, np.round(corners).astype(np.int32), 255)
        return busy

    def _held(self, shape: tuple[int, ...]) -> UInt8Image:
        held = np.zeros(shape, np.uint8)
        for known in self._known:
            held[known.window][cv2.dilate(known.mask.astype(np.uint8), _ROUND) > 0] = 255
        return held

    def _frame_of(self, piece: Piece, backgrounds: Backgrounds) -> Frame:
        """The remembered frame that is nearest to when most of a piece came to stand."""
        first_ns = backgrounds.first_ns[piece.rows, piece.columns]
        began_ns = int(np.median(first_ns[first_ns > 0]))
        return min(self._frames, key=lambda frame: abs(frame.t_mono_ns - began_ns))

    def _outline(self, piece: Piece) -> tuple[tuple[float, float], ...]:
        points = np.column_stack([piece.columns, piece.rows]).astype(np.float32)
        corners = cv2.boxPoints(cv2.minAreaRect(points)).astype(np.float64)
        return tuple((float(x), float(y)) for x, y in self._footing.sensor_px(corners))


def _window(piece: Piece, shape: tuple[int, ...]) -> Window:
    """The rows and columns of a piece and its surroundings."""
    return (
        slice(
            max(0, int(piece.rows.min()) - _MARGIN_PX),
            min(shape[0], int(piece.rows.max()) + _MARGIN_PX + 1),
        ),
        slice(
            max(0, int(piece.columns.min()) - _MARGIN_PX),
            min(shape[1], int(piece.columns.max()) + _MARGIN_PX + 1),
        ),
    )


def _is_hidden(known: _Known, busy: UInt8Image) -> bool:
    hidden = busy[known.window][known.mask]
    return bool(np.count_nonzero(hidden) > (1 - _SEEN_SHARE) * len(hidden))
