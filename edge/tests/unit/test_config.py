"""A mistake in node.toml is one line that names the field and what to write instead."""

import sys
from pathlib import Path

import msgspec
import pytest

from roeh.core.config import (
    ComposedSource,
    NodeConfig,
    PanoramaSource,
    RtspSource,
    ack_mode,
    config_as_toml,
    load_config,
    parse_config,
    parse_lens,
)
from roeh.core.errors import ConfigError, LensError
from roeh.core.users import node_users

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SENSOR = """
[[sensors]]
source = { kind = "composed" }
lens = { width_px = 640, height_px = 640, fov_deg = 180 }
"""
ZONE = """
[[zones]]
name = "quay"
polygon_m = [[0, 0], [4, 0], [4, 4]]
"""
EVERYTHING = """
[node]
site = "harbour"
name = "pole-7"
heading_deg = 34.5
latitude_deg = 32.08
longitude_deg = -34.8
time_zone = "Asia/Jerusalem"

[users]
publish = "nobody"

[[sensors]]
name = "north"
tilt_deg = 20.0
[sensors.source]
kind = "panorama"
path = 'C:\\clips\\"a b" é.mp4'
[[sensors.source.views]]
azimuth_deg = 10.0
[[sensors.source.views]]
azimuth_deg = 20.0
start_s = 3.5
[sensors.lens]
width_px = 640
height_px = 480
fov_deg = 90.0
model = "pinhole"
center_px = [319.5, 239.5]
focal_px = [300.0, 301.0]
[[sensors.masks]]
name = "window"
polygon_px = [[0, 0], [10, 0], [10, 10]]

[[sensors]]
name = "down"
source = { kind = "rtsp", url = "rtsps://user@camera/stream", transport = "udp" }
lens = { width_px = 640, height_px = 640, fov_deg = 180, k = [0.1, 0, 0, 1e-9] }

[[zones]]
name = "quay"
polygon_m = [[0, 0], [4, 0], [4, 4]]
[[zones]]
name = "gate"
bearing_from_deg = 350.0
bearing_to_deg = 10.0
range_to_m = 12.0

[[lines]]
name = "edge"
from_m = [0, 1]
to_m = [5, 1]

[[schedules]]
name = "night"
days = ["mon", "sun"]
start = "22:00"
end = "06:00"

[[rules]]
kind = "zone_entry"
name = "entry"
zone = "quay"
schedule = "night"
[[rules]]
kind = "line_crossing"
name = "crossing"
line = "edge"
direction = "left_to_right"
[[rules]]
kind = "loitering"
name = "loitering"
zone = "gate"
[[rules]]
kind = "crowd"
name = "crowd"
"""


def refusal(text):
    with pytest.raises(ConfigError) as caught:
        parse_config(text, name="node.toml")
    line = caught.value.line()
    assert "\n" not in line
    assert "node.toml" in line
    return line.removeprefix("roeh: ")


def sensor_with(**changes):
    text = SENSOR
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


def test_the_smallest_file_loads_with_every_default():
    config = parse_config(SENSOR, name="node.toml")
    assert config.sensors[0].source == ComposedSource()
    assert config.broker.port == 1883
    assert config.rules == ()


