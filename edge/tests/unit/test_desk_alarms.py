"""From messages to alarms: one an alert, the desk's own when something is wrong with a pole."""

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import AlarmRefused, DeskFailed
from roeh.core.types import AlertPhase, ClockState
from roeh.desk.alarms.desk_work import find_alarm
from roeh.desk.alarms.grouping import grouped
from roeh.desk.alarms.handover import read_handover
from roeh.desk.alarms.hook import AlarmHook
from roeh.desk.alarms.own import OwnKind
from roeh.desk.alarms.states import Acknowledge, AlarmState, Close, Shelve, Verdict
from roeh.desk.alarms.story import read_pictures, read_story
from roeh.desk.commit_hook import CertificateEnd, DeskFacts
from tests.desks import id_of, said_alert, said_picture, said_state
from tests.operated_desks import ANNA, NOA, OperatedDesk

YEAR_S = 365 * 86_400
DAY_US = 86_400_000_000
SERVICES = (("broker", 29.5), ("desk", 5.5), ("witness", 40))
SHELVE = Shelve(for_us=1_800_000_000, reason="the fair is on")


@pytest.fixture
def desk(desk_config, desk_database):
    return OperatedDesk(desk_config, desk_database)


def own(desk, kind=None):
    found = desk.alarms("is_own = 1")
    return [alarm for alarm in found if kind is None or alarm.kind == kind.value]


def test_messages_of_one_alert_are_one_alarm(desk):
    first = desk.alert(priority=5)
    desk.goes_on(first, priority=7, count=3)
    desk.goes_on(first, AlertPhase.CLEARED, priority=5)
    desk.alert()
    of_first = next(alarm for alarm in desk.alarms() if alarm.subject == first.raised_id)
    assert (of_first.messages, of_first.priority, of_first.phase) == (3, 7, "cleared")
    assert len(desk.alarms()) == 2


def test_the_same_message_again_changes_nothing(desk):
    message = said_alert(1)
    desk.hear(message, message)
    before = desk.alarm()
    desk.clock.advance(1)
    desk.hear(message)
    assert desk.alarm() == before


def test_what_overtook_the_raising_opens_the_alarm_and_the_end_stays_the_end(desk):
    raised = said_alert(1)
    raised_id = msgspec.json.decode(raised.payload)["id"]
    cleared = said_alert(3, raised_id=raised_id, phase=AlertPhase.CLEARED, t_utc_us=3_000_000)
    updated = said_alert(2, raised_id=raised_id, phase=AlertPhase.UPDATED, t_utc_us=2_000_000)
    desk.hear(cleared)
    desk.hear(updated)
    desk.hear(raised)
    alarm = desk.alarm()
    assert (alarm.phase, alarm.messages, alarm.state) == ("cleared", 3, AlarmState.NEW)
    assert alarm.t_first_utc_us == 2_000_000


def test_two_poles_with_one_id_are_two_alarms(desk):
    alert = desk.alert()
    desk.hear(said_alert(1, node="pole-8", alert_id=alert.id))
    assert len({alarm.id for alarm in desk.alarms()}) == 2


def test_a_message_after_the_close_is_shown_and_opens_nothing(desk):
    alert = desk.alert()
    desk.work.act(desk.alarm().id, Close(), ANNA)
    desk.goes_on(alert)
    assert (desk.alarm().state, desk.alarm().messages) == (AlarmState.CLOSED, 2)


def test_an_act_is_kept_with_who_and_the_audit_has_it(desk):
    desk.alert()
    done = desk.work.act(desk.alarm().short_id, Acknowledge(), ANNA)
    assert (done.before, done.alarm.state) == ("new", AlarmState.ACKNOWLEDGED)
    assert (done.alarm.attended_by, done.alarm.is_kept) == ("anna", 1)
    (entry,) = desk.entries()
    assert (entry.operator, entry.os_user, entry.subject) == ("anna", "anna", done.alarm.id)
    with pytest.raises(AlarmRefused, match="already acknowledged by anna"):
        desk.work.act(done.alarm.id, Acknowledge(), NOA)
    assert len(desk.entries()) == 1


