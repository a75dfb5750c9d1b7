"""Alerts as ONVIF events and CAP messages.

CAP is validated against the OASIS schema. For ONVIF events in JSON none is published: they are
held against the specification's grammar as it is written down here, not validated.
"""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
import xmlschema
from hypothesis import example, given
from hypothesis import strategies as st

from roeh.core.clock import SimulatedClock
from roeh.core.config import CapAdapter, OnvifAdapter
from roeh.core.errors import ConfigError
from roeh.core.types import AlertPhase, ClockState, RuleKind
from roeh.desk.adapters.cap import NAMESPACE, cap_message
from roeh.desk.adapters.onvif import CLASS_TYPES, onvif_messages
from roeh.desk.republish.republisher import Republisher
from roeh.desk.store.sqlite import SqliteStore
from tests.desk_views import (
    AUDIENCES,
    Remembered,
    audience_config,
    commit_alert,
    follow_up,
    stored_alert,
)

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "schemas" / "CAP-v1.2.xsd")
CAP = CapAdapter(enabled=True, dir="/", sender="desk@haifa", min_priority=5)
# Core Specification, Event Broker, Topic Structure: TopicPrefix "/" PayloadPrefix "/"
# LocalTopic [ "/&" Source ], Source = SVALUE *("/" SVALUE).
TOPIC = re.compile(
    r"roeh/view/v1/onvif/harbour/pole-7/onvif-ej/(?P<local>RuleEngine/\w+/\w+)/&pole-7/roeh/quay"
)
# "UtcTime": xs:dateTime in UTC; quotes may be left out for numbers and logical states.
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def cap(alert, earlier=(), section=CAP, places=("Market",)):
    return cap_message(alert, earlier, section=section, sender_name="Roeh haifa", places=places)


def element(content, path):
    root = ET.fromstring(content)
    return root.find("/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/")))


def onvif(alert, *, others_open=False):
    return onvif_messages(alert, prefix="roeh/view/v1/onvif", others_open=others_open)


ANY_NUMBER = st.floats(allow_nan=False, allow_infinity=False)


@given(
    sigma_m=ANY_NUMBER, latitude_deg=ANY_NUMBER, dwell_s=ANY_NUMBER, kind=st.sampled_from(RuleKind)
)
@example(sigma_m=1e308, latitude_deg=32.0, dwell_s=1e308, kind=RuleKind.LOITERING)
def test_whatever_number_a_pole_says_the_message_is_valid(sigma_m, latitude_deg, dwell_s, kind):
    alert = stored_alert(1, priority=9, rule_kind=kind)
    alert = msgspec.structs.replace(alert, dwell_s=dwell_s)
    where = msgspec.structs.replace(
        alert.where, position_sigma_m=sigma_m, latitude_deg=latitude_deg, longitude_deg=34.9
    )
    alert = msgspec.structs.replace(alert, where=where)
    SCHEMA.validate(cap(alert).decode())
    for message in onvif(alert):
        assert UTC_TIME.fullmatch(msgspec.json.decode(message.payload)["UtcTime"])


@pytest.mark.parametrize("kind", list(RuleKind))
@pytest.mark.parametrize("phase", list(AlertPhase))
def test_every_alert_is_a_valid_cap_message(kind, phase):
    first = stored_alert(1, rule_kind=kind)
    alert = first if phase is AlertPhase.RAISED else follow_up(first, 2, phase)
    content = cap(alert, () if alert is first else (first,))
    SCHEMA.validate(content.decode())


@given(
    rule=st.text(max_size=30),
    places=st.lists(st.text(min_size=1, max_size=30), max_size=2),
    priority=st.integers(5, 9),
    t_utc_us=st.integers(0, 2**53 - 1),
)
def test_whatever_stands_in_an_alert_its_cap_message_is_valid(rule, places, priority, t_utc_us):
    alert = stored_alert(1, rule=rule, priority=priority, t_utc_us=t_utc_us)
    SCHEMA.validate(cap(alert, places=tuple(places)).decode())


def test_the_schema_refuses_a_message_that_is_none():
    broken = cap(stored_alert(1)).replace(b"<scope>Restricted</scope>", b"")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        SCHEMA.validate(broken.decode())


