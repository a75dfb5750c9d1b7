"""Ingest with a real broker: stored once, then acknowledged, whatever kills it when."""

import contextlib
import hashlib

import pytest

from roeh.core.peers import OutboxKind
from tests.desks import id_of, said_alert, said_picture, said_tombstone
from tests.process.brokers import running_broker
from tests.process.ingesting import STEPS, SpeakingPole, desk_at, start_ingest, stored


@pytest.fixture
def broker():
    with running_broker("mosquitto") as running:
        yield running


@contextlib.contextmanager
def ingesting(config):
    process = start_ingest(config)
    try:
        yield process
    finally:
        process.terminate()
        process.join()


def test_what_is_stored_is_acknowledged_by_kind_id_and_hash(broker, tmp_path):
    config = desk_at(tmp_path, broker.port)
    pole = SpeakingPole(broker.port, config)
    alert = said_alert(1)
    messages = [alert, said_picture(id_of(alert)), said_tombstone(2)]
    kinds = (OutboxKind.ALERT, OutboxKind.THUMBNAIL, OutboxKind.TOMBSTONE)
    with ingesting(config):
        acknowledged = pole.insist(messages)
    assert {(entry.kind, entry.sha256) for entry in acknowledged} == {
        (kind, hashlib.sha256(message.payload).hexdigest())
        for kind, message in zip(kinds, messages, strict=True)
    }
    assert stored(config) == [(id_of(alert),)]
    pole.connection.close()


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_has_every_alert_once(broker, tmp_path, step):
    config = desk_at(tmp_path, broker.port)
    pole = SpeakingPole(broker.port, config)
    messages = [said_alert(seq) for seq in range(1, 40)]
    doomed = start_ingest(config, step)
    while doomed.is_alive():
        pole.say(messages[0])
        pole.listen(lambda: not doomed.is_alive())
    assert doomed.exitcode == -9
    with ingesting(config):
        pole.insist(messages)
    assert sorted(stored(config)) == sorted((id_of(message),) for message in messages)
    pole.connection.close()