def test_false_alarms_are_not_kept_for_long(desk):
    desk.alert()
    desk.work.act(desk.alarm().id, Acknowledge(), ANNA)
    desk.work.act(desk.alarm().id, Close(is_false_alarm=True), ANNA)
    assert desk.alarm().is_kept == 0


def test_shelving_ends_by_itself_and_that_is_written_down(desk):
    desk.alert()
    desk.work.act(desk.alarm().id, SHELVE, ANNA)
    desk.time_passes(1799)
    assert desk.alarm().state is AlarmState.SHELVED
    desk.time_passes(2)
    assert desk.alarm().state is AlarmState.NEW
    assert [step.kind.value for step in desk.steps(desk.alarm())] == ["shelved", "shelving over"]
    assert desk.entries()[-1].operator == "desk"


def test_an_alarm_is_found_by_the_beginning_of_its_id_or_by_its_alert(desk):
    alerts = [desk.alert() for _ in range(3)]
    for alarm in desk.alarms():
        with desk.store.reading() as transaction:
            assert find_alarm(transaction, alarm.short_id) == alarm
            assert find_alarm(transaction, alarm.subject.upper()) == alarm
    assert {alarm.subject for alarm in desk.alarms()} == {alert.raised_id for alert in alerts}


@pytest.mark.parametrize("prefix", ["", "abc", "zzzz", "%%%%", "ffffffffff", "' OR 1=1 --"])
def test_what_is_no_alarm_is_refused(desk, prefix):
    desk.alert()
    with pytest.raises(AlarmRefused), desk.store.reading() as transaction:
        find_alarm(transaction, prefix)


def test_an_ambiguous_beginning_is_refused_with_what_there_is(desk):
    for _ in range(2):
        desk.alert()
    with desk.store.writing() as transaction:
        for number, alarm in enumerate(desk_ids(transaction)):
            transaction.execute("UPDATE alarm SET id = ? WHERE id = ?", (f"abcd{number}", alarm))
    with (
        pytest.raises(AlarmRefused, match=r"give more of it: abcd0, abcd1"),
        desk.store.reading() as transaction,
    ):
        find_alarm(transaction, "abcd")


def desk_ids(transaction):
    return [row[0] for row in transaction.values("SELECT id FROM alarm ORDER BY row")]


def test_a_pole_that_is_silent_is_one_alarm_until_it_speaks(desk):
    desk.hear(said_state())
    desk.health()
    desk.time_passes(90)
    assert own(desk) == []
    for _ in range(4):
        desk.time_passes(10)
    (alarm,) = own(desk)
    assert (alarm.kind, alarm.state, alarm.pole) == (
        "pole_silent",
        AlarmState.NEW,
        "harbour/pole-7",
    )
    desk.health()
    desk.time_passes(5)
    (alarm,) = own(desk)
    assert (alarm.state, alarm.closed_as) == (AlarmState.CLOSED, Verdict.OVER)
    desk.time_passes(100)
    assert [alarm.state for alarm in own(desk)] == [AlarmState.NEW, AlarmState.CLOSED]
    said = [entry.action.value for entry in desk.entries()]
    assert said == ["alarm.raised", "alarm.over", "alarm.raised"]


def restarted(desk, *, is_listening=True):
    """Ingest began anew just now, or its broker went away."""
    desk.hook = AlarmHook(desk.config, desk.audit, desk.clock)
    desk.facts = DeskFacts(is_listening, desk.now_us)


def test_a_silent_pole_stays_the_same_alarm_when_ingest_begins_anew(desk):
    desk.health()
    desk.time_passes(100)
    (before,) = own(desk)
    desk.work.act(before.id, Acknowledge(), ANNA)
    restarted(desk)
    for _ in range(4):
        desk.time_passes(50)
    (after,) = own(desk)
    assert (after.id, after.state) == (before.id, AlarmState.ACKNOWLEDGED)


