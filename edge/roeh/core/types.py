"""The types that cross a border between packages or processes: frozen, parsed once.

Conventions: the world is metres east, north and up from the foot of the pole.
A bearing is degrees from true north, clockwise, in [0, 360). Times that leave a
process are integers in microseconds; nanoseconds stay inside.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PixelFormat = Literal["bgr24", "yuv420p"]

# `(?!\n)` because `$` alone lets a last line feed pass.
Uuid7 = Annotated[
    str,
    Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?!\n)$"),
]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
Priority = Annotated[int, Meta(ge=1, le=9)]
#: A time on the wire: microseconds, below 2^53 (JavaScript and RFC 8785 lose more).
TimeUs = Annotated[int, Meta(ge=0, lt=2**53)]
#: A whole number that counts.
Count = Annotated[int, Meta(ge=0, lt=2**53)]

#: How much a process may say of itself.
MAX_DETAIL_CHARS = 500
MAX_COUNTERS = 100
#: Of a counter's name: some have a camera's in it.
MAX_COUNTER_CHARS = 128
#: The longest checkpoint of a ledger: its own signature and those of a few witnesses.
MAX_CHECKPOINT_CHARS = 2000
#: What a tombstone takes at the most.
MAX_TOMBSTONE_BYTES = 100


class Size(msgspec.Struct, frozen=True):
    """Width and height of a picture in pixels."""

    width_px: int
    height_px: int


class Box(msgspec.Struct, frozen=True):
    """An upright rectangle, corners in pixels of a frame that the field's name states."""

    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float

    @property
    def center_px(self) -> tuple[float, float]:
        """Centre (x, y)."""
        return (self.x0_px + self.x1_px) / 2, (self.y0_px + self.y1_px) / 2


class Light(msgspec.Struct, frozen=True):
    """How a picture was exposed, where the camera tells.

    Attributes:
        exposure_us: for how long the sensor gathered light.
        gain: analogue times digital, 1 or more.
        is_night: the infrared filter is away, so the picture is without colour.
    """

    exposure_us: int
    gain: float
    is_night: bool


class Frame(msgspec.Struct, frozen=True):
    """What is known of one picture from a camera; its pixels travel beside it.

    `t_mono_ns` is when the sensor saw it, as near as the source can tell. `light` is None
    where the camera does not tell how it was exposed. `sound_db` is the loudest level since
    the frame before that was looked at, of any camera; detect writes it, None: nothing was heard.
    """

    camera_id: str
    seq: int
    t_mono_ns: int
    t_utc_ns: int
    utc_error_ns: int
    boot_id: str
    width_px: int
    height_px: int
    pixel_format: PixelFormat
    light: Light | None = None
    sound_db: float | None = None


class Covariance(msgspec.Struct, frozen=True):
    """Symmetric 2x2 covariance of a position on the ground plane, square metres."""

    east_east_m2: float
    east_north_m2: float
    north_north_m2: float


class GroundPoint(msgspec.Struct, frozen=True):
    """A position on the ground plane with its uncertainty."""

    east_m: float
    north_m: float
    covariance: Covariance


class Detection(msgspec.Struct, frozen=True):
    """One object found in one picture.

    Attributes:
        sensor: name of the sensor whose picture it is.
        label: class name as in the model's manifest.
        confidence: in [0, 1].
        box_sensor_px: upright rectangle round it in the sensor's picture.
        outline_sensor_px: corners of the box it was found in, as they lie in the sensor's
            picture (in a fisheye a person's box is turned towards the pole).
        foot_sensor_px: where it touches the ground, (x, y) in the sensor's picture.
        position: the same on the ground plane; None above the horizon or without geometry.
        jitter: the part of its covariance that is new in each picture; the rest lasts as
            long as the sensor hangs as it does. None without a position.
        height_m: its physical height if it stands upright at `position`; None likewise.
    """

    sensor: str
    label: str
    confidence: float
    box_sensor_px: Box
    outline_sensor_px: tuple[tuple[float, float], ...]
    foot_sensor_px: tuple[float, float]
    position: GroundPoint | None
    jitter: Covariance | None
    height_m: float | None


