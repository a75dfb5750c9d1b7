"""The whole of node.toml; cameras, rules and outputs have schemas of their own beside this.

Defaults stand in these schemas and nowhere else.

Angles: bearings are degrees from true north, clockwise. Positions: metres east and
north of the foot of the pole. A field's unit is the end of its name.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.config.output_schema import OutputSection
from roeh.core.config.rule_schema import RuleSection
from roeh.core.config.section import (
    BearingDeg,
    Count,
    Day,
    DirectoryPath,
    Label,
    LocalTime,
    Name,
    NotNegative,
    PointM,
    Port,
    Positive,
    Section,
    Share,
    TimeOfDay,
)
from roeh.core.config.sensor_schema import SensorSection
from roeh.core.flows import ACCESS_UNITS, OUTBOX, OUTBOX_HISTORY_BYTES


class NodeSection(Section, frozen=True, kw_only=True):
    """Which pole this is and where it stands.

    `heading_deg` is the true bearing of the pole's forward mark; `north_from` says how it
    was found: a compass beside steel may be wrong by several degrees. Latitude and longitude
    are WGS 84; without them alerts carry bearing and range only.
    """

    site: Name = "site"
    name: Name = "pole"
    heading_deg: BearingDeg = 0.0
    heading_sigma_deg: NotNegative = 1.0
    north_from: Literal["unknown", "ground_points", "compass"] = "unknown"
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None
    position_sigma_m: NotNegative = 4.0
    time_zone: str = "UTC"


class PathsSection(Section, frozen=True, kw_only=True):
    """Where the node keeps its store, its sockets and its models.

    `model_dir` empty: where the installation put them.
    """

    data_dir: DirectoryPath = "/var/lib/roeh"
    run_dir: DirectoryPath = "/run/roeh"
    model_dir: str = ""


class DetectSection(Section, frozen=True, kw_only=True):
    """How often and how carefully pictures are looked at.

    `fps` bounds the pictures analysed each second; `sweep_s` the time in which every
    tile is looked at even when nothing moves; `max_tiles_per_frame` holds in rain.
    `check_height` refuses what cannot stand where it seems to stand (a spider on the
    lens). `threads` 0: as many as a measurement at the start finds worth their CPU.
    `track_log` names a file that every confirmed track is appended to.
    `watch_cameras` adds the rules camera_tamper and camera_blind where none is written.
    """

    model: str = ""
    threads: Annotated[int, Meta(ge=0, le=64)] = 1
    fps: Annotated[float, Meta(gt=0, le=60)] = 5.0
    min_confidence: Share = 0.4
    labels: Annotated[tuple[Label, ...], Meta(min_length=1)] = (
        "person", "bicycle", "car", "motorcycle", "bus", "truck", "dog",
    )  # fmt: skip
    sweep_s: Positive = 1.0
    max_tiles_per_frame: Count = 3
    max_range_m: Positive = 40.0
    check_height: bool = True
    watch_cameras: bool = True
    track_log: str = ""


class BudgetSection(Section, frozen=True, kw_only=True):
    """What detection may take of the board; what it gives up for that is in its status.

    `max_share` is of one core, all of detect together; 0: as much as the board, its control
    group and the pictures' pace allow.
    """

    max_share: Annotated[float, Meta(ge=0, le=64)] = 0.0


class ZoneSection(Section, frozen=True, kw_only=True):
    """A piece of ground: a polygon in metres, or a sector by bearing and range.

    A sector runs clockwise from one bearing to the other; two equal ones mean all round.
    """

    name: Name
    polygon_m: tuple[PointM, ...] = ()
    bearing_from_deg: BearingDeg | None = None
    bearing_to_deg: BearingDeg | None = None
    range_from_m: NotNegative = 0.0
    range_to_m: Positive | None = None


class LineSection(Section, frozen=True, kw_only=True):
    """A line on the ground; its left and right are those of someone walking from → to."""

    name: Name
    from_m: PointM
    to_m: PointM


class ScheduleSection(Section, frozen=True, kw_only=True):
    """When a rule holds, in the node's time zone; `end` before `start` runs over midnight."""

    name: Name
    days: Annotated[tuple[Day, ...], Meta(min_length=1)] = (
        "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    )  # fmt: skip
    start: TimeOfDay = "00:00"
    end: TimeOfDay = "24:00"


class OperationSection(Section, frozen=True, kw_only=True):
    """A time in which rules of its own hold: a festival, a school's hours.

    It holds in the hours of its schedule, from `from` until `to`: in both where both are given.
    With neither it holds by order alone. The two are wall clock times of `node.time_zone`.
    """

    name: Name
    schedule: str = ""
    from_local: LocalTime | None = msgspec.field(name="from", default=None)
    to_local: LocalTime | None = msgspec.field(name="to", default=None)


class EvidenceSection(Section, frozen=True, kw_only=True):
    """What is recorded, and how long it is kept.

    Sources that give compressed video (files, network cameras with H.264 or H.265) are
    recorded as they come: privacy masks can NOT be burnt into such a recording. Other
    sources are encoded here with `encode_bps` and a key picture each `encode_gop_s`; with
    `mask_recording` their masks are blackened in what is recorded. With
    `refuse_unmasked` a camera with masks whose recording cannot be masked is not recorded.
    `ring_bytes` is what capture holds of each camera while evidence is away.
    A segment is kept until the ring is full (`max_bytes`, or less than `min_free_bytes`
    free) or until the node has run for `max_age_days` since. An alert locks
    `pre_roll_s` before and `post_roll_s` after it for `lock_days`, of an alert that goes on
    `lock_max_s` at most; locks take at most `max_locked_share` of `max_bytes`.
    `medium_endurance_tb` is the TBW of the disk's data sheet (0: not known), for the doctor.
    """

    record: bool = True
    max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 32 * 1024**3
    min_free_bytes: Annotated[int, Meta(ge=0)] = 256 * 1024**2
    max_age_days: Positive = 30.0
    segment_s: Annotated[float, Meta(ge=1, le=600)] = 10.0
    pre_roll_s: NotNegative = 30.0
    post_roll_s: NotNegative = 30.0
    lock_days: Positive = 90.0
    lock_max_s: Annotated[float, Meta(ge=60)] = 900.0
    max_locked_share: Annotated[float, Meta(ge=0.05, le=0.95)] = 0.5
    encode_bps: Annotated[int, Meta(ge=100_000, le=100_000_000)] = 4_000_000
    encode_gop_s: Annotated[float, Meta(ge=0.5, le=4)] = 2.0
    mask_recording: bool = True
    refuse_unmasked: bool = False
    ring_bytes: Annotated[int, Meta(ge=1024 * 1024)] = ACCESS_UNITS.bound
    medium_endurance_tb: NotNegative = 0.0


class KeysSection(Section, frozen=True, kw_only=True):
    """Where the node's signing keys are at home.

    `file`: PEM files that only evidence's user can read, in `dir` (empty: `keys` in
    paths.data_dir). `credential`: the same names, loaded by systemd (LoadCredential).
    `tpm`: wrapped by the TPM 2.0 that `tpm_tcti` names; certificates lie in `dir`. The key
    for TLS is always a file: publish's in `tls_dir` (empty: paths.data_dir with "-tls" after
    it), and a copy that only retrieve's user can read in `retrieve_tls_dir` (empty:
    paths.data_dir with "-https" after it).
    """

    home: Literal["file", "credential", "tpm"] = "file"
    dir: str = ""
    tls_dir: str = ""
    retrieve_tls_dir: str = ""
    tpm_tcti: str = "device:/dev/tpmrm0"


class OutboxSection(Section, frozen=True, kw_only=True):
    """How much waits on disk for a broker that is away, and how much is kept afterwards.

    What was delivered stays for `history_days` of running time, `history_max_bytes` at most,
    so that a desk can ask for it again.
    """

    max_bytes: Annotated[int, Meta(ge=65536)] = OUTBOX.bound
    history_max_bytes: Annotated[int, Meta(ge=65536)] = OUTBOX_HISTORY_BYTES
    history_days: Positive = 30.0


class TlsSection(Section, frozen=True, kw_only=True):
    """Files for mutual TLS; empty `ca_file` means no TLS (loopback only)."""

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class BrokerSection(Section, frozen=True, kw_only=True):
    """The MQTT 5 broker.

    `ack`: what takes an alert out of the outbox. "desk": the desk's signature that it is
    committed there. "broker": the broker's PUBACK, for subscribers without a desk; see
    edge/docs/delivery.md for what that risks. "auto": "desk" with a desk.keys_file.
    `profile` "thrifty": WebP thumbnails of at most 3 kB and alerts without checkpoint, for
    links that are paid by the byte.
    `max_bps` bounds what alerts and pictures take of the link (0: no bound).
    `checkpoint_s`: how often a proof goes to the witnesses.
    """

    host: str = "127.0.0.1"
    port: Port = 1883
    ack: Literal["auto", "desk", "broker"] = "auto"
    profile: Literal["full", "thrifty"] = "full"
    max_bps: Annotated[int, Meta(ge=0)] = 0
    tls: TlsSection = TlsSection()
    username: str = ""
    password_file: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 90
    ack_timeout_s: Positive = 15.0
    desk_ack_timeout_s: Positive = 30.0
    checkpoint_s: Positive = 300.0
    connect_spread_s: NotNegative = 5.0
    backoff_cap_s: Positive = 60.0
    heartbeat_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    max_packet_bytes: Annotated[int, Meta(ge=16384)] = 20000


class MicrophoneSection(Section, frozen=True, kw_only=True):
    """How loud it is at the pole; nothing of what is heard is recorded. Empty `device`: none.

    `device` is an ALSA name ("plughw:1"), or the path of a WAV file (for tests). Levels are dB
    relative to a sine at full scale; with `calibration_db`, the sound pressure level of such a
    sine, they are dB re 20 µPa.
    """

    device: str = ""
    calibration_db: Annotated[float, Meta(ge=60, le=180)] | None = None


class DeskSection(Section, frozen=True, kw_only=True):
    """Whom this node believes: the verifier keys of its control room and of witnesses.

    `keys_file` as `roeh desk keys` writes it; empty: there is no desk.
    """

    keys_file: str = ""


class MetricsSection(Section, frozen=True, kw_only=True):
    """Prometheus text files, one a process, for a node exporter; empty `dir`: none."""

    dir: str = ""
    interval_s: Positive = 15.0


class RetrieveSection(Section, frozen=True, kw_only=True):
    """The page of the pole's health, on loopback and without a certificate."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8440


class AccessSection(Section, frozen=True, kw_only=True):
    """Retrieval over HTTPS with client certificates; empty `host`: off.

    `root_file` is the city's root; whom the pole lets in stands in a trust list signed under
    it, which comes as `trust_file` or over MQTT, HTTPS or USB. A list is stale after
    `stale_after_days`. Without a synchronised clock no list can be judged, unless
    `allow_unsynchronised`. Bundles wait encrypted in `exports_dir` (empty: paths.data_dir with
    "-exports" after it), `exports_max_bytes` of them for `keep_days`; they are made at
    `build_bps` at most. `tsa_url` names a time-stamping authority (RFC 3161).
    `c2pa_file` holds a key with its chain for content credentials of joined video.
    """

    host: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8443
    root_file: str = ""
    trust_file: str = ""
    stale_after_days: Positive = 30.0
    allow_unsynchronised: bool = False
    exports_dir: str = ""
    exports_max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 16 * 1024**3
    keep_days: Positive = 14.0
    build_bps: Annotated[int, Meta(ge=1_000_000)] = 64_000_000
    requests_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 240
    max_connections: Annotated[int, Meta(ge=1, le=1000)] = 32
    tsa_url: str = ""
    c2pa_file: str = ""


class SuperviseSection(Section, frozen=True, kw_only=True):
    """`roeh run`: how often a process may end before it is left for a person.

    A capture that ran well and says nothing for `silent_s` hangs in a camera's driver, and is
    ended (0: never).
    """

    max_restarts: Count = 10
    window_s: Positive = 60.0
    backoff_s: Positive = 0.2
    silent_s: NotNegative = 30.0


class UsersSection(Section, frozen=True, kw_only=True):
    """The system user of each process; empty means the user who runs the node."""

    capture: str = ""
    detect: str = ""
    evidence: str = ""
    publish: str = ""
    retrieve: str = ""
    supervise: str = ""
    custody: str = ""
    usb: str = ""


class NodeConfig(Section, frozen=True, kw_only=True):
    """The whole of node.toml."""

    sensors: Annotated[tuple[SensorSection, ...], Meta(min_length=1)]
    node: NodeSection = NodeSection()
    paths: PathsSection = PathsSection()
    detect: DetectSection = DetectSection()
    budget: BudgetSection = BudgetSection()
    zones: tuple[ZoneSection, ...] = ()
    lines: tuple[LineSection, ...] = ()
    schedules: tuple[ScheduleSection, ...] = ()
    operations: Annotated[tuple[OperationSection, ...], Meta(max_length=64)] = ()
    rules: tuple[RuleSection, ...] = ()
    outputs: Annotated[tuple[OutputSection, ...], Meta(max_length=16)] = ()
    evidence: EvidenceSection = EvidenceSection()
    keys: KeysSection = KeysSection()
    outbox: OutboxSection = OutboxSection()
    broker: BrokerSection = BrokerSection()
    desk: DeskSection = DeskSection()
    microphone: MicrophoneSection = MicrophoneSection()
    metrics: MetricsSection = MetricsSection()
    retrieve: RetrieveSection = RetrieveSection()
    access: AccessSection = AccessSection()
    supervise: SuperviseSection = SuperviseSection()
    users: UsersSection = UsersSection()