def test_a_cap_message_names_those_before_it_and_clears_them():
    first = stored_alert(1)
    second = follow_up(first, 2)
    over = follow_up(first, 3, AlertPhase.CLEARED)
    assert element(cap(first), "msgType").text == "Alert"
    assert element(cap(first), "references") is None
    assert element(cap(second, (first,)), "msgType").text == "Update"
    content = cap(over, (first, second))
    assert element(content, "msgType").text == "Cancel"
    sent = "2025-10-09T08:53:20-00:00"
    assert element(content, "references").text == (
        f"desk@haifa,{first.id},{sent} desk@haifa,{second.id},{sent}"
    )


def test_cap_speaks_hebrew_and_english_and_says_where():
    root = ET.fromstring(cap(stored_alert(1)))
    infos = root.findall(f"{{{NAMESPACE}}}info")
    languages = [info.find(f"{{{NAMESPACE}}}language").text for info in infos]
    assert languages == ["he-IL", "en-US"]
    latitude_longitude, radius_km = element(cap(stored_alert(1)), "info/area/circle").text.split()
    assert latitude_longitude == "52.100000,4.300000"
    assert float(radius_km) == 0.009


def test_an_advisory_rule_never_calls_itself_likely():
    message = cap(
        stored_alert(1, rule_kind=RuleKind.SCUFFLE, advisory=True, confidence=0.99)
    ).decode()

    assert "<certainty>Possible</certainty>" in message
    assert "Possibly a scuffle" in message


def test_a_pole_without_a_position_has_no_circle():
    alert = stored_alert(1)
    where = msgspec.structs.replace(alert.where, latitude_deg=None)
    content = cap(msgspec.structs.replace(alert, where=where), places=())
    assert element(content, "info/area/circle") is None
    SCHEMA.validate(content.decode())


def test_low_priority_is_no_cap_message_and_clears_nothing():
    low = stored_alert(1, priority=4)
    assert cap(low) is None
    assert cap(follow_up(low, 2, AlertPhase.CLEARED), (low,)) is None


def test_cap_files_are_whole_and_written_once(tmp_path):
    clock = SimulatedClock(t_utc_ns=1_760_000_001 * 10**9)
    store = SqliteStore(tmp_path / "desk.db")
    section = msgspec.structs.replace(CAP, dir=str(tmp_path / "cap"))
    config = audience_config()
    adapters = msgspec.structs.replace(config.adapters, cap=section)
    config = msgspec.structs.replace(config, adapters=adapters)
    alert = stored_alert(1)
    commit_alert(store, alert, clock)
    commit_alert(store, follow_up(alert, 2, AlertPhase.CLEARED), clock)
    for _ in range(2):
        Republisher(config, store, Remembered(), clock).round()
    store.close()
    files = sorted((tmp_path / "cap").iterdir())
    assert [file.suffix for file in files] == [".xml", ".xml"]
    for file in files:
        SCHEMA.validate(file)
    assert [element(file.read_bytes(), "msgType").text for file in files] == ["Alert", "Cancel"]


def test_a_cap_directory_that_cannot_be_written_keeps_nobody_waiting(tmp_path):
    clock = SimulatedClock(t_utc_ns=1_760_000_001 * 10**9)
    store = SqliteStore(tmp_path / "desk.db")
    (tmp_path / "cap").write_text("a file")
    section = msgspec.structs.replace(CAP, dir=str(tmp_path / "cap"))
    config = audience_config()
    adapters = msgspec.structs.replace(config.adapters, cap=section)
    said = Remembered()
    republisher = Republisher(
        msgspec.structs.replace(config, adapters=adapters), store, said, clock
    )
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    assert said.on("control/")
    (tmp_path / "cap").unlink()
    clock.advance(5)
    republisher.round()
    store.close()
    assert len(list((tmp_path / "cap").iterdir())) == 1


@pytest.mark.parametrize(
    ("kind", "local", "retained", "items"),
    [
        (
            RuleKind.ZONE_ENTRY, "RuleEngine/FieldDetector/ObjectsInside", True,
            {"IsInside": True},
        ),
        (RuleKind.LINE_CROSSING, "RuleEngine/LineDetector/Crossed", False, {}),
        (
            RuleKind.LOITERING, "RuleEngine/LoiteringDetector/ObjectIsLoitering", True,
            {"Since": "2025-10-09T08:53:19.400Z"},
        ),
        (RuleKind.CROWD, "RuleEngine/CountAggregation/OccupancyCounter", True, {"Count": 1}),
    ],
)  # fmt: skip
def test_every_rule_is_an_onvif_event_by_the_specifications_grammar(kind, local, retained, items):
    (message,) = onvif(stored_alert(1, rule_kind=kind))
    assert TOPIC.fullmatch(message.topic)["local"] == local
    assert message.retained == retained
    payload = msgspec.json.decode(message.payload)
    assert list(payload) == ["UtcTime", "Source", "Data"]
    assert UTC_TIME.fullmatch(payload["UtcTime"])
    source = {"VideoSource": "pole-7", "AnalyticsConfiguration": "roeh", "Rule": "quay"}
    assert payload["Source"] == source
    assert payload["Data"] == {**items, "ObjectId": "3", "ClassTypes": "Human"}