class Where(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where in the world, as an operator needs it: each figure beside its sigma."""

    bearing_deg: float
    bearing_sigma_deg: float
    range_m: float
    range_sigma_m: float
    east_m: float
    north_m: float
    position_sigma_m: float
    latitude_deg: float | None = None
    longitude_deg: float | None = None


class Track(msgspec.Struct, frozen=True):
    """One object followed over time, as of `t_mono_ns`.

    `confirmed` tracks have been seen often enough to count for rules. Box and outline
    are the last ones seen, in `sensor`; `seen` says whether it was in this very picture.
    `best_sensor` is the one that of late saw it most surely.
    """

    id: int
    label: str
    confidence: float
    t_mono_ns: int
    position: GroundPoint
    velocity_east_mps: float
    velocity_north_mps: float
    speed_sigma_mps: float
    bearing_deg: float
    range_m: float
    first_seen_mono_ns: int
    last_seen_mono_ns: int
    dwell_s: float
    confirmed: bool
    seen: bool
    sensor: str
    best_sensor: str
    box_sensor_px: Box
    outline_sensor_px: tuple[tuple[float, float], ...]


class AlertPhase(enum.Enum):
    """Life of an alert: raised once, updated while it lasts, cleared once."""

    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


class ClearedBy(enum.Enum):
    """Why an alert was cleared.

    RULE: what it was about is over. RESTART: detection began anew and cannot know; what
    still holds is raised again.
    """

    RULE = "rule"
    RESTART = "restart"


class RuleKind(enum.Enum):
    """The rules a pole knows."""

    ZONE_ENTRY = "zone_entry"
    LINE_CROSSING = "line_crossing"
    LOITERING = "loitering"
    CROWD = "crowd"
    RUNNING = "running"
    DISPERSAL = "dispersal"
    VEHICLE_STOPPED = "vehicle_stopped"
    OBJECT_LEFT = "object_left"
    SCUFFLE = "scuffle"
    LOUD_NOISE = "loud_noise"
    CAMERA_TAMPER = "camera_tamper"
    CAMERA_BLIND = "camera_blind"


#: Rules that promise no accuracy: what they raise says so, and is only for people to look at.
ADVISORY_KINDS = frozenset({RuleKind.SCUFFLE})


class ClockState(msgspec.Struct, frozen=True):
    """What a receiver may believe of the times in a message."""

    synchronised: bool
    error_us: TimeUs


class EvidenceReference(msgspec.Struct, frozen=True):
    """Which pictures an alert rests on: camera and first and last frame, this boot."""

    camera_id: str
    first_frame_seq: Count
    last_frame_seq: Count
    first_t_mono_us: TimeUs
    last_t_mono_us: TimeUs


class AlertDraft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alert as detection hands it over, before evidence made it durable.

    What is None is left out of the JSON.

    Attributes:
        id: UUIDv7 of this message; receivers remove duplicates by it.
        raised_id: id of the message that raised this alert (its own when raising).
        priority: 1 (lowest) to 9 (highest).
        rule: name from the configuration; `rule_kind` says what kind it is.
        zone: name of the zone or line, if the rule has one.
        label: what was seen ("person"); of a camera what is wrong with it ("covered").
        track_ids: the tracks it is about, of this boot.
        count: how many objects it is about.
        dwell_s: how long the condition has held.
        model_sha256: of the model that saw it; None where none did (a noise, a camera).
        advisory: nobody should act on it without looking: the rule has no accuracy to promise.
        level_db: of a noise, A-weighted, relative to the microphone's calibration.
        group_id: id of the message that raised the first of alerts that came together.
        chatter: raises of this rule and place that were held back since its last alert.
        cleared_by: why, when it clears; None otherwise.
    """

    # Of a factory, since a plain default would be left out of the JSON.
    schema: Literal["roeh/alert/1"] = msgspec.field(default_factory=lambda: "roeh/alert/1")
    id: Uuid7
    raised_id: Uuid7
    site: str
    node: str
    boot_id: str
    phase: AlertPhase
    priority: Priority
    rule: str
    rule_kind: RuleKind
    zone: str | None = None
    label: str
    confidence: float
    where: Where
    track_ids: tuple[Count, ...]
    count: Count
    dwell_s: float
    t_utc_us: TimeUs
    t_mono_us: TimeUs
    clock: ClockState
    evidence: EvidenceReference
    model_sha256: Sha256 | None = None
    advisory: bool = False
    level_db: float | None = None
    group_id: Uuid7 | None = None
    chatter: Count = 0
    thumbnail_sha256: Sha256 | None = None
    cleared_by: ClearedBy | None = None


class Alert(AlertDraft, frozen=True, kw_only=True, omit_defaults=True):
    """An alert that is durable on the pole.

    `seq` counts every alert message of this node, without holes and across reboots:
    it is given in the transaction that stores the alert, so a receiver sees what is
    missing. `checkpoint` is the newest signed note of the node's ledger by then
    (edge/design/evidence-format.md); None while there is none, and in the thrifty profile,
    where it rides in the heartbeats alone.
    """

    seq: Count
    checkpoint: Annotated[str, Meta(max_length=MAX_CHECKPOINT_CHARS)] | None = None


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that had to be evicted before it was sent; at most 100 bytes of JSON.

    It takes the alert's place in the node's count and travels on the alert topic; it is
    the one payload there without `schema`, to stay that small.
    """

    evicted_seq: Count
    id: Uuid7


class ProcessReport(msgspec.Struct, frozen=True):
    """What a process says of itself to the node's status.

    `state` is "starting", "ok", "degraded" or "blind"; `detail` one clear line.
    `counters` are cumulative since the process started; names carry their unit.
    """

    process: str
    state: Literal["starting", "ok", "degraded", "blind", "stopped"]
    detail: Annotated[str, Meta(max_length=MAX_DETAIL_CHARS)]
    t_mono_us: TimeUs
    counters: Annotated[
        dict[Annotated[str, Meta(max_length=MAX_COUNTER_CHARS)], float],
        Meta(max_length=MAX_COUNTERS),
    ]
