"""Where one camera's picture is worth the network: motion and tracks to tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.types import Track
from roeh.media.frames import PixelFrame
from roeh.optics.ground import GroundPlane
from roeh.optics.remap import pixel_grid
from roeh.optics.rig import Rig, Sensor
from roeh.optics.tiles import Tile
from roeh.vision.motion import LUMA_WIDTH_PX, MotionDetector
from roeh.vision.schedule import TileScheduler
from roeh.vision.stages import StageTimes

#: A person's middle is sought in a tile at this height above the ground.
_BODY_M = 0.9
_NO_TILE = -1
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
        self._scheduler = TileScheduler(len(tiles), max_tiles=max_tiles, sweep_s=sweep_s)
        self._stages = stages

    def choose(self, frame: PixelFrame, tracks: Sequence[Track]) -> Look:
        """The tiles that this picture is worth looking at through."""
        t_mono_ns = frame.info.t_mono_ns
        with self._stages.stage("motion"):
            motion = self._motion.update(frame.luma(self._step_px), t_mono_ns, frame.info.light)
            moving = {
                self._tile_of(region.center_x_px, region.center_y_px) for region in motion.regions
            }
            where = self._tracked_tiles(tracks)
            tracked = {where[track.id] for track in tracks if _may_surprise(track)}
            chosen = self._scheduler.choose(moving, tracked, t_mono_ns)
        unseen = frozenset(track_id for track_id, tile in where.items() if tile not in chosen)
        return Look(tiles=chosen, unseen_track_ids=unseen, settling=motion.settling)

    def _tracked_tiles(self, tracks: Sequence[Track]) -> dict[int, int]:
        """The tile in which each live track is best seen, or none that shows it."""
        if not tracks:
            return {}
        places = np.asarray([(t.position.east_m, t.position.north_m) for t in tracks])
        pixels = self._plane.pixels_of(places, up_m=_BODY_M) / self._step_px
        return {
            track.id: self._tile_of(float(x), float(y))
            for track, (x, y) in zip(tracks, pixels, strict=True)
        }

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
