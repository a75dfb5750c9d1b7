"""What the types cannot say: names that must exist, geometry that must be possible."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence

from roeh.core.config.camera_rules import with_camera_rules
from roeh.core.config.names_check import check_known, check_unique
from roeh.core.config.operations_check import check_operations
from roeh.core.config.outputs_check import check_outputs
from roeh.core.config.rule_schema import (
    CameraBlindRule,
    CameraTamperRule,
    LineCrossingRule,
    LoudNoiseRule,
    ZoneEntryRule,
)
from roeh.core.config.schema import NodeConfig, TlsSection, ZoneSection
from roeh.core.config.sensor_schema import (
    GstreamerSource,
    LensSection,
    LightSection,
    MaskSection,
    Picamera2Source,
    SensorSection,
    SourceSection,
    V4l2Source,
)
from roeh.core.errors import ConfigError, LensError

_MIN_POLYGON = 3
#: Keys of [sensors.light] that a kind of source carries out; the others carry out none.
_LIGHT_OF: dict[type[SourceSection], tuple[str, ...]] = {
    Picamera2Source: LightSection.__struct_fields__,
    GstreamerSource: ("mains_hz", "max_exposure_s", "max_gain", "metering"),
    V4l2Source: ("mains_hz",),
}


def check_config(config: NodeConfig, name: str) -> None:
    """Refuse a configuration that is well formed but cannot be meant.

    Raises:
        ConfigError: naming the field and what to write.
    """
    config = with_camera_rules(config)
    _check_node(config, name)
    for index, sensor in enumerate(config.sensors):
        _check_sensor(sensor, f"sensors[{index}]", name)
    check_unique("sensors", [sensor.name for sensor in config.sensors], name)
    _check_own_cameras(config.sensors, name)
    check_unique("zones", [zone.name for zone in config.zones], name)
    check_unique("lines", [line.name for line in config.lines], name)
    check_unique("rules", [rule.name for rule in config.rules], name)
    check_unique("schedules", [schedule.name for schedule in config.schedules], name)
    for index, zone in enumerate(config.zones):
        _check_zone(zone, f"zones[{index}]", name)
    for index, line in enumerate(config.lines):
        if line.from_m == line.to_m:
            raise ConfigError(
                what="the line has no length",
                which=f"lines[{index}] {line.name} in {name}",
                remedy="give from_m and to_m two different points",
            )
    _check_rules(config, name)
    check_operations(config, name)
    check_outputs(config, name)
    for index, schedule in enumerate(config.schedules):
        if schedule.start == schedule.end:
            raise ConfigError(
                what="the schedule has no length",
                which=f"schedules[{index}] {schedule.name} in {name}",
                remedy='give start and end two different times; all day is "00:00" to "24:00"',
            )
    if config.broker.ack == "desk" and not config.desk.keys_file:
        raise ConfigError(
            what="no acknowledgement could be verified, and nothing would leave the outbox",
            which=f'broker.ack = "desk" without desk.keys_file in {name}',
            remedy="give desk.keys_file as roeh desk keys writes it, or leave ack out",
        )
    check_tls(config.broker.tls, name)


def check_tls(tls: TlsSection, name: str) -> None:
    """Refuse [broker.tls] that would not be used as it is meant.

    Raises:
        ConfigError: naming the field and what to write.
    """
    if bool(tls.certificate_file) != bool(tls.key_file):
        raise ConfigError(
            what="a certificate and its key go together",
            which=f"broker.tls in {name}",
            remedy="give both certificate_file and key_file, or neither",
        )
    if tls.certificate_file and not tls.ca_file:
        raise ConfigError(
            what="a certificate without ca_file would not be used",
            which=f"broker.tls in {name}",
            remedy="give ca_file, the authority that signed the broker's certificate",
        )


def check_lens(lens: LensSection, *, place: str, name: str) -> None:
    """Refuse a lens that no camera can have.

    Raises:
        LensError: naming the field and what to write.
    """
    if lens.model == "pinhole" and lens.fov_deg >= 180:
        raise LensError(
            what="a pinhole lens sees less than 180 degrees",
            which=f"{place} fov_deg = {lens.fov_deg} in {name}",
            remedy='give the horizontal field of view, or model = "equidistant" for a fisheye',
        )
    if lens.center_px is not None:
        x, y = lens.center_px
        if not (0 <= x < lens.width_px and 0 <= y < lens.height_px):
            raise LensError(
                what="the optical centre lies outside the picture",
                which=f"{place} center_px = [{x}, {y}] in {name}",
                remedy=f"give a point inside {lens.width_px} x {lens.height_px} pixels",
            )


def _check_node(config: NodeConfig, name: str) -> None:
    node = config.node
    if node.site == "desk":
        raise ConfigError(
            what="a site that is kept for control rooms",
            which=f"node.site = {node.site!r} in {name}",
            remedy="give the site another name",
        )
    if (node.latitude_deg is None) != (node.longitude_deg is None):
        raise ConfigError(
            what="latitude and longitude go together",
            which=f"node in {name}",
            remedy="give both latitude_deg and longitude_deg, or neither",
        )
    try:
        zoneinfo.ZoneInfo(node.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            what="unknown time zone",
            which=f"node.time_zone = {node.time_zone!r} in {name}",
            remedy='give a name of the IANA database such as "Asia/Jerusalem", or "UTC"',
        ) from None


def _check_sensor(sensor: SensorSection, place: str, name: str) -> None:
    check_lens(sensor.lens, place=f"{place}.lens", name=name)
    if isinstance(sensor.source, Picamera2Source | GstreamerSource):
        _check_record_size(sensor, sensor.source, f"{place}.source", name)
    _check_light(sensor, place, name)
    ir_cut = sensor.light.ir_cut
    if ir_cut is not None and ir_cut.day_exposure_s >= ir_cut.night_exposure_s:
        raise ConfigError(
            what="day and night would alternate",
            which=f"{place}.light.ir_cut day_exposure_s = {ir_cut.day_exposure_s} in {name}",
            remedy=f"give less than night_exposure_s = {ir_cut.night_exposure_s}",
        )
    check_unique(f"{place}.masks", [mask.name for mask in sensor.masks], name)
    for index, mask in enumerate(sensor.masks):
        _check_polygon(mask.polygon_px, f"{place}.masks[{index}].polygon_px", name)
        _check_mask(mask, sensor.lens, f"{place}.masks[{index}] {mask.name}", name)


def _check_light(sensor: SensorSection, place: str, name: str) -> None:
    """What nobody would carry out is refused: a filter or an exposure believed to be set."""
    kind = type(sensor.source)
    plain = LightSection()
    for field in LightSection.__struct_fields__:
        is_set = getattr(sensor.light, field) != getattr(plain, field)
        if is_set and field not in _LIGHT_OF.get(kind, ()):
            raise ConfigError(
                what=f"a source of kind {kind.__struct_config__.tag} does not take it",
                which=f"{place}.light.{field} in {name}",
                remedy="remove it, and set it in the camera itself where it can be",
            )


def _check_own_cameras(sensors: Sequence[SensorSection], name: str) -> None:
    """A camera on the board is opened once."""
    known: dict[str, str] = {}
    for sensor in sensors:
        camera = _board_camera(sensor.source)
        if camera and camera in known:
            raise ConfigError(
                what="one camera cannot be two sensors",
                which=f"{camera} of {known[camera]} and {sensor.name} in {name}",
                remedy="give each sensor a camera of its own",
            )
        known[camera] = sensor.name


def _board_camera(source: SourceSection) -> str:
    """Which camera on the board it is; empty for any other source."""
    if isinstance(source, Picamera2Source):
        return f"picamera2 camera {source.camera}"
    if isinstance(source, GstreamerSource) and source.element == "nvarguscamerasrc":
        return f"{source.element} camera {source.camera}"
    return source.device if isinstance(source, V4l2Source) else ""


def _check_record_size(
    sensor: SensorSection, source: Picamera2Source | GstreamerSource, place: str, name: str
) -> None:
    width_px, height_px, lens = source.record_width_px, source.record_height_px, sensor.lens
    if (width_px == 0) != (height_px == 0):
        raise ConfigError(
            what="the width and the height of the recording go together",
            which=f"{place} in {name}",
            remedy="give both record_width_px and record_height_px, or neither",
        )
    if width_px % 2 or height_px % 2:
        raise ConfigError(
            what="a recording's sides are even: its colour is stored for two pixels at a time",
            which=f"{place} {width_px}x{height_px} in {name}",
            remedy="give even sizes",
        )
    # One pixel of rounding is all that an encoder's even sides cost.
    if abs(width_px * lens.height_px - height_px * lens.width_px) > 2 * max(width_px, height_px):
        raise ConfigError(
            what="the recording has another shape than the lens's picture",
            which=f"{place} {width_px}x{height_px} in {name}",
            remedy=f"give a size in the proportion of {lens.width_px} x {lens.height_px}",
        )


def _check_mask(mask: MaskSection, lens: LensSection, place: str, name: str) -> None:
    xs, ys = zip(*mask.polygon_px, strict=True)
    if max(xs) <= 0 or max(ys) <= 0 or min(xs) >= lens.width_px or min(ys) >= lens.height_px:
        raise ConfigError(
            what="the mask lies outside the picture and would hide nothing",
            which=f"{place} in {name}",
            remedy=f"give pixels inside {lens.width_px} x {lens.height_px}",
        )


def _check_zone(zone: ZoneSection, place: str, name: str) -> None:
    sector = (zone.bearing_from_deg, zone.bearing_to_deg, zone.range_to_m)
    given = sum(value is not None for value in sector)
    wanted = 0 if zone.polygon_m else len(sector)
    if given != wanted:
        raise ConfigError(
            what="a zone is either a polygon or a sector",
            which=f"{place} {zone.name} in {name}",
            remedy="give polygon_m, or bearing_from_deg, bearing_to_deg and range_to_m",
        )
    if zone.polygon_m:
        _check_polygon(zone.polygon_m, f"{place}.polygon_m", name)
    elif zone.range_to_m is not None and zone.range_to_m <= zone.range_from_m:
        raise ConfigError(
            what="the sector has no depth",
            which=f"{place} {zone.name} in {name}",
            remedy="make range_to_m greater than range_from_m",
        )


def _check_rules(config: NodeConfig, name: str) -> None:
    zones = {zone.name for zone in config.zones}
    lines = {line.name for line in config.lines}
    schedules = {schedule.name for schedule in config.schedules}
    for index, rule in enumerate(config.rules):
        place = f"rules[{index}] {rule.name}"
        if rule.schedule:
            check_known(rule.schedule, schedules, f"{place} schedule", name)
        if isinstance(rule, LineCrossingRule):
            check_known(rule.line, lines, f"{place} line", name)
        elif isinstance(rule, ZoneEntryRule):
            check_known(rule.zone, zones, f"{place} zone", name)
            if rule.min_frames > rule.of_frames:
                raise ConfigError(
                    what="more frames are asked for than are looked at",
                    which=f"{place} min_frames = {rule.min_frames} in {name}",
                    remedy=f"give at most of_frames = {rule.of_frames}",
                )
        elif isinstance(rule, LoudNoiseRule):
            _check_heard(rule, config, place, name)
        elif not isinstance(rule, CameraTamperRule | CameraBlindRule) and rule.zone:
            check_known(rule.zone, zones, f"{place} zone", name)


def _check_heard(rule: LoudNoiseRule, config: NodeConfig, place: str, name: str) -> None:
    if not config.microphone.device:
        raise ConfigError(
            what="a rule that hears needs a microphone",
            which=f"{place} in {name}",
            remedy="give microphone.device, or remove the rule",
        )
    if config.microphone.calibration_db is None and rule.level_db >= 0:
        raise ConfigError(
            what="without calibration no sound is as loud: 0 is full scale",
            which=f"{place} level_db = {rule.level_db:g} in {name}",
            remedy="give microphone.calibration_db, or a level_db below 0",
        )


def _check_polygon(points: Sequence[tuple[float, float]], place: str, name: str) -> None:
    if len(points) < _MIN_POLYGON:
        raise ConfigError(
            what="a polygon needs three points or more",
            which=f"{place} in {name}",
            remedy="add points, in order round the edge",
        )
    count = len(points)
    for i in range(count):
        for j in range(i + 1, count):
            if j in (i, (i + 1) % count) or i == (j + 1) % count:
                continue
            if _crosses(points[i], points[(i + 1) % count], points[j], points[(j + 1) % count]):
                raise ConfigError(
                    what="the polygon crosses itself",
                    which=f"{place}, edges {i + 1} and {j + 1} in {name}",
                    remedy="list the points in order round the edge",
                )
    if _area(points) == 0:
        raise ConfigError(
            what="the polygon has no area",
            which=f"{place} in {name}",
            remedy="give points that do not lie on one line",
        )


def _area(points: Sequence[tuple[float, float]]) -> float:
    """Twice the area, signed."""
    following = (*points[1:], points[0])
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, following, strict=True))


def _crosses(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float]
) -> bool:
    """Whether the segments a-b and c-d properly intersect."""

    def side(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