def test_a_broker_that_is_away_is_one_alarm_and_not_one_of_each_pole(desk):
    desk.health()
    restarted(desk, is_listening=False)
    desk.time_passes(60)
    assert own(desk) == []
    desk.time_passes(100)
    (deaf,) = own(desk)
    assert (deaf.kind, deaf.pole) == ("desk_deaf", "the desk")
    restarted(desk)
    desk.health()
    desk.time_passes(10)
    assert own(desk)[0].state is AlarmState.CLOSED


def test_a_clock_that_is_set_makes_no_pole_silent_and_hides_none(desk):
    desk.health()
    for step_s in (YEAR_S, -2 * YEAR_S):
        desk.clock.advance(step_s)
        desk.facts = DeskFacts(is_listening=True, since_utc_us=desk.now_us)
        desk.time_passes(60)
        assert own(desk) == []
    desk.time_passes(60)
    assert own(desk)[0].kind == "pole_silent"


def test_shelving_ends_when_the_clock_is_set_back(desk):
    desk.alert()
    desk.work.act(desk.alarm().id, SHELVE, ANNA)
    desk.time_passes(-YEAR_S)
    assert desk.alarm().state is AlarmState.NEW


def test_a_service_certificate_that_ends_within_thirty_days_is_an_alarm_of_the_desk(desk):
    ends = [CertificateEnd(name, desk.now_us + round(days * DAY_US)) for name, days in SERVICES]
    desk.facts = DeskFacts(is_listening=True, since_utc_us=desk.now_us, certificates=tuple(ends))
    desk.time_passes(5)
    assert {(alarm.subject, alarm.priority, alarm.detail) for alarm in own(desk)} == {
        ("broker", 3, "the certificate of the service broker ends in 29 days"),
        ("desk", 6, "the certificate of the service desk ends in 5 days"),
    }


def test_numbers_counted_again_are_one_alarm_until_it_is_closed(desk):
    desk.hear(*(said_alert(seq) for seq in (1, 2, 3)))
    desk.hear(said_alert(2))
    desk.hear(said_alert(1))
    (alarm,) = own(desk, OwnKind.COUNT_AGAIN)
    assert alarm.state is AlarmState.NEW


def test_a_pole_that_contradicts_itself_for_ever_does_not_fill_the_list(desk):
    for seq in range(1, 31):
        alert = said_alert(seq)
        desk.hear(alert, said_alert(seq, alert_id=id_of(alert), label="boat"))
    assert len(own(desk, OwnKind.TWO_PAYLOADS)) == 20


def test_what_an_operator_closed_is_not_raised_again_while_it_lasts(desk):
    desk.health(condition="blind", details={"capture": "no frame for 5 s"})
    desk.time_passes(5)
    (alarm,) = own(desk)
    assert (alarm.kind, alarm.detail) == (
        "pole_blind",
        "nothing is watched there: capture: no frame for 5 s",
    )
    desk.work.act(alarm.id, Close(), ANNA)
    for _ in range(3):
        desk.health(condition="blind")
        desk.time_passes(30)
    assert len(own(desk)) == 1
    desk.health()
    desk.time_passes(5)
    desk.health(condition="blind")
    desk.time_passes(5)
    assert len(own(desk)) == 2
    assert own(desk)[1].closed_as is Verdict.REAL


def test_a_desk_that_was_away_does_not_call_its_poles_silent(desk):
    desk.health()
    desk.clock.advance(3600)
    again = OperatedDesk(desk.config, desk.store, desk.clock)
    again.time_passes(60)
    assert own(again) == []
    again.time_passes(60)
    assert [alarm.kind for alarm in own(again)] == ["pole_silent"]


