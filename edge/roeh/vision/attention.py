"""Where one camera's picture is worth the network: motion and tracks to tiles."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.types import Track
from roeh.media.frames import PixelFrame
from roeh.optics.ground import GroundPlane
from roeh.optics.remap import pixel_grid
from roeh.optics.rig import Rig, Sensor
from roeh.optics.tiles import Tile
from roeh.vision.budget import PREDICTABLE_EVERY_S
from roeh.vision.motion import LUMA_WIDTH_PX, Motion, MotionDetector
from roeh.vision.predictable import Predictability
from roeh.vision.schedule import TileScheduler
from roeh.vision.stages import StageTimes

Array = npt.NDArray[np.float64]

#: A person's middle is sought in a tile at this height above the ground.
_BODY_M = 0.9
_NO_TILE = -1
#: Motion so near to a body's axis, in parts of its length and in luma pixels, is its own.
_BODY_REACH = 0.5
_BODY_REACH_PX = 3.0
#: Slower than this, or than its own uncertainty, a track stands still.
_STANDING_MPS = 0.3
_SPEED_SIGMAS = 2.0


class Look(msgspec.Struct, frozen=True):
    """What is to be looked at in one picture.

    Attributes:
        tiles: indices of tiles, ascending.
        unseen_track_ids: live tracks on ground that none of these tiles shows, whose
            absence from the detections means nothing.
        settling: the picture changed as a whole a moment ago.
    """

    tiles: tuple[int, ...]
    unseen_track_ids: frozenset[int]
    settling: bool


class Attention:
    """Motion, live tracks and the sweep of one camera."""

    def __init__(
        self,
        rig: Rig,
        sensor: Sensor,
        tiles: Sequence[Tile],
        *,
        max_tiles: int,
        sweep_s: float,
        mask: npt.NDArray[np.bool_] | None,
        stages: StageTimes,
    ) -> None:
        self._plane = GroundPlane(rig, sensor)
        self._step_px = max(1, sensor.lens.width_px // LUMA_WIDTH_PX)
        self._tile_at = _best_tiles(sensor, tiles, self._step_px)
        if mask is not None:
            height, width = self._tile_at.shape
            at = slice(None, None, self._step_px)
            self._tile_at[mask[at, at][:height, :width]] = _NO_TILE
        self._motion = MotionDetector()
        self._scheduler = TileScheduler(
            len(tiles),
            max_tiles=max_tiles,
            sweep_s=sweep_s,
            predictable_every_s=PREDICTABLE_EVERY_S,
        )
        self._predictability = Predictability()
        self._stages = stages

    def allow(self, *, max_tiles: int, predictable_every_s: float) -> None:
        """Look at more or fewer tiles from now on, and at predictable tracks more rarely."""
        self._scheduler.allow(max_tiles=max_tiles, predictable_every_s=predictable_every_s)

    def choose(
        self, frame: PixelFrame, tracks: Sequence[Track], watched: Collection[int] = ()
    ) -> Look:
        """The tiles that this picture is worth looking at through.

        Args:
            frame: of this camera.
            tracks: all live ones of the pole, as of the last picture.
            watched: ids of tracks that are to be looked at in every picture.
        """
        t_mono_ns = frame.info.t_mono_ns
        with self._stages.stage("motion"):
            motion = self._motion.update(frame.luma(self._step_px), t_mono_ns, frame.info.light)
            walking = [track for track in tracks if _may_surprise(track)]
            foretold = self._predictability.judge(tracks).difference(watched)
            feet, middles, heads = self._bodies(tracks)
            where = {
                track.id: self._tile_of(x, y)
                for track, (x, y) in zip(tracks, middles.tolist(), strict=True)
            }
            # Who stands is not expected to move at all.
            expected = np.asarray(
                [track.id in foretold and _may_surprise(track) for track in tracks], np.bool_
            )
            moving = self._moving_tiles(motion, feet[expected], heads[expected])
            chosen = self._scheduler.choose(
                moving,
                {where[track.id] for track in walking if track.id not in foretold},
                t_mono_ns,
                predictable={where[track.id] for track in walking if track.id in foretold},
            )
        unseen = frozenset(track_id for track_id, tile in where.items() if tile not in chosen)
        self._predictability.looked_at(where.keys() - unseen, t_mono_ns)
        return Look(tiles=chosen, unseen_track_ids=unseen, settling=motion.settling)

    def _bodies(self, tracks: Sequence[Track]) -> tuple[Array, Array, Array]:
        """Foot, middle and head of a body at each track, luma pixels (n, 2); NaN: not shown."""
        if not tracks:
            nothing = np.zeros((0, 2))
            return nothing, nothing, nothing
        places = np.asarray([(t.position.east_m, t.position.north_m) for t in tracks])
        up_m = np.repeat([0.0, _BODY_M, 2 * _BODY_M], len(tracks))
        pixels = self._plane.pixels_of(np.tile(places, (3, 1)), up_m=up_m) / self._step_px
        feet, middles, heads = pixels.reshape(3, -1, 2)
        return feet, middles, heads

    def _moving_tiles(self, motion: Motion, feet_px: Array, heads_px: Array) -> set[int]:
        """Tiles with motion that is not of a body between one of those feet and its head."""
        if not motion.regions:
            return set()
        centers = np.asarray([(one.center_x_px, one.center_y_px) for one in motion.regions])
        fresh = np.ones(len(centers), np.bool_)
        if len(feet_px):
            body = heads_px - feet_px
            length2 = np.maximum(np.einsum("ni,ni->n", body, body), 1e-9)
            gap = centers[:, None] - feet_px
            along = np.clip(np.einsum("mni,ni->mn", gap, body) / length2, 0.0, 1.0)
            beside = gap - along[..., None] * body
            reach2 = (_BODY_REACH * np.sqrt(length2) + _BODY_REACH_PX) ** 2
            # NaN, of a body that is not shown whole, accounts for nothing.
            fresh = ~(np.einsum("mni,mni->mn", beside, beside) <= reach2).any(axis=1)
        return {self._tile_of(x, y) for x, y in centers[fresh].tolist()}

    def _tile_of(self, x_px: float, y_px: float) -> int:
        height, width = self._tile_at.shape
        # NaN compares false: what the lens does not show is in no tile.
        if 0 <= x_px < width and 0 <= y_px < height:
            return int(self._tile_at[int(y_px), int(x_px)])
        return _NO_TILE


def _may_surprise(track: Track) -> bool:
    """Whether a track has to be looked at in every picture.

    What is known and stands still is looked at with the sweep: when it moves, motion
    says so. A parked car would otherwise keep the network busy all night.
    """
    speed_mps = math.hypot(track.velocity_east_mps, track.velocity_north_mps)
    return not track.confirmed or speed_mps > max(
        _STANDING_MPS, _SPEED_SIGMAS * track.speed_sigma_mps
    )


def _best_tiles(sensor: Sensor, tiles: Sequence[Tile], step_px: int) -> npt.NDArray[np.int16]:
    """For every luma pixel the tile in which it lies most in the middle; -1 for none."""
    width = sensor.lens.width_px // step_px
    height = sensor.lens.height_px // step_px
    pixels = pixel_grid(width, height) * step_px
    inside_lens = sensor.lens.inside(pixels)
    best = np.full(len(pixels), _NO_TILE, np.int16)
    best_offset = np.full(len(pixels), np.inf)
    for index, tile in enumerate(tiles):
        points = tile.from_source_px(pixels)
        half = np.asarray([tile.width_px, tile.height_px]) / 2
        # 0 in the middle of the tile, 1 at its nearest edge.
        offset = np.max(np.abs(points - half) / half, axis=1)
        nearer = (np.nan_to_num(offset, nan=np.inf) < best_offset) & inside_lens
        nearer &= np.nan_to_num(offset, nan=np.inf) <= 1.0
        best[nearer], best_offset[nearer] = index, offset[nearer]
    return best.reshape(height, width)
