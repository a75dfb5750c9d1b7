"""An operator's command that is killed in the middle of its transaction."""

import contextlib
import os
import signal

from roeh.core.clock import SystemClock
from roeh.desk.alarms.desk_work import DeskWork
from roeh.desk.alarms.states import Close
from roeh.desk.audit.log import AuditLog
from roeh.desk.operators import Who
from roeh.desk.store import open_desk_store


def close_and_be_killed(config, alarm_id, step):
    """Close an alarm; be killed at that statement of the transaction."""
    with contextlib.closing(open_desk_store(config)) as store:
        clock = SystemClock()
        work = DeskWork(_KillingStore(store, step), AuditLog(clock, config.name), clock)
        work.act(alarm_id, Close(), Who("anna", "anna"))
    raise SystemExit(0)


class _KillingStore:
    """The desk's database whose process ends at a statement."""

    def __init__(self, store, step):
        self._store = store
        self._step = step

    @contextlib.contextmanager
    def writing(self):
        with self._store.writing() as transaction:
            yield _KillingTransaction(transaction, self._step)


class _KillingTransaction:
    def __init__(self, transaction, step):
        self._transaction = transaction
        self._left = step

    def __getattr__(self, name):
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._transaction, name)
