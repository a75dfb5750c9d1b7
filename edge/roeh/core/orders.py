"""What the control room may tell a pole to do: typed orders, and the command that carries one.

A command comes signed; evidence alone verifies it, records it, and forwards its order. Only
what stands here can be ordered: releasing a hold and every key operation never come by MQTT.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.types import Count, TimeUs, Uuid7
from roeh.core.views import Layout, ViewChoice

#: The most ranges of numbers that one order asks for again.
MAX_RESEND_RANGES = 32
#: How far ahead a hold may reach: what is kept takes the ring's room.
MAX_HOLD_AHEAD_US = 24 * 3600 * 1_000_000
#: How far ahead a rule or an operation may be ordered: nobody forgets it for longer.
MAX_SCHEDULE_AHEAD_US = 31 * 24 * 3600 * 1_000_000
#: The longest that any output may be on at once.
MAX_OUTPUT_ON_S = 600
#: The longest that a command may be valid: its id is kept so long.
MAX_COMMAND_LIFE_US = 24 * 3600 * 1_000_000

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}(?!\n)$")]


class SeqRange(msgspec.Struct, frozen=True, order=True):
    """Numbers of a node's count, both ends included."""

    first: Annotated[int, Meta(ge=1, lt=2**53)]
    last: Annotated[int, Meta(ge=1, lt=2**53)]

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class _Order(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all orders have: the tag `kind`."""


class HoldOrder(_Order, frozen=True, kw_only=True, tag="hold"):
    """Keep this span of these cameras (none named: of all) until two persons release it."""

    camera_ids: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()
    from_utc_us: TimeUs
    to_utc_us: TimeUs
    reason: Text


class OrderedView(msgspec.Struct, frozen=True, kw_only=True):
    """Which view, in whole degrees: an order goes into the ledger, which has no fractions.

    Attributes:
        layout: "picture" the sensor's own; "panorama" 360 degrees across; "double_panorama"
            two strips of 180; "quad" four virtual cameras a quarter turn apart; "ptz" one
            virtual camera.
        bearing_deg: of the middle (of the upper strip, of the first of four), from north.
        elevation_deg: of a "ptz"; 0 horizon, -90 straight down.
        fov_deg: across a "ptz".
    """

    layout: Layout = "panorama"
    bearing_deg: Annotated[int, Meta(ge=0, le=360)] = 0
    elevation_deg: Annotated[int, Meta(ge=-90, le=30)] = -25
    fov_deg: Annotated[int, Meta(ge=5, le=120)] = 60

    def choice(self) -> ViewChoice:
        """The same for who draws it."""
        return ViewChoice(
            layout=self.layout,
            bearing_deg=self.bearing_deg,
            elevation_deg=self.elevation_deg,
            fov_deg=self.fov_deg,
        )


class SnapshotOrder(_Order, frozen=True, kw_only=True, tag="snapshot"):
    """One small picture now, privacy masks in it, with boxes, bearings and rings of metres.

    Attributes:
        camera_id: whose picture; a panorama and virtual cameras take in the others of the
            pole as well.
        view: null: of a fisheye a panorama, of another camera its own picture.
    """

    camera_id: Text
    view: OrderedView | None = None


class ScheduleOrder(_Order, frozen=True, kw_only=True, tag="schedule"):
    """Let this rule hold always, never, or as configured again, until then.

    It outlives restarts of detect, not a reboot.
    """

    rule: Name
    mode: Literal["always", "never", "as_configured"]
    until_utc_us: TimeUs


class OperationOrder(_Order, frozen=True, kw_only=True, tag="operation"):
    """Let this operation begin, end, or hold as configured again, until then.

    It outlives restarts of detect, not a reboot.
    """

    operation: Name
    mode: Literal["begin", "end", "as_configured"]
    until_utc_us: TimeUs


#: Orders that hold until a time; the newest of a thing takes the place of the one before.
LastingOrder = ScheduleOrder | OperationOrder


class RestartOrder(_Order, frozen=True, kw_only=True, tag="restart"):
    """Let this process end as it should; it is started again by who supervises it."""

    process: Literal["capture", "detect", "evidence", "publish", "retrieve"]


class LogLevelOrder(_Order, frozen=True, kw_only=True, tag="log_level"):
    """How much this process says in its log until it is started again."""

    process: Literal["capture", "detect", "evidence", "publish", "retrieve"]
    level: Literal["debug", "info", "warning"]


class DeterOrder(_Order, frozen=True, kw_only=True, tag="deter"):
    """Let this output on for so long, within its limits; 0: off at once."""

    output: Name
    on_s: Annotated[int, Meta(ge=0, le=MAX_OUTPUT_ON_S)]


class ResendOrder(_Order, frozen=True, kw_only=True, tag="resend"):
    """Send these alerts again; the answer names those that are not there any more.

    The only order that a node without a synchronised clock takes: done twice it does no harm.
    """

    ranges: Annotated[tuple[SeqRange, ...], Meta(min_length=1, max_length=MAX_RESEND_RANGES)]


Order = (
    HoldOrder
    | SnapshotOrder
    | ScheduleOrder
    | OperationOrder
    | RestartOrder
    | LogLevelOrder
    | ResendOrder
    | DeterOrder
)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An order to one node, valid in a span of UTC and in one boot, accepted once.

    Attributes:
        operator: the person in the control room who gave it.
        boot_id: of the boot that it is meant for, as the node's state message says.
    """

    schema: Literal["roeh/cmd/1"] = "roeh/cmd/1"
    id: Uuid7
    site: Name
    node: Name
    operator: Annotated[str, Meta(min_length=1, max_length=64)]
    not_before_utc_us: TimeUs
    expires_utc_us: TimeUs
    boot_id: str
    order: Order


class Outcome(enum.Enum):
    """What became of a command."""

    DONE = "done"
    ACCEPTED = "accepted"  # recorded and forwarded; the final answer follows
    REFUSED = "refused"
    FAILED = "failed"


class Reason(enum.Enum):
    """Why a command was refused or an order failed: the first word of an answer's `reason`.

    These words are part of the product's interface: they are added, never changed.
    """

    ANOTHER_BOOT = "another_boot"
    CLOCK_NOT_SYNCHRONISED = "clock_not_synchronised"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    LIVES_TOO_LONG = "lives_too_long"
    BEFORE_REBUILD = "before_rebuild"
    NO_SUCH_CAMERA = "no_such_camera"
    NO_SUCH_RULE = "no_such_rule"
    NO_SUCH_OPERATION = "no_such_operation"
    NO_SUCH_OUTPUT = "no_such_output"
    OUTPUT_TOO_LONG = "output_too_long"
    OUTPUT_OUTSIDE_HOURS = "output_outside_hours"
    OUTPUT_IS_ON = "output_is_on"
    OUTPUT_PAUSES = "output_pauses"
    OUTPUT_USED_UP = "output_used_up"
    OUTPUT_FAILED = "output_failed"
    ALERT_TOO_LATE = "alert_too_late"
    SPAN_IS_EMPTY = "span_is_empty"
    OVER_ALREADY = "over_already"
    TOO_FAR_AHEAD = "too_far_ahead"
    NOTHING_RECORDED = "nothing_recorded"
    TOO_MANY_PIECES = "too_many_pieces"
    NOT_ITS_ORDER = "not_its_order"
    NO_PICTURE = "no_picture"
    NO_ANSWER = "no_answer"
    PROCESS_ENDED = "process_ended"
    NODE_RESTARTED = "node_restarted"
    REBUILT = "rebuilt"


#: What each of them means, for people.
REASONS: dict[Reason, str] = {
    Reason.ANOTHER_BOOT: "it was meant for a boot of the node that is over",
    Reason.CLOCK_NOT_SYNCHRONISED: "the node cannot tell whether it is valid now",
    Reason.NOT_YET: "its time has not begun, or the node's clock is not good enough to say so",
    Reason.EXPIRED: "its time is over, or the node's clock is not good enough to say it is not",
    Reason.LIVES_TOO_LONG: "it would be valid for longer than a day, or never",
    Reason.BEFORE_REBUILD: "it was given before node.db was rebuilt, which forgets what was done",
    Reason.NO_SUCH_CAMERA: "the node has no camera of that name",
    Reason.NO_SUCH_RULE: "the node has no rule of that name",
    Reason.NO_SUCH_OPERATION: "the node has no operation of that name",
    Reason.NO_SUCH_OUTPUT: "the node has no output of that name",
    Reason.OUTPUT_TOO_LONG: "the output may not be on for so long",
    Reason.OUTPUT_OUTSIDE_HOURS: "the output may not be used at this hour",
    Reason.OUTPUT_IS_ON: "the output is on already",
    Reason.OUTPUT_PAUSES: "the output was on a moment ago, and its pause is not over",
    Reason.OUTPUT_USED_UP: "the output was on as often as it may be in a day",
    Reason.OUTPUT_FAILED: "the output does not work; the pole's status says why",
    Reason.ALERT_TOO_LATE: "the alert was stored too long after it was raised",
    Reason.SPAN_IS_EMPTY: "the span to be held ends before it begins",
    Reason.OVER_ALREADY: "the time until which it would hold is over",
    Reason.TOO_FAR_AHEAD: "it would hold for more than a day; a rule, an operation: than 31",
    Reason.NOTHING_RECORDED: "no video of that span is there",
    Reason.TOO_MANY_PIECES: "the video of that span is in too many pieces for one hold",
    Reason.NOT_ITS_ORDER: "the process knows no such order",
    Reason.NO_PICTURE: "no picture of the camera came in time",
    Reason.NO_ANSWER: "the process did not say in time what became of it",
    Reason.PROCESS_ENDED: "the process ended before it said what became of it",
    Reason.NODE_RESTARTED: "the node was started anew before it was done",
    Reason.REBUILT: "node.db was rebuilt before it was known what became of it",
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command; `reason` is empty when it is done.

    Attributes:
        leaf: the record of it in the node's ledger.
        absent: of a resend: numbers that the node no longer has, or never gave.
        picture_sha256: of a snapshot; the picture travels on the thumb topic under
            `command_id`.
        hold_id: of a hold.
    """

    schema: Literal["roeh/rsp/1"] = "roeh/rsp/1"
    command_id: Uuid7
    site: Name
    node: Name
    outcome: Outcome
    reason: Annotated[str, Meta(max_length=500)] = ""
    leaf: Count | None = None
    t_utc_us: TimeUs = 0
    absent: tuple[SeqRange, ...] = ()
    picture_sha256: str | None = None
    hold_id: str | None = None
