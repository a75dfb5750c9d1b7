"""The sections of node.toml. Defaults stand here and nowhere else.

Angles: bearings are degrees from true north, clockwise. Positions: metres east and
north of the foot of the pole. A field's unit is the end of its name.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.flows import ACCESS_UNITS, OUTBOX, OUTBOX_HISTORY_BYTES

# `(?!\n)` because `$` alone lets a last line feed pass.
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}(?!\n)$",
        description="a name of at most 63 lower-case letters, digits and hyphens",
    ),
]
BearingDeg = Annotated[float, Meta(ge=0, lt=360)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Priority = Annotated[int, Meta(ge=1, le=9)]
TimeOfDay = Annotated[
    str,
    Meta(
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)(?!\n)$",
        description='a time of day such as "06:30"',
    ),
]
FilePath = Annotated[str, Meta(min_length=1, description="the path of a file")]
DirectoryPath = Annotated[str, Meta(min_length=1, description="the path of a directory")]
PictureSide = Annotated[int, Meta(ge=16, le=16384)]
NotEmpty = Annotated[str, Meta(min_length=1, max_length=80)]
RuleKindName = Annotated[
    Literal["zone_entry", "line_crossing", "loitering", "crowd"],
    Meta(description="one of: zone_entry, line_crossing, loitering, crowd"),
]
PointM = tuple[float, float]
PointPx = tuple[float, float]
Label = Annotated[
    Literal["person", "bicycle", "car", "motorcycle", "bus", "truck", "dog"],
    Meta(description="one of: person, bicycle, car, motorcycle, bus, truck, dog"),
]
Day = Annotated[
    Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    Meta(description="one of: mon, tue, wed, thu, fri, sat, sun"),
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration file; a key it does not know is an error."""


class NodeSection(Section, frozen=True, kw_only=True):
    """Which pole this is and where it stands.

    `heading_deg` is the true bearing of the pole's forward mark. Latitude and longitude
    are WGS 84; without them alerts carry bearing and range only.
    """

    site: Name = "site"
    name: Name = "pole"
    heading_deg: BearingDeg = 0.0
    heading_sigma_deg: NotNegative = 1.0
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


class LensSection(Section, frozen=True, kw_only=True):
    """A lens: `equidistant` and `kannala_brandt` need fov_deg, `pinhole` hfov by fov_deg too.

    `k` are the four Kannala-Brandt coefficients. `focal_px` (fx, fy), where calibrated,
    replaces the focal length that the field of view implies.
    """

    model: Literal["equidistant", "kannala_brandt", "pinhole"] = "equidistant"
    width_px: PictureSide
    height_px: PictureSide
    fov_deg: Annotated[float, Meta(gt=0, le=220)]
    center_px: PointPx | None = None
    focal_px: tuple[Positive, Positive] | None = None
    k: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


class StandaloneLens(LensSection, frozen=True, kw_only=True):
    """LENS.toml of `roeh detect`: a lens and how it hangs.

    `tilt_deg` 90 looks straight down, 0 at the horizon.
    """

    height_m: Positive
    tilt_deg: Annotated[float, Meta(ge=-90, le=90)] = 90.0
    azimuth_deg: BearingDeg = 0.0


class FileSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """A video file, at its own pace; `loop` starts it again at its end."""

    path: FilePath
    loop: bool = False


class RtspSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="rtsp"):
    """A network camera. Credentials stand in the URL or in `password_file`."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^rtsps?://[^\s/]\S*(?!\n)$",
            description="an address such as rtsp://camera.local/stream",
        ),
    ]
    password_file: str = ""
    transport: Literal["tcp", "udp"] = "tcp"
    stall_timeout_s: Positive = 5.0


class PanoramaView(Section, frozen=True, kw_only=True):
    """One pane of ordinary footage, hung round the pole.

    `hfov_deg` is the angle the picture's width takes; `tilt_deg` how far below the
    horizon its centre lies; `start_s` where in the footage it begins.
    """

    azimuth_deg: BearingDeg
    hfov_deg: Annotated[float, Meta(gt=5, lt=120)] = 60.0
    tilt_deg: Annotated[float, Meta(ge=0, lt=80)] = 20.0
    start_s: NotNegative = 0.0


class PanoramaSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="panorama"):
    """Ordinary footage re-projected into the sensor's own fisheye picture."""

    path: FilePath
    views: Annotated[tuple[PanoramaView, ...], Meta(min_length=1)]
    fps: Annotated[float, Meta(gt=0, le=60)] = 10.0
    loop: bool = True