def test_every_kind_of_source_and_rule_loads_as_what_it_is():
    config = parse_config(EVERYTHING, name="node.toml")
    assert [type(sensor.source) for sensor in config.sensors] == [PanoramaSource, RtspSource]
    assert [type(rule).__name__ for rule in config.rules] == [
        "ZoneEntryRule",
        "LineCrossingRule",
        "LoiteringRule",
        "CrowdRule",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "",
            "CONFIG: missing key: sensors in the top level of node.toml; "
            "add sensors, a list of at least 1, each item a table with the keys",
        ),
        (
            "sensors = []",
            "CONFIG: expected a list of length >= 1: sensors = [] in node.toml; give sensors a",
        ),
        (
            SENSOR + "[node]\nheight_m = 3",
            "CONFIG: unknown key: 'height_m' in node of node.toml; known keys: heading_deg,",
        ),
        (
            SENSOR + "height_cm = 500",
            "CONFIG: unknown key: 'height_cm' in sensors[0] of node.toml; "
            "height_m is given in metres: write height_m",
        ),
        (
            SENSOR + "height = 5",
            "CONFIG: unknown key: 'height' in sensors[0] of node.toml; "
            "height_m is given in metres: write height_m",
        ),
        (
            SENSOR + "heigth_m = 5",
            "CONFIG: unknown key: 'heigth_m' in sensors[0] of node.toml; did you mean height_m?",
        ),
        (
            SENSOR + "[node]\nheading_rad = 0.3",
            "CONFIG: unknown key: 'heading_rad' in node of node.toml; "
            "heading_deg is given in degrees: write heading_deg",
        ),
        (
            SENSOR + "[borker]\nport = 3",
            "CONFIG: unknown key: 'borker' in the top level of node.toml; did you mean broker?",
        ),
        (
            SENSOR + '[node]\nheading_deg = "north"',
            "CONFIG: expected a number, got text: node.heading_deg = 'north' in node.toml; "
            "give node.heading_deg a number of degrees ≥ 0 and < 360",
        ),
        (
            SENSOR + "[node]\nheading_deg = 360",
            "CONFIG: expected a number < 360.0: node.heading_deg = 360 in node.toml; "
            "give node.heading_deg a number of degrees ≥ 0 and < 360",
        ),
        (
            SENSOR + "[node]\nheading_deg = 2024-01-01",
            "CONFIG: expected a number, got a date: node.heading_deg = ",
        ),
        (
            SENSOR + "[node]\nposition_sigma_m = nan",
            "CONFIG: not a finite number: node.position_sigma_m = nan in node.toml; give ",
        ),
        (
            SENSOR + '[node]\nsite = "Harbour North"',
            "CONFIG: expected text of another form: node.site = 'Harbour North' in node.toml; "
            "give node.site a name of at most 63 lower-case letters, digits and hyphens",
        ),
        (
            SENSOR + '[node]\nsite = "a\\n"',
            "CONFIG: a text with a control character: node.site = 'a\\n' in node.toml; ",
        ),
        (
            SENSOR + '[node]\ntime_zone = "Moon"',
            "CONFIG: unknown time zone: node.time_zone = 'Moon' in node.toml; ",
        ),
        (
            SENSOR + '[node]\ntime_zone = "Europe"',
            "CONFIG: unknown time zone: node.time_zone = 'Europe' in node.toml; ",
        ),
        (
            SENSOR + "[node]\nlatitude_deg = 3.0",
            "CONFIG: latitude and longitude go together: node in node.toml; give both",
        ),
        (
            sensor_with(kind=("composed", "webcam")),
            "CONFIG: invalid value 'webcam': sensors[0].source.kind = 'webcam' in node.toml; "
            "give sensors[0].source.kind one of: file, rtsp, panorama, composed",
        ),
        (
            sensor_with(kind=('kind = "composed"', "seed = 1")),
            "CONFIG: missing key: kind in sensors[0].source of node.toml; "
            "add kind, one of: file, rtsp, panorama, composed",
        ),
        (
            sensor_with(kind=('"composed"', '"composed", sead = 1')),
            "CONFIG: unknown key: 'sead' in sensors[0].source of node.toml; did you mean seed?",
        ),
        (
            sensor_with(kind=('"composed"', '"rtsp", url = "http://camera"')),
            "CONFIG: expected text of another form: sensors[0].source.url = 'http://camera' in "
            "node.toml; give sensors[0].source.url an address such as rtsp://",
        ),
        (
            sensor_with(width=("width_px = 640, ", "")),
            "CONFIG: missing key: width_px in sensors[0].lens of node.toml; "
            "add width_px, a whole number of pixels ≥ 16 and ≤ 16384",
        ),
        (
            sensor_with(fov=("fov_deg = 180", "fov_deg = 360")),
            "CONFIG: expected a number <= 220.0: sensors[0].lens.fov_deg = 360 in node.toml; ",
        ),
        (
            sensor_with(fov=("180", "180, center_px = [1, 2, 3]")),
            "CONFIG: expected a list of length 2, got 3: sensors[0].lens.center_px = [1, 2, 3] in "
            "node.toml; give sensors[0].lens.center_px a list of 2, each a number of pixels",
        ),
        (
            sensor_with(fov=("180", '180, model = "fish"')),
            "CONFIG: invalid value 'fish': sensors[0].lens.model = 'fish' in node.toml; "
            "give sensors[0].lens.model one of: equidistant, kannala_brandt, pinhole",
        ),
        (
            sensor_with(fov=("180", '180, model = "pinhole"')),
            "LENS: a pinhole lens sees less than 180 degrees: ",
        ),
        (
            sensor_with(fov=("180", "180, center_px = [700, 1]")),
            "LENS: the optical centre lies outside the picture: ",
        ),
        (
            sensor_with(kind=('"composed"', '"panorama", path = "a", views = []')),
            "CONFIG: expected a list of length >= 1: sensors[0].source.views = [] in node.toml; ",
        ),
        (
            SENSOR + 'masks = [{ name = "m", polygon_px = [[700, 0], [710, 0], [710, 9]] }]',
            "CONFIG: the mask lies outside the picture and would hide nothing: ",
        ),
        (
            SENSOR + SENSOR,
            "CONFIG: the name is used twice: 'sensor' in sensors of node.toml; ",
        ),
        (
            SENSOR + ZONE.replace("[4, 4]]", "]"),
            "CONFIG: a polygon needs three points or more: zones[0].polygon_m in node.toml; ",
        ),
        (
            SENSOR + ZONE.replace("[4, 4]", "[8, 0]"),
            "CONFIG: the polygon has no area: zones[0].polygon_m in node.toml; ",
        ),
        (
            SENSOR + ZONE.replace("[4, 4]]", "[0, 3], [4, 5]]"),
            "CONFIG: the polygon crosses itself: zones[0].polygon_m, edges ",
        ),
        (
            SENSOR + ZONE + "range_to_m = 4",
            "CONFIG: a zone is either a polygon or a sector: zones[0] quay in node.toml; ",
        ),
        (
            SENSOR + '[[zones]]\nname = "quay"\nbearing_from_deg = 4\nrange_to_m = 3',
            "CONFIG: a zone is either a polygon or a sector: zones[0] quay in node.toml; ",
        ),
        (
            SENSOR + '[[zones]]\nname = "quay"\nbearing_from_deg = 4\nbearing_to_deg = 9\n'
            "range_from_m = 5\nrange_to_m = 3",
            "CONFIG: the sector has no depth: zones[0] quay in node.toml; ",
        ),
        (
            SENSOR + '[[lines]]\nname = "edge"\nfrom_m = [1, 1]\nto_m = [1, 1]',
            "CONFIG: the line has no length: lines[0] edge in node.toml; ",
        ),
        (
            SENSOR + '[[schedules]]\nname = "never"\nstart = "06:00"\nend = "06:00"',
            "CONFIG: the schedule has no length: schedules[0] never in node.toml; ",
        ),
        (
            SENSOR + '[[schedules]]\nname = "never"\nstart = "6:00"',
            "CONFIG: expected text of another form: schedules[0].start = '6:00' in node.toml; "
            'give schedules[0].start a time of day such as "06:30"',
        ),
        (
            SENSOR + ZONE + '[[rules]]\nkind = "zone_entry"\nname = "r"\nzone = "key"',
            "CONFIG: no such name: rules[0] r zone = 'key' in node.toml; "
            "define it or use one of: quay",
        ),
        (
            SENSOR + '[[rules]]\nkind = "line_crossing"\nname = "r"\nline = "edge"',
            "CONFIG: no such name: rules[0] r line = 'edge' in node.toml; "
            "define it or use one of: none is defined",
        ),
        (
            SENSOR + '[[rules]]\nkind = "crowd"\nname = "r"\nschedule = "night"',
            "CONFIG: no such name: rules[0] r schedule = 'night' in node.toml; ",
        ),
        (
            SENSOR + '[[rules]]\nkind = "crowd"\nname = "r"\nlabels = ["cat"]',
            "CONFIG: invalid value 'cat': rules[0].labels[0] = 'cat' in node.toml; "
            "give rules[0].labels[0] one of: person, bicycle,",
        ),
        (
            SENSOR + ZONE + '[[rules]]\nkind = "zone_entry"\nname = "r"\nzone = "quay"\n'
            "min_frames = 6",
            "CONFIG: more frames are asked for than are looked at: rules[0] r min_frames = 6 in ",
        ),
        (
            SENSOR + '[broker.tls]\ncertificate_file = "a"',
            "CONFIG: a certificate and its key go together: broker.tls in node.toml; ",
        ),
        (
            SENSOR + '[broker.tls]\ncertificate_file = "a"\nkey_file = "b"',
            "CONFIG: a certificate without ca_file would not be used: broker.tls in node.toml; ",
        ),
        (
            SENSOR + "[outbox]\nmax_bytes = 1000",
            "CONFIG: expected a whole number >= 65536: outbox.max_bytes = 1000 in node.toml; "
            "give outbox.max_bytes a whole number of bytes ≥ 65536",
        ),
        (
            SENSOR + "[outbox]\nmax_mb = 64",
            "CONFIG: unknown key: 'max_mb' in outbox of node.toml; "
            "max_bytes is given in bytes: write max_bytes",
        ),
        (
            SENSOR + '[paths]\ndata_dir = ""',
            "CONFIG: expected text of length >= 1: paths.data_dir = '' in node.toml; "
            "give paths.data_dir the path of a directory",
        ),
        ("node = 1\n" + SENSOR, "CONFIG: expected a table, got a whole number: node = 1 in "),
        ("a = " + "[" * 3000, "CONFIG: nested too deeply: node.toml; "),
        ("a = " + "9" * 5000, "CONFIG: not valid TOML: node.toml: Exceeds the limit"),
        ("a =", "CONFIG: not valid TOML: node.toml: Invalid value (at end of document); "),
        (
            SENSOR + f'[node]\nsite = "{"x" * 10_000}"',
            "CONFIG: expected text of another form: node.site = 'xxxxxxxxxxxxxxxxxx",
        ),
        (
            SENSOR + '"\\u001b[2J" = 1',
            "CONFIG: unknown key: '\\x1b[2J' in sensors[0] of node.toml; ",
        ),
    ],
    ids=lambda value: value[:60] if value.startswith(("CONFIG", "LENS")) else "",
)
def test_a_mistake_is_named_with_its_fix(text, line):
    found = refusal(text)
    assert found.startswith(line)
    assert len(found) < 500


