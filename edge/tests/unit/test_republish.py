"""Each audience is told what it may see: once stored, in order, and nothing else."""

import hashlib

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import BrokerRefused, ConfigError
from roeh.core.types import Alert, AlertPhase, ClockState
from roeh.desk.alarms.states import Acknowledge, Close
from roeh.desk.republish.republisher import BATCH_ROWS, Republisher
from roeh.transport.view_messages import AlarmStep, JointAlert, ParentText
from tests.desk_views import (
    AUDIENCES,
    JPEG,
    Remembered,
    audience_config,
    commit_alert,
    commit_picture,
    follow_up,
    stored_alert,
)
from tests.operated_desks import ANNA, OperatedDesk

T_ALERT_S = 1_760_000_000
GONE = BrokerRefused(what="gone", which="broker", remedy="wait")


@pytest.fixture
def clock():
    return SimulatedClock(t_utc_ns=(T_ALERT_S + 1) * 10**9)


@pytest.fixture
def store(desk_database):
    return desk_database


@pytest.fixture
def said():
    return Remembered()


@pytest.fixture
def republisher(store, said, clock):
    return Republisher(audience_config(), store, said, clock)


def texts(said):
    return [
        msgspec.json.decode(message.payload, type=ParentText) for message in said.on("parents/")
    ]


def joint(said, sector):
    return [
        msgspec.json.decode(message.payload, type=JointAlert)
        for message in said.on(f"patrol-3/{sector}/alert")
    ]


def test_the_control_room_gets_every_alert_whole_and_its_picture(store, said, clock, republisher):
    alert = stored_alert(1, thumbnail=JPEG)
    commit_alert(store, alert, clock)
    commit_picture(store, alert, clock)
    republisher.round()
    told, picture = said.on("control/harbour/pole-7/")
    assert msgspec.json.decode(told.payload, type=Alert) == alert
    assert picture.payload == JPEG
    assert dict(picture.user_properties) == {
        "alert_id": alert.id,
        "sha256": hashlib.sha256(JPEG).hexdigest(),
    }
    assert picture.content_type == "image/jpeg"


def test_a_picture_of_a_thrifty_pole_is_passed_on_as_what_it_is(store, said, clock, republisher):
    webp = b"RIFF\x04\x00\x00\x00WEBPVP8 "
    alert = stored_alert(1, thumbnail=webp)
    commit_alert(store, alert, clock)
    commit_picture(store, alert, clock, webp)
    republisher.round()
    assert {one.content_type for one in said.on("") if one.payload == webp} == {"image/webp"}


@pytest.mark.parametrize("picture_first", [True, False])
def test_a_picture_is_told_once_whichever_comes_first(
    store, said, clock, republisher, picture_first
):
    alert = stored_alert(1, thumbnail=JPEG)
    commits = [commit_picture, commit_alert] if picture_first else [commit_alert, commit_picture]
    for commit in commits:
        commit(store, alert, clock)
        republisher.round()
    assert len(said.on("control/harbour/pole-7/thumb")) == 1
    assert len(said.on("patrol-3/quay/thumb")) == 1


def test_what_was_passed_on_is_not_passed_on_again_after_a_restart(store, said, clock, republisher):
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    Republisher(audience_config(), store, said, clock).round()
    assert len(said.on("control/")) == 1


def test_what_the_broker_did_not_take_is_said_again(store, said, clock, republisher):
    commit_alert(store, stored_alert(1), clock)
    said.refuse = GONE
    with pytest.raises(BrokerRefused):
        republisher.round()
    said.refuse = None
    republisher.round()
    assert len(said.on("control/")) == len(said.on("patrol-3/quay")) == 1


def test_a_backlog_is_passed_on_batch_by_batch(store, said, clock, republisher):
    for seq in range(1, BATCH_ROWS + 2):
        commit_alert(store, stored_alert(seq), clock)
    assert republisher.round()
    assert not republisher.round()
    seqs = [msgspec.json.decode(one.payload, type=Alert).seq for one in said.on("control/")]
    assert seqs == list(range(1, BATCH_ROWS + 2))


