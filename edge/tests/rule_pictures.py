"""Makes the pictures of edge/docs/rules.md by running the observers and the rules themselves.

PYTHONPATH=edge/tests:edge python edge/tests/rule_pictures.py [DIRECTORY]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np

from roeh.core.config import LoudNoiseRule, MicrophoneSection
from roeh.core.types import AlertPhase
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Pinhole
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.sight import SightField
from roeh.sources.drawn.street import street_picture
from roeh.vision.rules import RuleEngine
from roeh.vision.scene import Scene, SoundLevel
from roeh.vision.still import StillObserver
from tests.left_things import Thing, draw
from tests.rule_plans import tracks
from tests.unit.rule_scenes import frame_at, node, times
from tests.unit.test_scuffle import RULE, abreast, reeling, talking, values

DIRECTORY = Path(__file__).parents[1] / "docs" / "pictures"
RED, GREEN = (40, 40, 220), (60, 150, 40)
GREY, BLUE = (150, 150, 150), (190, 110, 20)
INK = (60, 60, 60)


def text(picture: UInt8Image, words: str, at: tuple[int, int], colour=INK) -> None:
    """Small words."""
    cv2.putText(picture, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)


def object_left() -> UInt8Image:
    """A street with a thing and what the observer says of it, and the ring of its company."""
    sensor = Sensor("dome", Pinhole(640, 360, (420.0, 420.0)), Pose(0, 35, 0, 5))
    rig = Rig((sensor,), 0.0, 0.0)
    plane, street = GroundPlane(rig, sensor), street_picture(SightField(rig, sensor), 4)
    thing = Thing(0.8, 7.0)
    observer = StillObserver(rig, sensor, None)
    picture = street
    for t_s in times(0, 18, fps=3.0):
        picture = street.copy()
        if t_s >= 8:
            draw(picture, plane, thing)
        info = msgspec.structs.replace(frame_at(t_s), width_px=640, height_px=360)
        said = observer.update(PixelFrame(info, picture), (), settling=False)
    (one,) = said
    shown = picture.copy()
    turns = np.linspace(0, 2 * np.pi, 73)
    place = np.asarray([one.position.east_m, one.position.north_m])
    ring = plane.pixels_of(place + 3.0 * np.column_stack([np.sin(turns), np.cos(turns)]))
    ring = ring[np.isfinite(ring).all(axis=1)]
    cv2.polylines(shown, [np.round(ring).astype(np.int32)], False, GREEN, 1, cv2.LINE_AA)
    outline = np.round(np.asarray(one.outline_sensor_px)).astype(np.int32)
    cv2.polylines(shown, [outline], True, RED, 2, cv2.LINE_AA)
    x, y = outline.min(axis=0).tolist()
    text(shown, f"object, {np.hypot(*place):.1f} m", (x - 30, y - 8), RED)
    text(shown, "owner_m = 3: nobody in here", (230, 330), GREEN)
    return shown


def loud_noise() -> UInt8Image:
    """Level, background and threshold of a minute with a bang, a lorry and a machine."""
    rule = LoudNoiseRule(name="loud", level_db=75.0, above_background_db=15.0, cool_down_s=0.0)
    engine = RuleEngine(node(rule, microphone=MicrophoneSection(device="plughw:1")))
    random = np.random.default_rng(2)
    seconds, top_db, low_db = 90.0, 105.0, 45.0
    canvas = np.full((240, 640, 3), 255, np.uint8)

    def at(t_s: float, level_db: float) -> tuple[int, int]:
        return round(40 + t_s / seconds * 590), round(
            215 - (level_db - low_db) / (top_db - low_db) * 200
        )

    def level_at(t_s: float) -> float:
        level_db = 58 + 2 * float(random.normal())
        if t_s >= 20:
            level_db = max(level_db, 98 - 35 * (t_s - 20))
        if 35 <= t_s < 50:
            level_db = max(level_db, 72 - 0.6 * abs(t_s - 42) ** 1.5)
        return max(level_db, 84 + float(random.normal())) if 62 <= t_s < 80 else level_db

    levels: list[tuple[int, int]] = []
    for mark_db in (50, 60, 70, 80, 90, 100):
        cv2.line(canvas, at(0, mark_db), at(seconds, mark_db), (235, 235, 235), 1)
        text(canvas, str(mark_db), (8, at(0, mark_db)[1] + 4), GREY)
    cv2.line(canvas, at(0, 75), at(seconds, 75), GREEN, 1, cv2.LINE_AA)
    text(canvas, "level_db", (at(0, 75)[0] + 4, at(0, 75)[1] - 4), GREEN)
    raised_s = 0.0
    for t_s in times(0, seconds):
        level_db = level_at(t_s)
        levels.append(at(t_s, level_db))
        scene = Scene(frame=frame_at(t_s), sound=SoundLevel(level_db=level_db))
        for finding in engine.update(scene):
            if finding.phase is AlertPhase.RAISED:
                raised_s = t_s
            elif finding.phase is AlertPhase.CLEARED:
                span = at(raised_s, low_db), at(t_s, low_db + 1.5)
                cv2.rectangle(canvas, *span, RED, cv2.FILLED)
    cv2.polylines(canvas, [np.asarray(levels, np.int32)], False, BLUE, 1, cv2.LINE_AA)
    for words, t_s in (("bang", 18.0), ("lorry", 38.0), ("machine", 66.0)):
        text(canvas, words, (at(t_s, 0)[0], 16))
    text(canvas, "dB(A); red: the alert stands", (440, 235), RED)
    return canvas


def scuffle() -> UInt8Image:
    """Entropy and speed of the flow in the boxes of drawn people, by what they do."""
    canvas = np.full((300, 640, 3), 255, np.uint8)

    def at(entropy: float, speed: float) -> tuple[int, int]:
        return round(50 + entropy * 560), round(265 - min(speed, 1.0) * 240)

    asked = RULE.speed_heights_per_second
    wild = np.asarray(
        [at(RULE.entropy, asked), at(RULE.entropy, 1.0), at(1.0, 1.0), at(1.0, asked)]
    )
    cv2.fillPoly(canvas, [wild], (225, 225, 250))
    cv2.rectangle(canvas, at(0, 0), at(1, 1), GREY, 1)
    scenes = (("reeling", RED, reeling), ("walking", BLUE, abreast), ("talking", GREEN, talking))
    for number, (words, colour, scene) in enumerate(scenes):
        for entropy, speed in values(scene(6.0)):
            cv2.circle(canvas, at(entropy, speed), 2, colour, cv2.FILLED, cv2.LINE_AA)
        text(canvas, words, (60, 45 + 16 * number), colour)
    text(canvas, "entropy of directions 0 .. 1", (240, 285))
    text(canvas, "speed, heights a second, 0 .. 1", (55, 20))
    return canvas


def main() -> None:
    """Write them all."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    for make in (tracks, object_left, loud_noise, scuffle):
        path = directory / f"rule-{make.__name__.replace('_', '-')}.png"
        cv2.imwrite(str(path), make(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