@pytest.mark.parametrize("text", [SENSOR, EVERYTHING])
def test_what_is_shown_loads_again_as_the_same(text):
    config = parse_config(text, name="node.toml")
    assert parse_config(config_as_toml(config), name="shown") == config


def test_what_is_shown_names_every_key_and_every_table():
    shown = config_as_toml(parse_config(SENSOR, name="node.toml"))
    assert "\n# latitude_deg is not set\n" in shown
    assert "\n# center_px is not set\n" in shown
    for table in ("zones", "lines", "schedules", "rules", "sensors.masks"):
        assert f"\n# there is no [[{table}]]\n" in shown
    for name in NodeConfig.__struct_fields__:
        assert f"[{name}]" in shown
    values = tomllib.loads(shown)
    assert values["broker"]["tls"] == {"ca_file": "", "certificate_file": "", "key_file": ""}
    assert values["sensors"][0]["source"]["kind"] == "composed"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    def of(path):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        return caught.value.line()

    assert of(tmp_path / "none.toml") == (
        f"roeh: CONFIG: no such file: {tmp_path}/none.toml; name the configuration file that exists"
    )
    assert "Is a directory" in of(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "give a text file in UTF-8" in of(tmp_path / "binary.toml")
    assert "null byte" in of(Path("a\0b"))


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path):
    path = tmp_path / "node.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SENSOR.replace("\n", "\r\n").encode())
    assert load_config(path) == parse_config(SENSOR, name="node.toml")


