"""desk.toml: what a control room is configured with. One type a table, as for a node."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from roeh.core.config.schema import TlsSection
from roeh.core.config.section import (
    BearingDeg,
    DirectoryPath,
    Name,
    NotEmpty,
    NotNegative,
    Port,
    Positive,
    RuleKindName,
    Section,
)

#: "site/node", both as a node's configuration names them.
PoleName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}(?!\n)$",
        description='a pole as "site/node"',
    ),
]


class DeskPaths(Section, frozen=True, kw_only=True):
    """Where the desk keeps its keys and, with SQLite, its database.

    `keys_dir` empty: `keys` in data_dir.
    """

    data_dir: DirectoryPath = "/var/lib/roeh-desk"
    keys_dir: str = ""


class DeskDatabase(Section, frozen=True, kw_only=True):
    """Empty `url`: SQLite in paths.data_dir; else "sqlite:///FILE" or "postgresql://...".

    A password may stand in `password_file`.
    """

    url: str = ""
    password_file: str = ""


class DeskBroker(Section, frozen=True, kw_only=True):
    """The broker that the poles speak to, as the desk reaches it."""

    host: str = "127.0.0.1"
    port: Port = 1883
    tls: TlsSection = TlsSection()
    username: str = ""
    password_file: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 30


class IngestSection(Section, frozen=True, kw_only=True):
    """How messages are taken in.

    Ingesters with one `group` share the work. A commit waits `commit_wait_ms` for company
    and holds `commit_rows` messages at the most. What is missing for `missing_after_s` is
    asked for again, each `resend_every_s`.
    """

    group: Name = "desk"
    commit_wait_ms: NotNegative = 5.0
    commit_rows: Annotated[int, Meta(ge=1, le=10000)] = 500
    missing_after_s: Positive = 5.0
    resend_every_s: Positive = 60.0
    stale_after_s: Positive = 90.0


class DeskRetention(Section, frozen=True, kw_only=True):
    """After how many days what class of data is deleted; the audit never is."""

    thumbnail_days: Positive = 14.0
    alert_days: Positive = 90.0
    kept_alarm_days: Positive = 365.0


class WitnessSection(Section, frozen=True, kw_only=True):
    """The witness: `state_dir` is apart from the desk's database and only ever grows.

    `ca_file`: PEM of the roots whose poles it trusts; empty: the first key of each pole is
    pinned. `name` stands in its cosignatures and in a topic. `allow_unsynchronised`: cosign
    although this machine's clock is not synchronised; for trials, since such a time proves
    nothing.
    """

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?!\n)$",
            description="a name of at most 64 letters, digits, dots, hyphens and underscores",
        ),
    ] = "witness"
    state_dir: DirectoryPath = "/var/lib/roeh-witness"
    ca_file: str = ""
    allow_unsynchronised: bool = False
    enabled: bool = True


class SectorSection(Section, frozen=True, kw_only=True):
    """A part of the city that a patrol answers for: poles, or a sector of what one sees."""

    name: Name
    poles: Annotated[tuple[PoleName, ...], Meta(min_length=1)]
    bearing_from_deg: BearingDeg | None = None
    bearing_to_deg: BearingDeg | None = None


class PlaceSection(Section, frozen=True, kw_only=True):
    """A place by a name that everybody knows, and the poles that see it."""

    name: Name
    shown_as: NotEmpty
    poles: Annotated[tuple[PoleName, ...], Meta(min_length=1)]


class JointAudience(Section, frozen=True, kw_only=True, tag_field="kind", tag="joint"):
    """A joint patrol: alerts with place and thumbnail of its sectors."""

    name: Name
    sectors: Annotated[tuple[Name, ...], Meta(min_length=1)]
    min_priority: Annotated[int, Meta(ge=1, le=9)] = 1


class ParentAudience(Section, frozen=True, kw_only=True, tag_field="kind", tag="parent"):
    """A parent patrol: texts of its places; place and kind only, delayed and expiring.

    Never an image, a person's description or finer coordinates.
    """

    name: Name
    places: Annotated[tuple[Name, ...], Meta(min_length=1)]
    delay_s: Annotated[float, Meta(ge=60)] = 300.0
    expire_s: Annotated[float, Meta(ge=60)] = 3600.0
    min_priority: Annotated[int, Meta(ge=1, le=9)] = 5
    rule_kinds: tuple[RuleKindName, ...] = ()


AudienceSection = JointAudience | ParentAudience


class OnvifAdapter(Section, frozen=True, kw_only=True):
    """ONVIF events as JSON over MQTT, for video management systems.

    `prefix` stands before a pole's own part of the topic: {prefix}/{site}/{node}/onvif-ej/...
    """

    enabled: bool = False
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}(?!\n)$",
            description="levels of a topic, letters, digits, _ and -",
        ),
    ] = "roeh/view/v1/onvif"


class CapAdapter(Section, frozen=True, kw_only=True):
    """CAP 1.2 messages, a file each, for alerting systems. `sender` as CAP wants it."""

    enabled: bool = False
    dir: str = ""
    sender: Annotated[
        str,
        Meta(
            pattern=r"^[^\s,<&]{1,100}(?!\n)$",
            description="a name without spaces, commas, < and &",
        ),
    ] = "roeh@localhost"
    status: Literal["Actual", "Exercise", "System", "Test"] = "Test"
    min_priority: Annotated[int, Meta(ge=1, le=9)] = 7
    expire_s: Positive = 3600.0


class AdapterSection(Section, frozen=True, kw_only=True):
    """Interfaces for others."""

    onvif: OnvifAdapter = OnvifAdapter()
    cap: CapAdapter = CapAdapter()


class DeskMetrics(Section, frozen=True, kw_only=True):
    """Prometheus text files, one a process; empty `dir`: none."""

    dir: str = ""
    interval_s: Positive = 15.0


class DeskConfig(Section, frozen=True, kw_only=True):
    """The whole of desk.toml."""

    name: Name = "desk"
    paths: DeskPaths = DeskPaths()
    database: DeskDatabase = DeskDatabase()
    broker: DeskBroker = DeskBroker()
    ingest: IngestSection = IngestSection()
    retention: DeskRetention = DeskRetention()
    witness: WitnessSection = WitnessSection()
    sectors: tuple[SectorSection, ...] = ()
    places: tuple[PlaceSection, ...] = ()
    audiences: tuple[AudienceSection, ...] = ()
    adapters: AdapterSection = AdapterSection()
    metrics: DeskMetrics = DeskMetrics()
