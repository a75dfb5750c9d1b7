"""`roeh desk run --only republish`: the process that passes alerts on to audiences."""

from __future__ import annotations

import threading

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import BrokerRefused, DeskFailed, RoehError
from roeh.core.log import log_error, log_for
from roeh.core.metrics import MetricsFile, desk_metrics
from roeh.core.notify import Notifier
from roeh.desk.broker import desk_broker_options
from roeh.desk.republish.link import BrokerOutlet
from roeh.desk.republish.republisher import Republisher
from roeh.desk.store import DeskStore, open_desk_store
from roeh.transport.backoff import Backoff

#: How often the database is looked into when there was nothing.
LOOK_EVERY_S = 0.2
_BACKOFF_CAP_S = 10.0
_FORGET_EVERY_S = 3600.0
_LOG = log_for("desk.republish")


def run_republish(config: DeskConfig, clock: Clock, stop: threading.Event) -> None:
    """Pass on until told to stop; a broker or database that goes away is waited for.

    Raises:
        ConfigError: the configuration cannot be followed.
        DeskFailed: the database cannot be opened.
    """
    notifier = Notifier()
    outlet = BrokerOutlet(desk_broker_options(config, "republish"), clock)
    store = open_desk_store(config)
    try:
        notifier.ready("passing on what poles said")
        pass_on(
            config,
            store,
            outlet,
            clock,
            stop,
            metrics=desk_metrics(config, "republish", clock),
            notifier=notifier,
        )
        notifier.stopping()
    finally:
        outlet.close()
        store.close()


def pass_on(
    config: DeskConfig,
    store: DeskStore,
    outlet: BrokerOutlet,
    clock: Clock,
    stop: threading.Event,
    *,
    metrics: MetricsFile | None = None,
    notifier: Notifier | None = None,
) -> None:
    """The loop of the process; its counts go to `metrics`, that it goes round to `notifier`."""
    republisher = Republisher(config, store, outlet, clock)
    backoff = Backoff(_BACKOFF_CAP_S)
    forget_mono_ns = clock.mono_ns()
    is_well = True
    while not stop.is_set():
        if notifier is not None:
            notifier.progress()
        if metrics is not None:
            metrics.write_if_due("ok" if is_well else "degraded", outlet.counts)
        try:
            more = republisher.round()
            if clock.mono_ns() >= forget_mono_ns:
                republisher.forget()
                forget_mono_ns = clock.mono_ns() + round(_FORGET_EVERY_S * NS_PER_S)
        except (BrokerRefused, DeskFailed) as error:
            is_well = _tell_once(error, is_well=is_well)
            clock.wait(backoff.next_wait_s(), stop)
            continue
        if not is_well:
            _LOG.info("passing on again")
            is_well = True
        backoff.reset()
        if not more:
            clock.wait(LOOK_EVERY_S, stop)


def _tell_once(error: RoehError, *, is_well: bool) -> bool:
    if is_well:
        log_error(_LOG, error)
    return False
