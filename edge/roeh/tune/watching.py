"""The long part: footage looked at once, as detection would, and what it saw kept as scenes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.config import NodeConfig
from roeh.sources.pace import OfferPace
from roeh.tune.footage import Footage, Moment
from roeh.tune.scene_file import SceneFile, Stand
from roeh.vision.pipeline import Pipeline
from roeh.vision.scene import Scene

#: After an interruption pictures from so long before are looked at again, so that what is
#: learned from pictures (what moves, what stands) is learned before it counts.
_LEARNED_AGAIN_NS = 30 * NS_PER_S

OnProgress = Callable[[int], None]
"""Told the UTC (us) of each picture that was looked at."""


def watch(
    footage: Footage,
    config: NodeConfig,
    scenes: SceneFile,
    stop: threading.Event,
    on_progress: OnProgress,
) -> bool:
    """Look at all of it, or go on where scenes end; whether it came to the end.

    Args:
        footage: gone through in order; each boot is looked at afresh.
        config: the node, with the rules of all that is to be tried on it.
        scenes: where they are kept.
        stop: ends it early; the next call goes on.
        on_progress: called with every picture looked at.

    Raises:
        ModelMissing, ModelRefused, RuntimeMissing: nothing can be detected.
        LensError: pictures of another shape than the lens's.
        OutputRefused: scenes cannot be kept.
    """
    stand = scenes.resume()
    since = None
    if stand is not None:
        since = Moment(stand.boot_id, max(0, stand.t_mono_ns - _LEARNED_AGAIN_NS))
    pipeline: Pipeline | None = None
    paces: dict[str, OfferPace] = {}
    boot_id = ""
    for frame in footage.frames(stop, since=since):
        info = frame.info
        if info.boot_id != boot_id or pipeline is None:
            boot_id = info.boot_id
            pipeline = Pipeline(config)
            paces = {}
        pace = paces.setdefault(info.camera_id, OfferPace(config.detect.fps))
        if not pace.wants(info.t_mono_ns):
            continue
        scene = pipeline.analyse(frame.read()).scene
        on_progress(info.t_utc_ns // NS_PER_US)
        if scene is None:
            continue
        if stand is not None and scene.frame.boot_id == stand.boot_id:
            if scene.frame.t_mono_ns <= stand.t_mono_ns:
                continue
            scene = _with_new_ids(scene, stand)
        scenes.append(scene)
    return not stop.is_set()


def _with_new_ids(scene: Scene, stand: Stand) -> Scene:
    """Tracks and objects counted on from those before the interruption."""
    by = stand.last_track_id
    return msgspec.structs.replace(
        scene,
        tracks=tuple(msgspec.structs.replace(one, id=one.id + by) for one in scene.tracks),
        agitation=tuple(
            msgspec.structs.replace(one, track_id=one.track_id + by) for one in scene.agitation
        ),
        still_objects=tuple(
            msgspec.structs.replace(one, number=one.number + stand.last_object)
            for one in scene.still_objects
        ),
    )
