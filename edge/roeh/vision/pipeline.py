"""From a picture to findings: what the detect process and replay both do. No IO, no clock."""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import NodeConfig, SensorSection, with_camera_rules
from roeh.core.types import Detection, Frame, Track
from roeh.media.frames import PixelFrame
from roeh.media.masks import mask_of, outside
from roeh.optics.configured import rig_from
from roeh.vision.attention import Attention
from roeh.vision.budget import Allowance
from roeh.vision.detector import SensorDetector
from roeh.vision.manifest import VerifiedModel
from roeh.vision.named_ground import named_ground
from roeh.vision.observers import Observed, Observers
from roeh.vision.open import open_detector, open_model_for
from roeh.vision.rules import Finding, RuleEngine
from roeh.vision.rules.edges import RuleEdges
from roeh.vision.scene import Scene, SoundLevel
from roeh.vision.stages import StageTimes
from roeh.vision.tracker import Tracker, TrackerSettings

#: A detection this much fainter than asked for may still continue a track.
_FAINT_SHARE = 0.6
#: Rules wait at most so long for a camera that said last that its picture settles.
_FREEZE_S = 3.0


class Analysis(msgspec.Struct, frozen=True):
    """What one picture said.

    Attributes:
        detections: found in this picture.
        tracks: all live tracks of the pole, by id.
        findings: what the rules raised, updated or cleared now.
        tiles: how many tiles the network looked at.
        scene: what the rules judged; None while they wait for the light to settle.
    """

    detections: tuple[Detection, ...]
    tracks: tuple[Track, ...]
    findings: tuple[Finding, ...]
    tiles: int
    scene: Scene | None


class Pipeline:
    """All cameras of a pole: one world in metres, one set of tracks and rules."""

    def __init__(self, config: NodeConfig) -> None:
        self.stages = StageTimes()
        self.rig = rig_from(config)
        self._config = config = with_camera_rules(config)
        self._tracker = Tracker(TrackerSettings(start_confidence=config.detect.min_confidence))
        self.rules = RuleEngine(config)
        self._edges = RuleEdges(config)
        self._tracks: tuple[Track, ...] = ()
        self._newest_ns = 0
        self._detectors: dict[str, SensorDetector] = {}
        self._attention: dict[str, Attention] = {}
        self._observers: dict[str, Observers] = {}
        self._settling_until_ns: dict[str, int] = {}
        self._masks = {section.name: mask_of(section) for section in config.sensors}
        self.models: dict[str, VerifiedModel] = {}
        for section in config.sensors:
            self._open(section)

    def analyse(self, frame: PixelFrame) -> Analysis:
        """Look at one picture of one camera; pictures come in the order of their times."""
        name = frame.info.camera_id
        look = self._attention[name].choose(frame, self._tracks, self._edges.near(self._tracks))
        detections: list[Detection] = []
        if look.tiles:
            with self.stages.stage("convert"):
                picture = frame.bgr()
            detections = outside(self._detectors[name].look(picture, look.tiles), self._masks[name])
        with self.stages.stage("track"):
            self._tracks = self._tracker.update(
                detections,
                frame.info.t_mono_ns,
                sensor=name,
                not_looked_at=look.unseen_track_ids,
            )
        with self.stages.stage("observe"):
            observed = self._observers[name].look(frame, self._tracks, settling=look.settling)
        findings: tuple[Finding, ...] = ()
        scene: Scene | None = None
        with self.stages.stage("rules"):
            if self._frozen(frame, is_settling=look.settling):
                findings = self.rules.update_unseen(_unseen(frame.info))
            else:
                scene = self._scene(frame.info, observed)
                findings = self.rules.update(scene)
        return Analysis(
            detections=tuple(detections),
            tracks=self._tracks,
            findings=findings,
            tiles=len(look.tiles),
            scene=scene,
        )

    def allow(self, allowance: Allowance) -> None:
        """Spend no more than this from the next picture on."""
        for attention in self._attention.values():
            attention.allow(
                max_tiles=allowance.max_tiles,
                predictable_every_s=allowance.predictable_every_s,
            )
        for observers in self._observers.values():
            observers.low_observers = allowance.low_observers

    def _frozen(self, frame: PixelFrame, *, is_settling: bool) -> bool:
        """Whether rules about what pictures show wait: a camera's light changed a moment ago.

        One world has one set of tracks: what a settling camera contributes cannot be told
        apart from the rest. A camera that falls silent while it settles holds nobody up.
        """
        t_mono_ns, name = frame.info.t_mono_ns, frame.info.camera_id
        self._settling_until_ns.pop(name, None)
        if is_settling:
            self._settling_until_ns[name] = t_mono_ns + round(_FREEZE_S * NS_PER_S)
        return any(until_ns > t_mono_ns for until_ns in self._settling_until_ns.values())

    def _scene(self, info: Frame, observed: Observed) -> Scene:
        return Scene(
            frame=self._in_order(info),
            tracks=self._tracks,
            still_objects=observed.still_objects,
            agitation=observed.agitation,
            tamper=observed.tamper,
            sound=_sound(info),
        )

    def _in_order(self, info: Frame) -> Frame:
        """The frame as of the newest time: sensors' pictures may cross on their way here."""
        self._newest_ns = max(self._newest_ns, info.t_mono_ns)
        if info.t_mono_ns == self._newest_ns:
            return info
        return msgspec.structs.replace(info, t_mono_ns=self._newest_ns)

    def _open(self, section: SensorSection) -> None:
        detect = self._config.detect
        sensor = self.rig.sensor(section.name)
        mask = self._masks[section.name]
        model = open_model_for(sensor, detect.model, self._config.paths.model_dir)
        detector = open_detector(
            self.rig,
            sensor,
            model,
            labels=detect.labels,
            min_confidence=detect.min_confidence * _FAINT_SHARE,
            threads=detect.threads,
            max_range_m=detect.max_range_m,
            check_height=detect.check_height,
            mask=mask,
            stages=self.stages,
            named_m=named_ground(self._config),
        )
        self.models[section.name] = model
        self._detectors[section.name] = detector
        self._observers[section.name] = Observers(self.rig, sensor, mask, self._config.rules)
        self._attention[section.name] = Attention(
            self.rig,
            sensor,
            detector.tiles,
            max_tiles=detect.max_tiles_per_frame,
            sweep_s=detect.sweep_s,
            mask=mask,
            stages=self.stages,
        )


def _unseen(info: Frame) -> Scene:
    """Of a picture that settles: that it came, and what was heard."""
    return Scene(frame=info, sound=_sound(info))


def _sound(info: Frame) -> SoundLevel | None:
    return None if info.sound_db is None else SoundLevel(level_db=info.sound_db)