def test_a_lens_file_is_checked_like_the_lens_of_a_sensor(tmp_path):
    path = tmp_path / "lens.toml"
    path.write_text('model = "pinhole"\nwidth_px = 64\nheight_px = 64\nfov_deg = 190\nheight_m = 3')
    with pytest.raises(LensError, match="sees less than 180"):
        parse_lens(path)
    path.write_text("width_px = 64\nheight_px = 64\nfov_deg = 190\nheight_cm = 3")
    with pytest.raises(ConfigError, match="height_m is given in metres"):
        parse_lens(path)
    path.write_text("width_px = 64\nheight_px = 64\nfov_deg = 190\nheight_m = 3")
    assert parse_lens(path).tilt_deg == 90.0


def test_a_user_that_does_not_exist_is_named():
    config = parse_config(SENSOR + '[users]\npublish = "no-such-user"', name="node.toml")
    with pytest.raises(ConfigError) as caught:
        node_users(config)
    assert caught.value.line() == (
        "roeh: CONFIG: no such user on this machine: [users] no-such-user; "
        "create the user or correct the name"
    )


def test_sections_are_frozen():
    config = parse_config(SENSOR, name="node.toml")
    with pytest.raises(AttributeError):
        config.node.site = "other"
    assert msgspec.structs.replace(config) == config