def test_other_screens_are_told_what_operators_did(desk_config, store, said):
    desk = OperatedDesk(desk_config, store)
    republisher = Republisher(desk_config, store, said, desk.clock)
    alert = desk.alert()
    desk.work.act(desk.alarm().id, Acknowledge(), ANNA)
    republisher.round()
    republisher.round()
    (message,) = said.on("control/harbour/pole-7/alarm")
    step = msgspec.json.decode(message.payload, type=AlarmStep)
    assert (step.step, step.operator, step.raised_id) == ("acknowledged", "anna", alert.id)


def test_a_damaged_row_keeps_nobody_back(store, said, clock, republisher):
    alert = stored_alert(1, thumbnail=JPEG)
    commit_alert(store, alert, clock)
    commit_picture(store, alert, clock)
    with store.writing() as transaction:
        transaction.execute("UPDATE alert SET payload = ?", (b"\xff",))
    commit_alert(store, stored_alert(2), clock)
    republisher.round()
    seqs = [msgspec.json.decode(one.payload, type=Alert).seq for one in said.on("control/")]
    assert seqs == [2]


def test_a_first_start_does_not_tell_of_last_week(store, said, clock):
    commit_alert(store, stored_alert(1), clock)
    clock.advance(7 * 86400)
    commit_alert(store, stored_alert(2), clock)
    Republisher(audience_config(), store, said, clock).round()
    assert len(said.on("control/")) == 1


def test_a_patrol_sees_its_sectors_alone(store, said, clock, republisher):
    commit_alert(store, stored_alert(1, bearing_deg=180.0), clock)
    commit_alert(store, stored_alert(2, node="pole-9"), clock)
    republisher.round()
    assert [one.pole for one in joint(said, "quay")] == ["harbour/pole-7"]
    assert not said.on("patrol-3/north-side")


def test_a_patrol_is_told_that_an_alert_left_its_sector_but_not_where_to(
    store, said, clock, republisher
):
    alert = stored_alert(1, bearing_deg=350.0, thumbnail=JPEG)
    away = follow_up(alert, 2, bearing_deg=180.0, thumbnail=JPEG)
    further = follow_up(alert, 3, bearing_deg=185.0)
    over = follow_up(alert, 4, AlertPhase.CLEARED, bearing_deg=190.0)
    for message in (alert, away, further, over):
        commit_alert(store, message, clock)
        commit_picture(store, message, clock)
    republisher.round()
    seen = joint(said, "north-side")
    assert [one.phase for one in seen] == ["raised", "left", "cleared"]
    assert [one.where is None for one in seen] == [False, True, True]
    assert len(said.on("patrol-3/north-side/thumb")) == 1
    assert len(said.on("patrol-3/quay/thumb")) == 4


def test_parents_are_told_late_and_the_broker_forgets_it(store, said, clock, republisher):
    alert = stored_alert(1)
    commit_alert(store, alert, clock)
    republisher.round()
    clock.advance(298)
    republisher.round()
    assert not said.on("parents/")
    clock.advance(2)
    republisher.round()
    republisher.round()
    (text,) = texts(said)
    assert text.place == "גן השעשועים"
    assert text.t_utc_us == (T_ALERT_S - T_ALERT_S % 300) * 10**6
    (message,) = said.on("parents/")
    assert message.topic == "roeh/view/v1/parents/playground/text"
    assert 590 <= message.expiry_s <= 600


def test_the_delay_goes_on_over_a_restart_and_counts_from_the_alert(store, said, clock):
    commit_alert(store, stored_alert(1), clock)
    Republisher(audience_config(), store, said, clock).round()
    clock.advance(200)
    Republisher(audience_config(), store, said, clock).round()
    assert not said.on("parents/")
    clock.advance(100)
    Republisher(audience_config(), store, said, clock).round()
    assert len(texts(said)) == 1


@pytest.mark.parametrize("step_s", [-86400.0, 86400.0])
def test_a_desk_clock_that_is_set_makes_no_wait_shorter_or_longer(
    store, said, clock, republisher, step_s
):
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    clock.step_utc(step_s)
    clock.advance(298)
    republisher.round()
    assert not said.on("parents/")
    clock.advance(2)
    republisher.round()
    assert len(texts(said)) == 1