class ComposedSource(Section, frozen=True, kw_only=True, tag_field="kind", tag="composed"):
    """Drawn people on a drawn street with exact ground truth.

    `night` and `flicker` in [0, 1]; `rain_drops` streaks in each frame.
    """

    seed: Annotated[int, Meta(ge=0)] = 1
    people: Annotated[int, Meta(ge=0, le=64)] = 8
    fps: Annotated[float, Meta(gt=0, le=60)] = 10.0
    duration_s: NotNegative = 0.0
    night: Share = 0.0
    rain_drops: Annotated[int, Meta(ge=0, le=5000)] = 0
    flicker: Share = 0.0


SourceSection = FileSource | RtspSource | PanoramaSource | ComposedSource


class MaskSection(Section, frozen=True, kw_only=True):
    """A privacy mask: nothing inside is analysed or ever shown in a thumbnail."""

    name: Name
    polygon_px: tuple[PointPx, ...]


class SensorSection(Section, frozen=True, kw_only=True):
    """One camera: what it gives, its lens, how it hangs.

    `azimuth_deg` is clockwise from the pole's forward mark; `tilt_deg` 90 looks straight
    down, 0 at the horizon.
    """

    name: Name = "sensor"
    source: SourceSection
    lens: LensSection
    height_m: Annotated[float, Meta(gt=0.5, lt=60)] = 5.0
    height_sigma_m: NotNegative = 0.03
    azimuth_deg: BearingDeg = 0.0
    tilt_deg: Annotated[float, Meta(ge=-90, le=90)] = 90.0
    roll_deg: Annotated[float, Meta(ge=-180, le=180)] = 0.0
    tilt_sigma_deg: NotNegative = 0.5
    masks: tuple[MaskSection, ...] = ()
    stop_after_s: NotNegative = 0.0


class DetectSection(Section, frozen=True, kw_only=True):
    """How often and how carefully pictures are looked at.

    `fps` bounds the pictures analysed each second; `sweep_s` the time in which every
    tile is looked at even when nothing moves; `max_tiles_per_frame` holds in rain.
    `check_height` refuses what cannot stand where it seems to stand (a spider on the
    lens). `track_log` names a file that every confirmed track is appended to.
    """

    model: str = ""
    threads: Count = 1
    fps: Annotated[float, Meta(gt=0, le=60)] = 5.0
    min_confidence: Share = 0.4
    labels: Annotated[tuple[Label, ...], Meta(min_length=1)] = (
        "person", "bicycle", "car", "motorcycle", "bus", "truck", "dog",
    )  # fmt: skip
    sweep_s: Positive = 1.0
    max_tiles_per_frame: Count = 3
    max_range_m: Positive = 40.0
    check_height: bool = True
    track_log: str = ""


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


class _Rule(Section, frozen=True, kw_only=True, tag_field="kind"):
    """What all rules have: `schedule` empty means always."""

    name: Name
    labels: Annotated[tuple[Label, ...], Meta(min_length=1)] = ("person",)
    priority: Priority = 5
    cool_down_s: NotNegative = 30.0
    schedule: str = ""


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


RuleSection = ZoneEntryRule | LineCrossingRule | LoiteringRule | CrowdRule


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
    """`roeh run`: how often a process may end before it is left for a person."""

    max_restarts: Count = 10
    window_s: Positive = 60.0
    backoff_s: Positive = 0.2


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
    zones: tuple[ZoneSection, ...] = ()
    lines: tuple[LineSection, ...] = ()
    schedules: tuple[ScheduleSection, ...] = ()
    rules: tuple[RuleSection, ...] = ()
    evidence: EvidenceSection = EvidenceSection()
    keys: KeysSection = KeysSection()
    outbox: OutboxSection = OutboxSection()
    broker: BrokerSection = BrokerSection()
    desk: DeskSection = DeskSection()
    metrics: MetricsSection = MetricsSection()
    retrieve: RetrieveSection = RetrieveSection()
    access: AccessSection = AccessSection()
    supervise: SuperviseSection = SuperviseSection()
    users: UsersSection = UsersSection()
