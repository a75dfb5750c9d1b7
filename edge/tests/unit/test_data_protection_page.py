"""edge/docs/data-protection.md promises what the program does: fields, access, retention."""

import re
from pathlib import Path

import pytest

from roeh.core.config import parse_config
from roeh.core.config.desk_schema import DeskRetention, ParentAudience
from roeh.core.types import Alert
from roeh.desk.broker_files import admitted, poles_access, services_access
from roeh.transport.view_messages import ParentText
from tests.desk_views import AUDIENCES, audience_config

PAGE = (Path(__file__).parents[2] / "docs" / "data-protection.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]+)`")
RULE = re.compile(r"^(?:topic|pattern) (read|write) (\S+)$", re.MULTILINE)
NODE = '[[sensors]]\nsource = { kind = "composed" }\n'
NODE += "lens = { width_px = 640, height_px = 640, fov_deg = 180 }\n"
EVIDENCE = parse_config(NODE, name="node.toml").evidence


def table(heading):
    """The cells of every row of the table that begins with this line."""
    lines = PAGE[PAGE.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def allowed(text, name=None):
    """(read, written) topics of a user of an access list, names in braces."""
    if name is not None:
        text = text[text.index(f"user {name}\n") :].split("\n\n")[0]
        bare = name.partition(":")[2]
        text = text.replace(f"desk/{bare}/", "desk/{name}/").replace(f"v1/{bare}/", "v1/{name}/")
    text = text.replace("harbour/%u", "{site}/{node}")
    found = {"read": set(), "write": set()}
    for verb, topic in RULE.findall(text):
        found[verb].add(topic)
    return found["read"], found["write"]


def test_the_fields_of_an_alert_are_the_ones_on_the_page():
    named = {name for row in table("| field | is |") for name in CODE.findall(row[0])}
    assert named == set(Alert.__struct_fields__)


def test_the_fields_of_a_parents_text_are_the_ones_on_the_page():
    sentence = re.search(r"A parent patrol's text has (.*?) and no\nother field", PAGE, re.DOTALL)
    assert set(CODE.findall(sentence[1])) == set(ParentText.__struct_fields__)


@pytest.mark.parametrize(
    ("role", "user"),
    [
        ("a pole", None),
        ("ingest", "desk:haifa"),
        ("a witness", "witness:police"),
        ("the republisher", "republish:haifa"),
        ("an operator's screen", "operator:dana"),
        ("a system of the control room", "audience:control"),
        ("an audience", "audience:patrol-3"),
    ],
)
def test_who_reads_and_writes_what_is_what_the_broker_allows(role, user):
    config = audience_config('name = "haifa"\n[witness]\nname = "police"\n' + AUDIENCES)
    who = admitted(config, sites=("harbour",), operators=("dana",))
    access = allowed(poles_access(who)) if user is None else allowed(services_access(who), user)
    if user == "audience:control":
        access = ({topic.replace("{name}", "control") for topic in access[0]}, access[1])
    (row,) = (row for row in table("| role | certificate |") if row[0] == role)
    assert (set(CODE.findall(row[2])), set(CODE.findall(row[3]))) == access


def test_every_user_of_the_access_list_is_on_the_page():
    who = admitted(audience_config(), sites=("harbour",), operators=("dana",))
    kinds = set(re.findall(r"^user (\w+):", services_access(who), re.MULTILINE))
    named = {row[1].strip("`").partition(":")[0] for row in table("| role | certificate |")}
    assert kinds <= named


def test_retention_defaults_are_the_ones_on_the_page():
    defaults = {
        "evidence.max_age_days": f"{EVIDENCE.max_age_days:.0f} days",
        "evidence.lock_days": f"{EVIDENCE.lock_days:.0f} days",
        "outbox.history_days": f"{parse_config(NODE, name='n').outbox.history_days:.0f} days",
        "retention.thumbnail_days": f"{DeskRetention().thumbnail_days:.0f} days",
        "retention.alert_days": f"{DeskRetention().alert_days:.0f} days",
        "retention.kept_alarm_days": f"{DeskRetention().kept_alarm_days:.0f} days",
        "audiences.expire_s": (
            f"{ParentAudience(name='a', places=('b',)).expire_s:.0f} s after the delay"
        ),
    }
    shown = {row[2].strip("`"): row[3] for row in table("| what | where | key |")}
    assert {key: shown[key] for key in defaults} == defaults
    assert set(DeskRetention.__struct_fields__) == {
        key.partition(".")[2] for key in shown if key.startswith("retention.")
    }


def test_the_audiences_on_the_page_can_be_meant():
    config = audience_config(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    assert [audience.name for audience in config.audiences] == ["patrol-3", "parents"]


def test_the_page_names_every_label_that_a_pole_knows():
    for label in parse_config(NODE, name="node.toml").detect.labels:
        assert re.search(rf"\b{label}\b", PAGE), label