def test_after_a_reboot_without_the_time_a_text_waits_for_it(store, said, clock, republisher):
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    booted = SimulatedClock(
        t_utc_ns=clock.read().t_utc_ns + 400 * 10**9, boot_id="2", synchronised=False
    )
    Republisher(audience_config(), store, said, booted).round()
    assert not said.on("parents/")
    timed = SimulatedClock(t_utc_ns=clock.read().t_utc_ns + 400 * 10**9, boot_id="2")
    Republisher(audience_config(), store, said, timed).round()
    assert len(texts(said)) == 1


def test_a_pole_without_the_time_cannot_make_the_delay_shorter(store, said, clock, republisher):
    lost = ClockState(synchronised=False, error_us=3600 * 10**6)
    commit_alert(store, stored_alert(1, t_utc_us=0, clock=lost), clock)
    republisher.round()
    assert not said.on("parents/")
    clock.advance(300)
    republisher.round()
    assert len(texts(said)) == 1


def test_what_came_too_late_is_never_told(store, said, clock):
    commit_alert(store, stored_alert(1), clock)
    clock.advance(901)
    republisher = Republisher(audience_config(), store, said, clock)
    republisher.round()
    clock.advance(400)
    republisher.round()
    assert said.on("control/")
    assert not said.on("parents/")


def test_an_outage_of_the_broker_makes_texts_expire(store, said, clock, republisher):
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    clock.advance(300)
    said.refuse = GONE
    with pytest.raises(BrokerRefused):
        republisher.round()
    clock.advance(700)
    said.refuse = None
    republisher.round()
    assert not said.on("parents/")


def test_what_is_over_before_the_delay_is_not_told(store, said, clock, republisher):
    alert = stored_alert(1)
    commit_alert(store, alert, clock)
    republisher.round()
    commit_alert(store, follow_up(alert, 2, AlertPhase.CLEARED), clock)
    clock.advance(300)
    republisher.round()
    assert not said.on("parents/")


def test_what_an_operator_called_false_is_not_told(store, said, clock, republisher):
    desk = OperatedDesk(audience_config(), store, clock)
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    desk.work.act(desk.alarm().id, Close(is_false_alarm=True, reason="a dog"), ANNA)
    clock.advance(300)
    republisher.round()
    assert not said.on("parents/")


def test_an_alert_that_goes_on_is_told_once(store, said, clock, republisher):
    alert = stored_alert(1)
    commit_alert(store, alert, clock)
    republisher.round()
    clock.advance(300)
    for seq in (2, 3):
        commit_alert(store, follow_up(alert, seq), clock)
        republisher.round()
    republisher.forget()
    assert len(texts(said)) == 1


def test_a_text_killed_before_its_mark_is_told_again_under_the_same_id(
    store, said, clock, republisher
):
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    clock.advance(300)

    class Killed(Exception):
        pass

    class DiesAfterwards(Remembered):
        def send(self, messages):
            super().send(messages)
            raise Killed

    dying = DiesAfterwards()
    with pytest.raises(Killed):
        Republisher(audience_config(), store, dying, clock).round()
    Republisher(audience_config(), store, said, clock).round()
    assert texts(dying) == texts(said)
    assert len(texts(said)) == 1


def test_low_priority_is_not_for_parents(store, said, clock, republisher):
    commit_alert(store, stored_alert(1, priority=3), clock)
    republisher.round()
    clock.advance(300)
    republisher.round()
    assert not said.on("parents/")


def test_texts_are_forgotten_with_their_alerts(store, said, clock, republisher):
    commit_alert(store, stored_alert(1), clock)
    republisher.round()
    clock.advance(300)
    republisher.round()
    clock.advance(91 * 86400)
    republisher.forget()
    with store.reading() as transaction:
        assert transaction.values("SELECT id FROM parent_text") == []


@pytest.mark.parametrize("name", ["control", "onvif"])
def test_no_audience_takes_a_branch_of_the_desk_itself(name):
    with pytest.raises(ConfigError, match="desk's own"):
        audience_config(AUDIENCES.replace('name = "parents"', f'name = "{name}"'))
