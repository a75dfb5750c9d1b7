"""A desk's database with operators before it and poles that speak to it, without a broker."""

import hashlib

import msgspec

from roeh.core.clock import SimulatedClock
from roeh.core.types import Alert, AlertPhase, ClockState
from roeh.desk.alarms.desk_work import DeskWork
from roeh.desk.alarms.hook import AlarmHook
from roeh.desk.alarms.rows import history_of, newest_alarms, notes_of
from roeh.desk.audit.check import Trust, check_audit
from roeh.desk.audit.log import AuditLog
from roeh.desk.audit.reading import AuditChoice, read_entries
from roeh.desk.commit_hook import DeskFacts
from roeh.desk.ingest.committing import commit
from roeh.desk.ingest.received import receive
from roeh.desk.keys import make_desk_keys, open_audit_key
from roeh.desk.operators import Who
from roeh.transport.messages import HealthMessage, OutboxHealth, health_message
from tests.desks import BOOT_ID, incoming, said_alert

ANNA = Who("anna", "anna")
NOA = Who("noa", "noa")
WELL = HealthMessage(
    site="harbour",
    node="pole-7",
    boot_id=BOOT_ID,
    connection_number=0,
    t_utc_us=1_760_000_000_000_000,
    clock=ClockState(synchronised=True, error_us=2000),
    software="1.0",
    heartbeat_s=60.0,
    condition="ok",
    processes={"capture": "ok"},
    alerts_stored=4,
    outbox=OutboxHealth(rows=3, bytes=9000, oldest_age_us=0, evicted=0, refused=0),
    storage_state="ok",
)


class OperatedDesk:
    """What ingest and operators do, at the times that a test says."""

    def __init__(self, config, store, clock=None):
        self.config = config
        self.store = store
        self.clock = clock or SimulatedClock()
        self.audit = AuditLog(self.clock, config.name)
        self.hook = AlarmHook(config, self.audit, self.clock)
        self.work = DeskWork(store, self.audit, self.clock)
        self.facts = DeskFacts(is_listening=True, since_utc_us=self.now_us)
        self._seq = 0

    @property
    def now_us(self):
        return self.clock.read().t_utc_ns // 1000

    def hear(self, *messages):
        """Messages as poles publish them, taken in as ingest does."""
        batch = [receive(incoming(message)) for message in messages]
        return commit(self.store, batch, self.hook, None, self.clock.read())

    def alert(self, **changes):
        """A new alert of a pole is taken in; it."""
        self._seq += 1
        message = said_alert(self._seq, **changes)
        self.hear(message)
        return msgspec.json.decode(message.payload, type=Alert)

    def goes_on(self, alert, phase=AlertPhase.UPDATED, **changes):
        """A later message of an alert."""
        return self.alert(raised_id=alert.raised_id, phase=phase, **changes)

    def health(self, **changes):
        """A heartbeat."""
        self.hear(health_message(msgspec.structs.replace(WELL, **changes)))

    def time_passes(self, duration_s):
        """And ingest notices."""
        self.clock.advance(duration_s)
        with self.store.writing() as transaction:
            self.hook.on_time(transaction, self.facts, self.now_us)

    def alarms(self, condition="1 = 1"):
        """Newest first."""
        with self.store.reading() as transaction:
            return newest_alarms(transaction, condition, (), 10_000)

    def alarm(self):
        """The only one of an alert."""
        (found,) = self.alarms("is_own = 0")
        return found

    def steps(self, alarm):
        with self.store.reading() as transaction:
            return history_of(transaction, alarm.id)

    def notes(self, alarm):
        with self.store.reading() as transaction:
            return notes_of(transaction, alarm.id)

    def entries(self):
        """The whole audit."""
        with self.store.reading() as transaction:
            return read_entries(transaction, AuditChoice(), 100_000)

    def check(self, *notes, witnesses=()):
        """Recompute the audit."""
        with self.store.reading() as transaction:
            return check_audit(transaction, self.trust(witnesses), notes)

    def trust(self, witnesses=()):
        make_desk_keys(self.config)
        key = open_audit_key(self.config)
        return Trust(self.audit.origin, key.spki_der, tuple(witnesses))


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()
