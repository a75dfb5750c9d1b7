"""A mistake in desk.toml is one line that names the field and what to write instead."""

import argparse
import sys

import pytest

from roeh.core.config import DeskConfig, config_as_toml, parse_config, parse_desk_config
from roeh.core.errors import ConfigError
from roeh.desk import commands
from roeh.desk.service_tls import service_tls
from roeh.keys.service_names import ServiceKind
from roeh.transport.tls import TlsFiles

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SECTOR = '[[sectors]]\nname = "quay"\npoles = ["harbour/pole-7"]\n'
PLACE = '[[places]]\nname = "school"\nshown_as = "The school"\npoles = ["harbour/pole-7"]\n'
JOINT = SECTOR + '[[audiences]]\nkind = "joint"\nname = "north"\nsectors = ["quay"]\n'
PARENT = PLACE + '[[audiences]]\nkind = "parent"\nname = "mothers"\nplaces = ["school"]\n'
EVERYTHING = f"""
name = "haifa"
[paths]
data_dir = "/var/lib/desk"
[database]
url = "postgresql://roeh@db.haifa.example/roeh"
[broker]
host = "broker.haifa.example"
port = 8884
tls = {{ ca_file = "broker-ca.pem" }}
{JOINT}
[[sectors]]
name = "gate"
poles = ["harbour/pole-8"]
bearing_from_deg = 350.0
bearing_to_deg = 20.0
{PARENT}
rule_kinds = ["crowd"]
[adapters.onvif]
enabled = true
[adapters.cap]
enabled = true
dir = "cap"
"""


