"""What rules judge: one moment of the pole's world, from its tracks to its cameras and its ear."""

from __future__ import annotations

import enum

import msgspec

from roeh.core.types import Frame, GroundPoint, Track


class TamperKind(enum.Enum):
    """What was done to a camera; the values are words on the wire."""

    COVERED = "covered"
    BLINDED = "blinded"
    DEFOCUSED = "defocused"
    TURNED = "turned"
    MOVED = "moved"


class Tamper(msgspec.Struct, frozen=True):
    """A camera does not show any more what it is there for.

    Attributes:
        kind: what was done to it.
        confidence: in [0, 1].
    """

    kind: TamperKind
    confidence: float


class StillObject(msgspec.Struct, frozen=True):
    """Something that stands still where nothing stood before, as one camera sees it.

    Attributes:
        number: the same for as long as it is the same object, never used again.
        sensor: whose picture shows it.
        position: its foot on the ground plane.
        outline_sensor_px: points round it in the sensor's picture.
        since: the frame with which it came to stand there.
        confidence: in [0, 1]: how surely it is an object and no light.
    """

    number: int
    sensor: str
    position: GroundPoint
    outline_sensor_px: tuple[tuple[float, float], ...]
    since: Frame
    confidence: float


class Agitation(msgspec.Struct, frozen=True):
    """How wildly a tracked body moves within its box.

    Attributes:
        track_id: whose.
        entropy: of the directions of flow in its box, 0 one direction, 1 all alike.
        speed_heights_per_s: mean speed of that flow, in heights of the body a second.
    """

    track_id: int
    entropy: float
    speed_heights_per_s: float


class SoundLevel(msgspec.Struct, frozen=True):
    """The loudest 125 ms since the last frame; nothing else of the sound exists here.

    Attributes:
        level_db: A-weighted, relative to the microphone's calibration (config says of what).
    """

    level_db: float


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that rules may look at, as of one frame.

    Attributes:
        frame: the newest picture; the rest is as of it, or of its camera.
        tracks: live ones of all cameras; a rule is given those confirmed, of its labels.
        wheels: confirmed bicycles and motorcycles, for every rule: they carry people.
        tamper: what was done to the frame's camera; None while it sees as ever.
        still_objects: that the frame's camera shows.
        agitation: of tracks that were looked at in this frame.
        sound: None without a microphone.
    """

    frame: Frame
    tracks: tuple[Track, ...] = ()
    wheels: tuple[Track, ...] = ()
    tamper: Tamper | None = None
    still_objects: tuple[StillObject, ...] = ()
    agitation: tuple[Agitation, ...] = ()
    sound: SoundLevel | None = None
