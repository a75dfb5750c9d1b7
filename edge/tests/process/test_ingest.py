"""Ingest with a real broker: stored once, then acknowledged, whatever kills it when."""

import contextlib
import hashlib

import pytest

from roeh.core.delivery import OutboxKind
from tests.desks import id_of, said_alert, said_picture, said_tombstone
from tests.process.brokers import PATIENCE_S, running_broker
from tests.process.ingesting import STEPS, UNSTORABLE, SpeakingPole, desk_at, start_ingest, stored
from tests.process.postgresql import running_postgresql
from tests.process.small_disk import small_disk
from tests.waiting import wait_until


@pytest.fixture
def broker():
    with running_broker("mosquitto") as running:
        yield running


@contextlib.contextmanager
def ingesting(config, **how):
    process = start_ingest(config, **how)
    try:
        yield process
    finally:
        process.terminate()
        process.join(PATIENCE_S)
        ended = not process.is_alive()
        process.kill()
        process.join()
        assert ended, "it did not end when told to"


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


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_ingesters_share_the_messages_and_store_each_once(
    broker, tmp_path, postgresql, kind
):
    url = postgresql.new_database() if kind == "postgresql" else ""
    config = desk_at(tmp_path, broker.port, f'[database]\nurl = "{url}"')
    pole = SpeakingPole(broker.port, config)
    messages = [said_alert(seq) for seq in range(1, 200)]
    with ingesting(config, name="one"), ingesting(config, name="two"):
        pole.insist(messages)
        pole.insist(messages)
    assert sorted(stored(config)) == sorted((id_of(message),) for message in messages)
    assert stored(config, "SELECT first, last FROM seq_known") == [(1, 199)]
    pole.connection.close()


def test_while_the_database_is_away_nothing_is_acknowledged_and_then_all(broker, tmp_path):
    with running_postgresql() as cluster:
        url = cluster.new_database()
        config = desk_at(tmp_path, broker.port, f'[database]\nurl = "{url}"')
        pole = SpeakingPole(broker.port, config)
        with ingesting(config):
            pole.insist([said_alert(1)])
            cluster.stop()
            heard = len(pole.acknowledged)
            messages = [said_alert(seq) for seq in range(2, 30)]
            for message in messages:
                pole.say(message)
            pole.listen(lambda: len(pole.acknowledged) > heard)
            assert len(pole.acknowledged) == heard
            cluster.start()
            # Not said again: what was under way is acknowledged by itself.
            wanted = {id_of(message) for message in messages}
            wait_until(lambda: heard_all(pole, wanted))
        assert stored(config, "SELECT COUNT(*) FROM alert") == [(29,)]
        pole.connection.close()


def test_on_a_full_disk_nothing_is_acknowledged_and_with_room_all(broker, tmp_path, as_root):
    with small_disk(tmp_path) as disk:
        config = desk_at(disk.point, broker.port)
        pole = SpeakingPole(broker.port, config)
        with ingesting(config):
            pole.insist([said_alert(1)])
            disk.fill()
            heard = len(pole.acknowledged)
            messages = [
                said_picture(id_of(said_alert(seq)), bytes([seq]) * 8000) for seq in range(40)
            ]
            for message in messages:
                pole.say(message)
            pole.listen(lambda: False)
            assert len(pole.acknowledged) < heard + len(messages)
            disk.free()
            pole.insist(messages)
        assert stored(config, "SELECT COUNT(*) FROM thumbnail") == [(40,)]
        pole.connection.close()


def test_a_message_that_no_database_keeps_holds_up_no_other(broker, tmp_path):
    config = desk_at(tmp_path, broker.port)
    pole = SpeakingPole(broker.port, config)
    messages = [said_alert(seq) for seq in range(1, 20)]
    with ingesting(config):
        pole.say(said_alert(20, label=UNSTORABLE))
        for message in messages:
            pole.say(message)
        pole.insist(messages)
    assert stored(config, "SELECT COUNT(*), MAX(seq) FROM alert") == [(19, 19)]
    pole.connection.close()


def heard_all(pole, wanted):
    pole.listen(lambda: wanted <= {entry.id for entry in pole.acknowledged})
    return wanted <= {entry.id for entry in pole.acknowledged}