@pytest.mark.parametrize(
    ("ack", "keys_file", "mode"),
    [
        ("auto", "", "broker"),
        ("auto", "desk.keys", "desk"),
        ("broker", "desk.keys", "broker"),
        ("desk", "desk.keys", "desk"),
    ],
)
def test_with_the_desks_keys_only_its_word_takes_an_alert_out_unless_told_otherwise(
    ack, keys_file, mode
):
    text = f'{SENSOR}\n[broker]\nack = "{ack}"\n[desk]\nkeys_file = "{keys_file}"\n'
    assert ack_mode(parse_config(text, name="node.toml")) == mode


def test_a_desk_that_could_not_be_believed_is_refused():
    with pytest.raises(ConfigError, match="without desk"):
        parse_config(f'{SENSOR}\n[broker]\nack = "desk"\n', name="node.toml")


TWO_CAMERAS = """
[[sensors]]
name = "north"
source = {{ {first} }}
lens = {{ width_px = 640, height_px = 480, fov_deg = 90 }}
[[sensors]]
name = "south"
source = {{ {second} }}
lens = {{ width_px = 640, height_px = 480, fov_deg = 90 }}
"""


@pytest.mark.parametrize(
    "source",
    ['kind = "picamera2"', 'kind = "gstreamer"', 'kind = "v4l2", device = "/dev/video2"'],
)
def test_a_camera_on_the_board_is_one_sensor(source):
    found = refusal(TWO_CAMERAS.format(first=source, second=source))

    assert found.startswith("CONFIG: one camera cannot be two sensors: ")
    assert "of north and south in node.toml; give each sensor a camera of its own" in found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('kind = "picamera2"', 'kind = "picamera2", camera = 1'),
        ('kind = "picamera2"', 'kind = "gstreamer"'),
        ('kind = "gstreamer", element = "videotestsrc"',) * 2,
        ('kind = "composed"', 'kind = "composed"'),
    ],
)
def test_cameras_that_differ_may_be_several_sensors(first, second):
    config = parse_config(TWO_CAMERAS.format(first=first, second=second), name="node.toml")

    assert len(config.sensors) == 2


@pytest.mark.parametrize(
    ("source", "light", "field"),
    [
        ('kind = "rtsp", url = "rtsp://camera.local/1"', "mains_hz = 60", "mains_hz"),
        ('kind = "v4l2"', "max_exposure_s = 0.02", "max_exposure_s"),
        ('kind = "v4l2"', "ir_cut = { filter_line = 4 }", "ir_cut"),
        ('kind = "gstreamer"', "ir_cut = { filter_line = 4 }", "ir_cut"),
    ],
)
def test_light_that_a_source_would_not_carry_out_is_refused(source, light, field):
    text = SENSOR.replace('kind = "composed"', source) + f"light = {{ {light} }}\n"
    found = refusal(text)
    assert f"sensors[0].light.{field} in node.toml" in found


def test_light_that_a_source_carries_out_is_taken():
    for kind, light in (
        ("picamera2", "max_gain = 4.0, metering = 'whole', ir_cut = { filter_line = 4 }"),
        ("gstreamer", "mains_hz = 60, max_gain = 4.0, metering = 'whole'"),
        ("v4l2", "mains_hz = 60"),
    ):
        text = SENSOR.replace("composed", kind) + f"light = {{ {light} }}\n"
        assert parse_config(text, name="node.toml").sensors[0].light.mains_hz in (50, 60)


def test_a_recording_with_an_odd_side_is_refused():
    source = 'kind = "picamera2", record_width_px = 1921, record_height_px = 1441'
    found = refusal(TWO_CAMERAS.format(first=source, second='kind = "composed"'))

    assert found.startswith("CONFIG: a recording's sides are even: ")
    assert "sensors[0].source 1921x1441 in node.toml; give even sizes" in found
