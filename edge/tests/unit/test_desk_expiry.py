"""What is old goes, class by class; what belongs to a kept alarm stays longer."""

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.config import DeskRetention
from roeh.desk.alarms.states import Close
from roeh.desk.audit.log import AuditEntry, AuditLog
from roeh.desk.commit_hook import NoHook
from roeh.desk.ingest.committing import commit
from roeh.desk.ingest.expiry import Expiry
from roeh.desk.ingest.received import receive
from tests.desks import id_of, incoming, said_alert, said_picture, said_tombstone
from tests.operated_desks import ANNA, OperatedDesk

DAY_S = 86_400.0
RETENTION = DeskRetention(thumbnail_days=14, alert_days=90, kept_alarm_days=365)
ALARM = """
    INSERT INTO alarm (id, site, node, kind, is_own, subject, rule, zone, label, priority, phase,
        detail, messages, state, version, changed_by, t_changed_utc_us, is_kept, t_first_utc_us,
        t_last_utc_us, t_opened_utc_us)
    VALUES (?, 'harbour', 'pole-7', 'zone_entry', 0, ?, 'quay', '', 'person', 5, 'raised', '', 1,
        'closed', 1, 'a.visser', ?, ?, 0, 0, 0)
"""


class Ageing:
    """A database whose clock goes on by days."""

    def __init__(self, store, clock=None):
        self.store = store
        self.clock = clock or SimulatedClock()
        self.expiry = Expiry(RETENTION, AuditLog(self.clock, "haifa"))

    @property
    def now_us(self):
        return self.clock.read().t_utc_ns // 1000

    def take(self, *messages):
        batch = [receive(incoming(message)) for message in messages]
        commit(self.store, batch, NoHook(), None, self.clock.read())

    def alarm(self, message, *, is_kept):
        with self.store.writing() as transaction:
            raised_id = id_of(message)
            transaction.execute(ALARM, (f"of {raised_id}", raised_id, self.now_us, int(is_kept)))

    def after(self, days):
        """Days pass, and the desk looks at the clock all the time."""
        for _ in range(round(days * 2)):
            self.clock.advance(DAY_S / 2)
            self.look()

    def look(self):
        while True:
            with self.store.writing() as transaction:
                if not self.expiry.delete_due(transaction, self.clock.read()):
                    return

    def count(self, table):
        with self.store.reading() as transaction:
            return transaction.values(f"SELECT COUNT(*) FROM {table}")[0][0]

    def counts(self):
        return tuple(self.count(table) for table in ("thumbnail", "alert", "alarm"))

    def audited(self):
        with self.store.reading() as transaction:
            rows = transaction.values("SELECT json FROM audit ORDER BY leaf")
        entries = [msgspec.json.decode(json, type=AuditEntry) for (json,) in rows]
        return [(entry.subject, entry.count) for entry in entries]


@pytest.fixture
def ageing(desk_database):
    return Ageing(desk_database)


def test_pictures_go_first_then_alerts_and_what_is_kept_last(ageing):
    plain, kept = said_alert(1), said_alert(2)
    ageing.take(plain, kept, said_picture(id_of(plain)), said_picture(id_of(kept)))
    ageing.alarm(plain, is_kept=False)
    ageing.alarm(kept, is_kept=True)
    ageing.after(13)
    assert ageing.counts() == (2, 2, 2)
    ageing.after(2)
    assert ageing.counts() == (1, 2, 2)
    ageing.after(76)
    assert ageing.counts() == (1, 1, 1)
    ageing.after(275)
    assert ageing.counts() == (0, 0, 0)
    assert ageing.audited() == [
        ("thumbnails", 1),
        ("alerts", 1),
        ("alarms", 1),
        ("thumbnails", 1),
        ("alerts", 1),
        ("alarms", 1),
    ]


def test_much_goes_in_portions_and_what_came_is_still_known(ageing):
    ageing.take(*(said_alert(seq) for seq in range(1, 1201)), said_tombstone(1201))
    ageing.after(91)
    assert (ageing.count("alert"), ageing.count("tombstone")) == (0, 0)
    assert [count for subject, count in ageing.audited() if subject == "alerts"] == [500, 500, 200]
    with ageing.store.reading() as transaction:
        assert transaction.values("SELECT first, last FROM seq_known") == [(1, 1201)]


def test_a_clock_that_leaps_ahead_deletes_nothing_until_it_went_on_for_a_day(ageing):
    ageing.take(said_alert(1))
    ageing.look()
    ageing.clock.advance(365 * DAY_S)
    ageing.look()
    ageing.after(0.5)
    assert ageing.count("alert") == 1
    ageing.clock.advance(-365 * DAY_S)  # put right in time
    ageing.after(2)
    assert ageing.count("alert") == 1
    ageing.clock.advance(365 * DAY_S)
    ageing.after(2)  # it was no mistake: the desk had been switched off
    assert ageing.count("alert") == 0


def test_with_a_clock_that_nobody_set_nothing_is_deleted(desk_database):
    ageing = Ageing(desk_database, SimulatedClock(synchronised=False))
    ageing.take(said_alert(1))
    ageing.after(100)
    assert ageing.count("alert") == 1


def test_what_came_while_the_clock_was_behind_is_not_old(ageing):
    ageing.take(said_alert(1))
    ageing.clock.advance(-365 * DAY_S)
    ageing.take(said_alert(2))
    ageing.look()
    ageing.clock.advance(365 * DAY_S)
    ageing.take(said_alert(3))
    ageing.after(13)
    assert ageing.count("alert") == 3
    ageing.after(78)
    assert ageing.count("alert") == 0


def test_a_condition_that_holds_and_an_incident_that_nobody_closed_do_not_expire(
    desk_config, desk_database
):
    desk = OperatedDesk(desk_config, desk_database)
    expiry = Expiry(RETENTION, AuditLog(desk.clock, "haifa"))
    alert = said_alert(1)
    desk.hear(alert, said_alert(1, alert_id=id_of(alert), label="boat"))
    desk.time_passes(100)
    (silent,) = desk.alarms("kind = 'pole_silent'")
    desk.work.act(silent.id, Close(), ANNA)
    for _ in range(400):
        desk.time_passes(DAY_S)
        with desk.store.writing() as transaction:
            expiry.delete_due(transaction, desk.clock.read())
    kinds = sorted((alarm.kind, alarm.version) for alarm in desk.alarms())
    assert kinds == [("pole_silent", 1), ("two_payloads", 0)]