def refusal(text, parse=parse_desk_config):
    with pytest.raises(ConfigError) as caught:
        parse(text, name="desk.toml")
    line = caught.value.line()
    assert "\n" not in line
    assert "desk.toml" in line
    assert len(line) < 500
    return line.removeprefix("roeh: CONFIG: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # What no single field can say of itself.
        (SECTOR + SECTOR, "the name stands twice: sectors 'quay' in desk.toml; give each its own"),
        (PLACE + PLACE, "the name stands twice: places 'school' in desk.toml; give each its own"),
        (
            JOINT + PLACE + '[[audiences]]\nkind="parent"\nname="north"\nplaces=["school"]',
            "the name stands twice: audiences 'north' in desk.toml; give each its own name",
        ),
        (
            JOINT.replace('"north"', '"control"'),
            "a name that is the desk's own: audiences 'control' in desk.toml; give the audience",
        ),
        (
            PARENT.replace('"mothers"', '"onvif"'),
            "a name that is the desk's own: audiences 'onvif' in desk.toml; give the audience",
        ),
        (
            JOINT.replace('["quay"]', '["quai"]'),
            "no such entry of sectors: audiences 'north': 'quai' in desk.toml; "
            "add it to sectors, or name one of: quay",
        ),
        (
            JOINT.removeprefix(SECTOR),
            "no such entry of sectors: audiences 'north': 'quay' in desk.toml; "
            "add it to sectors, or name one of: none",
        ),
        (
            PARENT.replace('["school"]', '["school", "park"]'),
            "no such entry of places: audiences 'mothers': 'park' in desk.toml; "
            "add it to places, or name one of: school",
        ),
        (
            SECTOR + "bearing_from_deg = 10.0",
            "half a range of bearings: sectors 'quay' in desk.toml; "
            "give bearing_from_deg and bearing_to_deg, or neither",
        ),
        (
            SECTOR + "bearing_to_deg = 10.0",
            "half a range of bearings: sectors 'quay' in desk.toml; ",
        ),
        (
            "[adapters.cap]\nenabled = true",
            "nowhere to write CAP messages: adapters.cap.dir in desk.toml; name a directory",
        ),
        (
            '[broker.tls]\nca_file = "ca.pem"\ncertificate_file = "desk.pem"',
            "a certificate and its key go together: broker.tls in desk.toml; "
            "give both certificate_file and key_file, or neither",
        ),
        (
            '[broker.tls]\ncertificate_file = "desk.pem"\nkey_file = "desk.pem"',
            "a certificate without ca_file would not be used: broker.tls in desk.toml; ",
        ),
        (
            '[database]\nurl = "mysql://roeh:secret@db/roeh"',
            "not a database that the desk knows: database.url in desk.toml; "
            "write sqlite:///FILE or postgresql://USER@HOST/DATABASE, or leave it empty",
        ),
        # Keys and tables that are not there.
        ('nmae = "haifa"', "unknown key: 'nmae' in the top level of desk.toml; did you mean name?"),
        ("[retentoin]", "unknown key: 'retentoin' in the top level of desk.toml; "
         "did you mean retention?"),
        (
            "[retention]\nthumbnail_h = 48",
            "unknown key: 'thumbnail_h' in retention of desk.toml; "
            "thumbnail_days is given in days: write thumbnail_days",
        ),
        (
            "[ingest]\ncommit_wait_s = 1",
            "unknown key: 'commit_wait_s' in ingest of desk.toml; "
            "commit_wait_ms is given in milliseconds: write commit_wait_ms",
        ),
        (
            "[ingest]\nmissing_after = 5",
            "unknown key: 'missing_after' in ingest of desk.toml; "
            "missing_after_s is given in seconds: write missing_after_s",
        ),
        (
            "[broker]\nca_file = 'ca.pem'",
            "unknown key: 'ca_file' in broker of desk.toml; did you mean tls.ca_file?",
        ),
        (
            "[adapters.onvif]\nprefx = 'a'",
            "unknown key: 'prefx' in adapters.onvif of desk.toml; did you mean prefix?",
        ),
        (
            PARENT + "delay_min = 5",
            "unknown key: 'delay_min' in audiences[0] of desk.toml; "
            "delay_s is given in seconds: write delay_s",
        ),
        # Keys that a table of one kind has and one of another has not.
        (
            PARENT.replace("places = [", "sectors = ["),
            "unknown key: 'sectors' in audiences[0] of desk.toml; known keys: ",
        ),
        (
            '[[sectors]]\nname = "quay"',
            "missing key: poles in sectors[0] of desk.toml; add poles, a list of at least 1, "
            'each item a pole as "site/node"',
        ),
        (
            '[[places]]\nname = "school"\npoles = ["harbour/pole-7"]',
            "missing key: shown_as in places[0] of desk.toml; add shown_as, ",
        ),
        (
            '[[audiences]]\nname = "north"\nsectors = ["quay"]',
            "missing key: kind in audiences[0] of desk.toml; add kind, one of: joint, parent",
        ),
        # Values that a field does not take.
        (
            JOINT.replace('"joint"', '"jiont"'),
            "invalid value 'jiont': audiences[0].kind = 'jiont' in desk.toml; "
            "give audiences[0].kind one of: joint, parent",
        ),
        (
            'name = "Haifa"',
            "expected text of another form: name = 'Haifa' in desk.toml; "
            "give name a name of at most 63 lower-case letters, digits and hyphens",
        ),
        (
            SECTOR.replace("harbour/pole-7", "pole-7"),
            "expected text of another form: sectors[0].poles[0] = 'pole-7' in desk.toml; "
            'give sectors[0].poles[0] a pole as "site/node"',
        ),
        (
            SECTOR.replace('["harbour/pole-7"]', '"harbour/pole-7"'),
            "expected a list, got text: sectors[0].poles = 'harbour/pole-7' in desk.toml; ",
        ),
        (
            SECTOR.replace('["harbour/pole-7"]', "[]"),
            "expected a list of length >= 1: sectors[0].poles = [] in desk.toml; "
            "give sectors[0].poles a list of at least 1, ",
        ),
        (
            PARENT + "delay_s = 10",
            "expected a number >= 60.0: audiences[0].delay_s = 10 in desk.toml; "
            "give audiences[0].delay_s a number of seconds ≥ 60",
        ),
        (
            PARENT + 'rule_kinds = ["entry"]',
            "invalid value 'entry': audiences[0].rule_kinds[0] = 'entry' in desk.toml; "
            "give audiences[0].rule_kinds[0] one of: zone_entry, line_crossing, loitering, crowd",
        ),
        (
            "[retention]\nalert_days = 0",
            "expected a number > 0.0: retention.alert_days = 0 in desk.toml; "
            "give retention.alert_days a number of days > 0",
        ),
        (
            "[ingest]\ncommit_rows = 1000000",
            "expected a whole number <= 10000: ingest.commit_rows = 1000000 in desk.toml; ",
        ),
        (
            '[broker]\nport = "8884"',
            "expected a whole number, got text: broker.port = '8884' in desk.toml; "
            "give broker.port a whole number ≥ 1 and ≤ 65535",
        ),
        (
            '[adapters.cap]\nstatus = "Real"',
            "invalid value 'Real': adapters.cap.status = 'Real' in desk.toml; "
            "give adapters.cap.status one of: Actual, Exercise, System, Test",
        ),
        ("[retention]\nalert_days = inf", "not a finite number: retention.alert_days = inf in "),
        ("name = haifa", "not valid TOML: desk.toml: "),
        # A pole's file in its place.
        (
            '[node]\nname = "pole-7"\n[[sensors]]\nheight_m = 5.0\n[broker]\nport = 1883',
            "a pole's configuration: node, sensors in desk.toml; "
            "name the desk's file, or check this one with roeh config check",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_fix(text, line):
    assert refusal(text).startswith(line)


@pytest.mark.parametrize(
    "prefix",
    [
        "roeh",
        "roeh/v1",
        "roeh/v1/harbour/pole-7/down",
        "roeh/desk/v1",
        "roeh/view/v1",
        "roeh/view/v1/control",
        "roeh/view/v1/control/onvif",
        "roeh/view/v1/mothers",
        "roeh/view/v1/mothers/onvif",
    ],
)
def test_events_of_onvif_never_lie_where_others_read(prefix):
    line = refusal(f'{PARENT}\n[adapters.onvif]\nprefix = "{prefix}"')
    assert line.startswith("these topics belong to poles, desk or an audience: adapters.onvif.")
    assert f"prefix = '{prefix}' in desk.toml; name another branch, such as " in line


@pytest.mark.parametrize(
    "prefix", ["roeh/view/v1/onvif", "roeh/view/v1/a/b", "onvif", "roehampton"]
)
def test_events_of_onvif_may_lie_anywhere_else(prefix):
    parse_desk_config(f'{PARENT}\n[adapters.onvif]\nprefix = "{prefix}"', name="desk.toml")


def test_a_database_password_is_not_repeated():
    assert "secret" not in refusal('[database]\nurl = "mysql://roeh:secret@db/roeh"')


def test_a_desk_s_file_in_the_place_of_a_pole_s_is_told_as_such():
    assert refusal(EVERYTHING, parse_config) == (
        "a desk's configuration: adapters, audiences, database, name, places, sectors "
        "in desk.toml; name the pole's file, or check this one with roeh desk config check"
    )


def test_an_empty_file_is_a_desk_with_every_default():
    assert parse_desk_config("", name="desk.toml") == DeskConfig()


@pytest.mark.parametrize("text", ["", EVERYTHING])
def test_what_is_shown_loads_again_as_the_same(text):
    config = parse_desk_config(text, name="desk.toml")
    assert parse_desk_config(config_as_toml(config), name="shown") == config


def test_what_is_shown_names_every_table():
    shown = config_as_toml(DeskConfig())
    for table in ("sectors", "places", "audiences"):
        assert f"\n# there is no [[{table}]]\n" in shown
    values = tomllib.loads(shown)
    assert values["name"] == "desk"
    assert values["adapters"]["onvif"]["enabled"] is False
    assert values["retention"]["kept_alarm_days"] == 365.0


def test_a_part_finds_its_certificate_or_says_where_it_was_looked_for(tmp_path):
    def tls(kind, more=""):
        broker = f'[broker]\ntls = {{ ca_file = "ca.pem" }}\n{more}'
        text = f'[paths]\ndata_dir = "{tmp_path}"\n{broker}'
        return service_tls(parse_desk_config(text, name="desk.toml"), kind)

    own = tmp_path / "tls" / "desk.pem"
    own.parent.mkdir()
    own.touch()
    assert tls(ServiceKind.DESK) == TlsFiles("ca.pem", str(own), str(own))
    with pytest.raises(ConfigError) as caught:
        tls(ServiceKind.WITNESS)
    assert caught.value.line() == (
        f"roeh: CONFIG: no certificate to come to the broker with: {tmp_path}/tls/witness.pem; "
        "put there what roeh keys service --kind witness wrote"
    )
    assert tls(ServiceKind.WITNESS, 'username = "police"') == TlsFiles("ca.pem")
    assert service_tls(DeskConfig(), ServiceKind.DESK) is None


def desk(*words):
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    return commands.run(parser.parse_args([str(word) for word in words]))


def test_the_command_shows_and_checks(tmp_path, capsys):
    path = tmp_path / "desk.toml"
    path.write_text(EVERYTHING)
    assert desk("config", "check", "-c", path) == 0
    assert capsys.readouterr().out == f"{path}: valid; desk haifa\n"
    assert desk("config", "show", "-c", path) == 0
    assert capsys.readouterr().out == config_as_toml(parse_desk_config(EVERYTHING, name="x"))
    path.write_text("[broker]\nporrt = 1")
    with pytest.raises(ConfigError, match="did you mean port"):
        desk("config", "check", "-c", path)
