"""The sections of node.toml that say when an alert is raised: one type a kind of rule.

A field's unit is the end of its name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from roeh.core.config.section import (
    Count,
    Label,
    Name,
    NoLabels,
    NotNegative,
    Positive,
    Priority,
    Section,
    Share,
    TamperKindName,
)


class _Rule(Section, frozen=True, kw_only=True, tag_field="kind"):
    """What all rules have: `schedule` empty means always.

    A rule of an `operation` holds only while that does; the rule that it is `instead_of` rests as
    long as it holds. Each alert that it raises lets its `outputs` on.
    Of more than `chatter_count` alerts within `chatter_window_s` (0: of none) the rest is held
    back and counted, unless the priority is 8 or 9.
    """

    name: Name
    labels: Annotated[tuple[Label, ...], Meta(min_length=1)] = ("person",)
    priority: Priority = 5
    cool_down_s: NotNegative = 30.0
    chatter_count: Annotated[int, Meta(ge=0, le=1000)] = 10
    chatter_window_s: Positive = 600.0
    schedule: str = ""
    operation: str = ""
    instead_of: str = ""
    outputs: tuple[Name, ...] = ()


class ZoneEntryRule(_Rule, frozen=True, kw_only=True, tag="zone_entry"):
    """Somebody is in the zone in `min_frames` of the last `of_frames` looks."""

    zone: Name
    min_frames: Count = 3
    of_frames: Count = 5


class LineCrossingRule(_Rule, frozen=True, kw_only=True, tag="line_crossing"):
    """Somebody goes over the line in the given direction."""

    line: Name
    direction: Literal["any", "left_to_right", "right_to_left"] = "any"


class LoiteringRule(_Rule, frozen=True, kw_only=True, tag="loitering"):
    """Somebody stays within `radius_m` for `dwell_s`; gaps of `max_gap_s` are bridged."""

    dwell_s: Positive = 60.0
    radius_m: Positive = 3.0
    max_gap_s: NotNegative = 3.0
    zone: str = ""


class CrowdRule(_Rule, frozen=True, kw_only=True, tag="crowd"):
    """At least `count` within `radius_m` of each other for `duration_s`."""

    count: Annotated[int, Meta(ge=2)] = 6
    radius_m: Positive = 4.0
    duration_s: NotNegative = 5.0
    zone: str = ""


class RunningRule(_Rule, frozen=True, kw_only=True, tag="running"):
    """Somebody is faster than `speed_mps`, over a second, for `duration_s`."""

    speed_mps: Annotated[float, Meta(ge=1, le=20)] = 3.5
    duration_s: NotNegative = 0.7
    zone: str = ""


class DispersalRule(_Rule, frozen=True, kw_only=True, tag="dispersal"):
    """Of `count` or more within `radius_m` half are gone within `within_s`, outwards and fast."""

    count: Annotated[int, Meta(ge=3)] = 5
    radius_m: Positive = 4.0
    within_s: Annotated[float, Meta(ge=1, le=10)] = 3.0
    speed_mps: Positive = 2.0
    zone: str = ""


class VehicleStoppedRule(_Rule, frozen=True, kw_only=True, tag="vehicle_stopped"):
    """A vehicle stays within `radius_m` for `dwell_s`; who walks before it hides it `max_gap_s`."""

    labels: Annotated[tuple[Label, ...], Meta(min_length=1)] = (
        "car", "motorcycle", "bus", "truck",
    )  # fmt: skip
    dwell_s: Positive = 60.0
    radius_m: Positive = 2.0
    max_gap_s: NotNegative = 10.0
    zone: str = ""


class CameraTamperRule(_Rule, frozen=True, kw_only=True, tag="camera_tamper"):
    """A camera has not shown for `persist_s` what it was set up to show; nobody need be tracked."""

    name: Name = "camera-tamper"
    labels: NoLabels = ()
    priority: Priority = 7
    kinds: Annotated[tuple[TamperKindName, ...], Meta(min_length=1)] = (
        "covered", "blinded", "defocused", "turned", "moved",
    )  # fmt: skip
    persist_s: NotNegative = 3.0


class CameraBlindRule(_Rule, frozen=True, kw_only=True, tag="camera_blind"):
    """A camera has given no picture for `after_s`; sources that end by themselves are let be."""

    name: Name = "camera-blind"
    labels: NoLabels = ()
    priority: Priority = 8
    after_s: Annotated[float, Meta(ge=2)] = 10.0


class ObjectLeftRule(_Rule, frozen=True, kw_only=True, tag="object_left"):
    """Something has stood for `still_s`, and nobody (of `labels`) is within `owner_m`."""

    still_s: Annotated[float, Meta(ge=5, le=3600)] = 30.0
    owner_m: Positive = 3.0
    zone: str = ""


class ScuffleRule(_Rule, frozen=True, kw_only=True, tag="scuffle"):
    """Two within `near_m` move wildly for `duration_s`; advisory, and of low priority always.

    Wild is flow of the upper body beside its usual one, of `speed_heights_per_second` at least,
    in directions of at least `entropy`.
    """

    priority: Annotated[int, Meta(ge=1, le=3)] = 2
    near_m: Annotated[float, Meta(gt=0, le=2)] = 1.2
    duration_s: Annotated[float, Meta(ge=1, le=60)] = 2.0
    entropy: Share = 0.75
    speed_heights_per_second: Positive = 0.55
    zone: str = ""


class LoudNoiseRule(_Rule, frozen=True, kw_only=True, tag="loud_noise"):
    """For `duration_s` it is louder than `level_db`, and than usual by `above_background_db`."""

    labels: NoLabels = ()
    level_db: Annotated[float, Meta(ge=-100, le=160)]
    above_background_db: Annotated[float, Meta(ge=3, le=80)] = 15.0
    duration_s: Annotated[float, Meta(ge=0, le=60)] = 0.0


RuleSection = (
    ZoneEntryRule
    | LineCrossingRule
    | LoiteringRule
    | CrowdRule
    | RunningRule
    | DispersalRule
    | VehicleStoppedRule
    | ObjectLeftRule
    | ScuffleRule
    | LoudNoiseRule
    | CameraTamperRule
    | CameraBlindRule
)
