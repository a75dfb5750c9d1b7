"""A commissioning report: what it says, in both languages, and where its lines are drawn."""

import argparse
import hashlib
import string

import msgspec
import numpy as np
import pytest

from roeh.bundle.report.page import Language, without_isolates
from roeh.commission.coverage_map import coverage_map, seen_shares
from roeh.commission.facts import PoleFacts
from roeh.commission.landmarks import Landmark, LandmarkAction, draw_landmarks
from roeh.commission.page import (
    compass_section,
    findings_section,
    head_of,
    pole_section,
    rules_section,
    seeing_section,
)
from roeh.commission.record import record_report
from roeh.commission.words import EN, HE, WORDS
from roeh.core.clock import SimulatedClock
from roeh.core.config import parse_config
from roeh.core.custody import RecordsPage, RecordsRequest
from roeh.core.peers import Verb
from roeh.core.types import Size
from roeh.core.views import ViewChoice
from roeh.custody.link import evidence_link
from roeh.doctor.codes import Code
from roeh.doctor.finding import bad, doubtful, good
from roeh.ledger.records import AccessRecord, Record
from roeh.optics.configured import rig_from
from roeh.optics.view_layout import view_of
from tests.lives import PoleLife

CONFIG = parse_config(
    """
[node]
site = "haifa"
name = "pole-7"
heading_deg = 37.5
north_from = "compass"
[[sensors]]
name = "dome"
source = { kind = "composed" }
lens = { width_px = 320, height_px = 320, fov_deg = 180 }
[[sensors.masks]]
name = "window"
polygon_px = [[0, 0], [9, 0], [9, 9]]
[[zones]]
name = "gate"
bearing_from_deg = 20
bearing_to_deg = 80
range_to_m = 12
[[rules]]
kind = "zone_entry"
name = "gate-entry"
zone = "gate"
""",
    name="node.toml",
)
TOWER = Landmark("clock tower", 123.5)


def facts(*outcomes, **changes):
    found = PoleFacts(
        config=CONFIG,
        address="Herzl 12",
        technician="Dana Levi",
        now=SimulatedClock(synchronised=False).read(),
        version="0.1.0",
        release="0.1.0",
        config_sha256="c0" * 32,
        models=(("nanodet", "ab" * 32),),
        board="Raspberry Pi 5",
        serial="10000000abcdef01",
        system="Linux 6.6",
        keys=(),
        findings=tuple(outcome.of("check") for outcome in outcomes),
    )
    return msgspec.structs.replace(found, **changes)


def text_of(block):
    return without_isolates(msgspec.json.encode(block).decode())


