"""`roeh desk run --only republish`: the process that passes alerts on to audiences."""

from __future__ import annotations

import threading
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import BrokerRefused, ConfigError, DeskFailed, RoehError
from roeh.core.log import log_error, log_for
from roeh.desk.republish.link import BrokerOutlet
from roeh.desk.republish.republisher import Republisher
from roeh.desk.store import DeskStore, open_desk_store
from roeh.transport.backoff import Backoff
from roeh.transport.mqtt import BrokerOptions
from roeh.transport.tls import TlsFiles

#: How often the database is looked into when there was nothing.
LOOK_EVERY_S = 0.2
_BACKOFF_CAP_S = 10.0
_FORGET_EVERY_S = 3600.0
_LOG = log_for("desk.republish")


def run_republish(config: DeskConfig, clock: Clock, stop: threading.Event) -> None:
    """Pass on until told to stop.

    A broker or database that is away is waited for.

    Raises:
        ConfigError: the configuration cannot be followed.
        DeskFailed: the database is not a desk's; what is away is waited for.
    """
    outlet = BrokerOutlet(_broker_options(config), clock)
    store = open_desk_store(config)
    try:
        pass_on(config, store, outlet, clock, stop)
    finally:
        outlet.close()
        store.close()


def pass_on(
    config: DeskConfig,
    store: DeskStore,
    outlet: BrokerOutlet,
    clock: Clock,
    stop: threading.Event,
) -> None:
    """The loop of the process."""
    republisher = Republisher(config, store, outlet, clock)
    backoff = Backoff(_BACKOFF_CAP_S)
    forget_mono_ns = clock.mono_ns()
    is_well = True
    while not stop.is_set():
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


def _broker_options(config: DeskConfig) -> BrokerOptions:
    broker = config.broker
    tls = None
    if broker.tls.ca_file:
        tls = TlsFiles(
            ca_file=broker.tls.ca_file,
            certificate_file=broker.tls.certificate_file,
            key_file=broker.tls.key_file,
        )
    return BrokerOptions(
        host=broker.host,
        port=broker.port,
        client_id=f"{config.name}-republish",
        tls=tls,
        username=broker.username,
        password=_password(broker.password_file),
        keepalive_s=broker.keepalive_s,
    )


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            what=f"cannot be read ({getattr(error, 'strerror', None) or error})",
            which=f"broker.password_file = {path}",
            remedy="correct the path, or let the desk's user read it",
        ) from None