@pytest.mark.parametrize(
    ("told", "kind", "priority"),
    [
        ({"condition": "degraded"}, OwnKind.POLE_DEGRADED, 4),
        ({"condition": "stopped"}, OwnKind.POLE_BLIND, 8),
        ({"certificate_days": 30}, OwnKind.CERTIFICATE_ENDS, 3),
        ({"certificate_days": 200, "broker_certificate_days": 7}, OwnKind.CERTIFICATE_ENDS, 6),
        ({"clock": ClockState(synchronised=False, error_us=1)}, OwnKind.CLOCK_UNSYNCHRONISED, 4),
        ({"statements_refused": 2}, OwnKind.STATEMENTS_REFUSED, 6),
    ],
)
def test_what_a_heartbeat_tells_is_alarmed_and_over_when_it_no_longer_holds(
    desk, told, kind, priority
):
    desk.health(**told)
    desk.time_passes(5)
    assert [(alarm.kind, alarm.priority) for alarm in own(desk)] == [(kind.value, priority)]
    for _ in range(62):  # a count that does not grow is no news after an hour
        kept = {key: value for key, value in told.items() if key == "statements_refused"}
        desk.health(certificate_days=31, **kept)
        desk.time_passes(60)
    assert [alarm.closed_as for alarm in own(desk)] == [Verdict.OVER]


def test_alerts_that_do_not_come_are_alarmed_when_asking_did_not_help(desk):
    with desk.store.writing() as transaction:
        transaction.execute(
            "INSERT INTO seq_missing (site, node, first, last, t_since_utc_us) VALUES (?,?,?,?,?)",
            ("harbour", "pole-7", 3, 9, desk.now_us),
        )
    for _ in range(8):
        desk.health()
        desk.time_passes(9)
    (alarm,) = own(desk)
    assert (alarm.kind, alarm.detail) == ("alerts_missing", "alerts #3-9 did not arrive")
    with desk.store.writing() as transaction:
        transaction.execute("DELETE FROM seq_missing")
    desk.time_passes(6)
    assert own(desk)[0].closed_as is Verdict.OVER


def test_what_is_lost_by_record_is_told_once_and_stays_until_a_person_closes_it(desk):
    with desk.store.writing() as transaction:
        for first in (4, 8):
            transaction.execute(
                "INSERT INTO seq_lost (site, node, first, last, command_id, t_utc_us)"
                " VALUES ('harbour', 'pole-7', ?, ?, 'c', 1)",
                (first, first + 1),
            )
    desk.health()
    desk.time_passes(5)
    desk.health()
    desk.time_passes(50)
    (alarm,) = own(desk)
    assert alarm.detail == "alerts #4-5, #8-9 are lost: the pole has them no more"
    assert alarm.state is AlarmState.NEW
    desk.work.act(alarm.id, Close(reason="known"), ANNA)
    desk.time_passes(50)
    assert len(own(desk, OwnKind.ALERTS_LOST)) == 1


def test_two_payloads_under_one_id_are_one_incident(desk):
    first = said_alert(1)
    alert_id = msgspec.json.decode(first.payload)["id"]
    desk.hear(first)
    for _ in range(2):
        desk.hear(said_alert(1, alert_id=alert_id, raised_id=alert_id, count=9))
    (alarm,) = own(desk)
    assert (alarm.kind, alarm.priority) == ("two_payloads", 8)
    assert alert_id in alarm.detail


def test_a_witness_that_saw_a_fork_is_an_alarm_of_the_highest_priority(desk):
    with desk.store.writing() as transaction:
        transaction.execute(
            "INSERT INTO witness_alarm"
            " (witness, origin, kind, statement, sha256, t_received_utc_us)"
            " VALUES ('police', 'roeh/harbour/pole-7', 'two_roots', ?, 'abc', 1)",
            (b"",),
        )
        ((row,),) = transaction.values("SELECT row FROM witness_alarm")
        desk.hook.on_witness_alarm(transaction, row, desk.now_us)
        desk.hook.on_witness_alarm(transaction, row, desk.now_us)
    (alarm,) = own(desk)
    assert (alarm.kind, alarm.priority, alarm.pole) == ("history_forked", 9, "harbour/pole-7")