def test_an_onvif_state_ends_with_the_last_alert_of_its_rule():
    first = stored_alert(1)
    over = follow_up(first, 2, AlertPhase.CLEARED)
    assert onvif(over, others_open=True) == []
    (message,) = onvif(over)
    assert msgspec.json.decode(message.payload)["Data"] == {"IsInside": False}


def test_a_loiterer_who_is_gone_is_a_property_that_is_deleted():
    first = stored_alert(1, rule_kind=RuleKind.LOITERING)
    (message,) = onvif(follow_up(first, 2, AlertPhase.CLEARED))
    assert message.payload == b""
    assert message.retained


def test_two_alerts_of_a_rule_are_one_onvif_state(tmp_path):
    clock = SimulatedClock(t_utc_ns=1_760_000_001 * 10**9)
    store = SqliteStore(tmp_path / "desk.db")
    config = audience_config(AUDIENCES + "\n[adapters.onvif]\nenabled = true\n")
    said = Remembered()
    republisher = Republisher(config, store, said, clock)
    first, second = stored_alert(1), stored_alert(2)
    for message in (first, second, follow_up(first, 3, AlertPhase.CLEARED)):
        commit_alert(store, message, clock)
        republisher.round()
    states = [msgspec.json.decode(one.payload)["Data"]["IsInside"] for one in said.on("onvif/")]
    assert states == [True, True]
    commit_alert(store, follow_up(second, 4, AlertPhase.CLEARED), clock)
    republisher.round()
    store.close()
    assert msgspec.json.decode(said.on("onvif/")[-1].payload)["Data"] == {"IsInside": False}


@given(rule=st.text(max_size=100), node=st.text(max_size=100))
def test_no_name_can_change_the_shape_of_an_onvif_topic(rule, node):
    alert = stored_alert(1)
    (plain,) = onvif(alert)
    (message,) = onvif(msgspec.structs.replace(alert, rule=rule, node=node))
    assert message.topic.count("/") == plain.topic.count("/")
    assert not set("#+\0") & set(message.topic)


def test_a_pole_without_the_time_is_told_with_the_desks(tmp_path):
    clock = SimulatedClock(t_utc_ns=1_760_000_001 * 10**9)
    store = SqliteStore(tmp_path / "desk.db")
    config = audience_config(
        AUDIENCES
        + "[adapters.onvif]\nenabled = true\n"
        + f'[adapters.cap]\nenabled = true\ndir = "{tmp_path}/cap"\n'
    )
    said = Remembered()
    lost = ClockState(synchronised=False, error_us=3600 * 10**6)
    republisher = Republisher(config, store, said, clock)
    commit_alert(store, stored_alert(1, t_utc_us=0, clock=lost, priority=9), clock)
    republisher.round()
    store.close()
    assert b"2025-10-09T08:53:21.000Z" in said.on("onvif/")[0].payload
    (file,) = (tmp_path / "cap").iterdir()
    assert element(file.read_bytes(), "sent").text == "2025-10-09T08:53:21-00:00"


def test_every_label_has_a_class():
    assert set(CLASS_TYPES) == {
        "person", "bicycle", "car", "motorcycle", "bus", "truck", "dog",
    }  # fmt: skip


@pytest.mark.parametrize("prefix", ["roeh/v1", "roeh/desk/v1", "roeh/view/v1/control"])
def test_onvif_events_take_no_topics_of_ours(prefix):
    with pytest.raises(ConfigError, match="these topics belong to poles"):
        audience_config(AUDIENCES + f'\n[adapters.onvif]\nprefix = "{prefix}"\n')


def test_the_adapters_on_the_page_can_be_meant():
    page = (Path(__file__).parents[2] / "docs" / "interfaces.md").read_text(encoding="utf-8")
    tables = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    adapters = audience_config("\n".join(tables)).adapters
    assert adapters.onvif.enabled
    assert adapters.cap.enabled


def test_onvif_events_have_a_branch_of_their_own():
    assert OnvifAdapter().prefix == "roeh/view/v1/onvif"