def fields_of(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_both_languages_say_the_same_things():
    for name in EN.__struct_fields__:
        english, hebrew = getattr(EN, name), getattr(HE, name)
        assert fields_of(english) == fields_of(hebrew), name
        assert english, name
        assert any("\u0590" <= sign <= "\u05ff" for sign in hebrew) or name == "footer", name


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(
    ("outcomes", "mark", "named"),
    [
        ([good("x")], "good", []),
        ([good("x"), doubtful(Code.NORTH_COMPASS, "x")], "unsure", ["NORTH-COMPASS"]),
        (
            [doubtful(Code.NORTH_COMPASS, "x"), bad(Code.BROKER_GONE, "y")],
            "bad",
            ["BROKER-GONE, NORTH-COMPASS"],
        ),
    ],
)
def test_the_verdict_is_the_doctors_and_names_its_codes(language, outcomes, mark, named):
    head = head_of(facts(*outcomes), language)
    assert head.mark == mark
    for code in named:
        assert code in without_isolates(head.finding)
    words = WORDS[language]
    assert head.verdict == {"good": words.good, "unsure": words.remarks, "bad": words.bad}[mark]


def test_what_is_wrong_comes_first_and_has_its_remedy():
    section = findings_section(
        facts(good("x"), doubtful(Code.RTC_MISSING, "a"), bad(Code.DISK_FULL, "b")), EN
    )
    (table,) = section.blocks
    assert [without_isolates(row[0].text) for row in table.rows] == ["DISK-FULL", "RTC-MISSING"]
    assert Code.RTC_MISSING.remedy in text_of(table)
    assert "1 checks are well" in without_isolates(table.note)


def test_the_pole_is_named_with_its_serial_model_and_the_state_of_its_clock():
    text = text_of(pole_section(facts(), EN))
    for said in (
        "haifa/pole-7",
        "10000000abcdef01",
        "clock NOT synchronised",
        "ab" * 32,
        "Dana Levi",
    ):
        assert said in text, said


def test_north_from_a_compass_alone_is_marked():
    text = msgspec.json.encode(compass_section(facts(), [], EN, ())).decode()
    assert '"a magnetic compass alone","mark":"unsure"' in text
    assert "not checked" in text


def test_rules_zones_masks_and_lenses_stand_in_it():
    assert "gate-entry" in text_of(rules_section(facts(), EN))
    text = text_of(seeing_section(facts(), EN, ("sensor-dome",), "coverage"))
    for said in ("window", "equidistant, 180", "coverage", "sensor-dome", "100%"):
        assert said in text, said


def test_a_name_can_neither_break_a_line_nor_turn_the_page():
    head = head_of(facts(technician="Dana\u202e\nLevi"), Language.HE)
    assert "\u202e" not in head.subtitle
    assert "\n" not in head.subtitle


def parsed(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--landmark", nargs=2, action=LandmarkAction, default=[])
    return parser.parse_args(words).landmark


def test_landmarks_are_as_many_as_were_typed():
    assert parsed("--landmark", "clock tower", "123.5", "--landmark", "minaret", "41") == [
        TOWER,
        Landmark("minaret", 41.0),
    ]


@pytest.mark.parametrize("words", [("tower", "400"), ("tower", "east"), ("", "10"), ("a\nb", "10")])
def test_a_landmark_that_cannot_be_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        parsed("--landmark", *words)
    assert "--landmark" in capsys.readouterr().err


@pytest.mark.parametrize("heading_deg", [0.0, 37.5, 300.0])
def test_a_landmarks_line_stands_at_its_bearing_whatever_the_heading(heading_deg):
    node = msgspec.structs.replace(CONFIG.node, heading_deg=heading_deg)
    rig = rig_from(msgspec.structs.replace(CONFIG, node=node))
    choice = ViewChoice(layout="ptz", bearing_deg=123.5, elevation_deg=-20.0, fov_deg=30.0)
    view = view_of(rig, rig.sensors, choice, Size(320, 180))
    picture = np.zeros((180, 320, 3), np.uint8)
    draw_landmarks(view, picture, [TOWER])
    columns = np.flatnonzero((picture[120:, :, 2] > 200).any(axis=0))
    # In the middle of a view whose middle has that bearing.
    assert 157 <= columns.mean() <= 162
    # Ten degrees beside it, beside the middle.
    beside = np.zeros_like(picture)
    draw_landmarks(view, beside, [Landmark("x", 133.5)])
    assert np.flatnonzero((beside[120:, :, 2] > 200).any(axis=0)).mean() > 240


def test_ground_that_nobody_sees_is_told_and_red():
    lens = msgspec.structs.replace(CONFIG.sensors[0].lens, model="pinhole", fov_deg=90.0)
    ahead = msgspec.structs.replace(CONFIG.sensors[0], lens=lens, tilt_deg=20.0)
    config = msgspec.structs.replace(CONFIG, sensors=(ahead,))
    by_range = {range_m: (share, gaps) for range_m, share, gaps in seen_shares(config)}
    share, gaps = by_range[15.0]
    assert 0.15 < share < 0.35
    assert gaps
    picture = coverage_map(config)
    middle = picture.shape[0] // 2
    way = np.radians(37.5)
    ahead_px = picture[round(middle - 200 * np.cos(way)), round(middle + 200 * np.sin(way))]
    behind_px = picture[round(middle + 200 * np.cos(way)), round(middle - 200 * np.sin(way))]
    assert ahead_px[1] > ahead_px[2]
    assert behind_px[2] > behind_px[1]


def test_the_reports_hash_stands_in_the_ledger_under_the_technicians_name(tmp_path):
    life = PoleLife(tmp_path)
    life.start()
    life.record(2)
    life.stop()
    sha256 = hashlib.sha256(b"the report").hexdigest()
    with evidence_link(life.config, life.clock) as link:
        place = record_report(link, "Dana Levi", sha256, life.clock)
        again = record_report(link, "Dana Levi", sha256, life.clock)
    # Nobody signs for a node that stands still: its next checkpoint covers both.
    assert place.checkpoint is None
    assert again.leaf > place.leaf
    # Evidence takes it up as its own.
    life.start()
    life.stop()
    with evidence_link(life.config, life.clock) as link:
        request = RecordsRequest(after=place.leaf - 1, limit=1)
        (raw,) = link.call(Verb.RECORDS_PAGE, request, RecordsPage).records
    body = msgspec.json.decode(raw, type=Record).body
    assert isinstance(body, AccessRecord)
    assert (body.action, body.detail) == ("commission", f"report sha256 {sha256}")