def test_a_desk_whose_clock_is_not_synchronised_says_so(desk_config, desk_database):
    desk = OperatedDesk(desk_config, desk_database, SimulatedClock(synchronised=False))
    desk.time_passes(5)
    (alarm,) = own(desk)
    assert (alarm.kind, alarm.pole) == ("clock_unsynchronised", "the desk")
    assert not desk.entries()[0].clock_synchronised


def test_alarms_of_one_pole_and_rule_within_five_minutes_are_one_line(desk):
    for wait_s in (0, 100, 199, 2):
        desk.clock.advance(wait_s)
        desk.alert()
    desk.alert(rule="gate")
    desk.alert(node="pole-8")
    groups = grouped(desk.alarms())
    assert sorted(len(group.alarms) for group in groups) == [1, 1, 1, 3]
    together = next(group for group in groups if len(group.alarms) == 3)
    desk.work.act(together.alarms[1].id, Acknowledge(), ANNA)
    assert sorted(len(group.alarms) for group in grouped(desk.alarms())) == [1, 1, 1, 1, 2]


def test_urgent_lines_stand_above_others_and_new_ones_above_known(desk):
    desk.alert(rule="low", priority=2)
    desk.alert(rule="high", priority=9)
    desk.alert(rule="known", priority=9)
    desk.work.act(desk.alarms("rule = 'known'")[0].id, Acknowledge(), ANNA)
    assert [group.first.rule for group in grouped(desk.alarms())] == ["high", "low", "known"]


def test_a_story_has_messages_pictures_steps_and_notes(desk):
    alert = desk.alert()
    desk.hear(said_picture(alert.id))
    desk.goes_on(alert)
    desk.work.act(desk.alarm().id, Acknowledge(), ANNA)
    alarm = desk.alarm()
    desk.work.add_note(alarm.short_id, "called the patrol", NOA)
    with desk.store.reading() as transaction:
        story = read_story(transaction, alarm.short_id, desk.now_us)
        (picture,) = read_pictures(transaction, story)
    assert [message.has_picture for message in story.messages] == [True, False]
    assert story.messages[0].alert == alert
    assert picture.picture == b"\xff\xd8 a picture"
    assert [(note.operator, note.text) for note in story.notes] == [("noa", "called the patrol")]
    assert [step.by for step in story.history] == ["anna"]


def test_the_next_shift_is_told_what_is_open_shelved_and_written(desk):
    for rule in ("a", "b", "c"):
        desk.alert(rule=rule)
    ids = {alarm.rule: alarm.id for alarm in desk.alarms()}
    desk.work.act(ids["a"], Close(is_false_alarm=True), ANNA)
    desk.work.act(ids["b"], SHELVE, ANNA)
    desk.work.add_note(None, "lamp at the quay is broken", ANNA)
    desk.hear(said_state())
    desk.time_passes(100)
    with desk.store.reading() as transaction:
        handover = read_handover(transaction, 0, desk.now_us)
    assert {alarm.rule or alarm.kind for alarm in handover.open} == {"c", "pole_silent"}
    assert [alarm.rule for alarm in handover.shelved] == ["b"]
    assert handover.shelved_why == ("the fair is on",)
    assert [note.text for note in handover.notes] == ["lamp at the quay is broken"]
    assert [(one.closed_as, one.alarms) for one in handover.closed] == [("false alarm", 1)]


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001])
def test_a_note_that_is_none_is_refused(desk, text):
    with pytest.raises(AlarmRefused):
        desk.work.add_note(None, text, ANNA)
    assert desk.entries() == []


def test_an_act_whose_audit_cannot_be_written_is_not_done(desk):
    desk.alert()
    desk.work.add_note(None, "one entry", ANNA)
    with desk.store.writing() as transaction:
        # A leaf that is in the way: the audit refuses to go on over it.
        transaction.execute(
            "INSERT INTO audit_node (level, position, hash) VALUES (0, 1, ?)", (bytes(32),)
        )
    with pytest.raises(DeskFailed):
        desk.work.act(desk.alarm().id, Close(), ANNA)
    assert desk.alarm().state is AlarmState.NEW
    assert desk.steps(desk.alarm()) == []
