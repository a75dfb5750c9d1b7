"""A pole whose broker is hostile: nothing forged is believed, and recording goes on."""

import contextlib
import hashlib
import json
import random
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.delivery import (
    AcknowledgeOutbox,
    KeepCosignature,
    OutboxAcknowledged,
    OutboxKind,
    TakeCommand,
)
from roeh.core.errors import RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import Done, Role, Verb
from roeh.keys.signer import KeyUsage
from roeh.transport.down import Ack, AckEntry
from roeh.transport.signed import StatementKind
from tests.ceremonies import pole_of
from tests.process.brokers import CLOCK
from tests.security.intruder import NO_SUBSCRIBERS
from tests.security.poles import NAME, TOPIC, Recorder, acknowledgement, renew, running_pole
from tests.signing_desks import RESEND
from tests.waiting import wait_until

pytestmark = pytest.mark.apt("mosquitto")
FLOOD = 10_000
#: An alert is stored each time that so many were thrown.
ALERT_EVERY = 1_000
#: The most that publish may take beyond what it took before; the flood is twice that.
GROWTH_BYTES = 4 << 20
#: A group of pictures lasts half a second here: what takes less keeps up.
SLOW_MS = 500


def heard_alert(hostile):
    """(id, payload) of the next alert."""
    while True:
        topic, payload = hostile.hear()
        if topic == f"{TOPIC}/up/alert":
            return json.loads(payload)["id"], payload


def refused(node):
    return node.status().board.statements_refused


def forgeries(desk, alert_id, payload):
    """What a broker could say that has no key of the desk."""
    stranger = ed25519.Ed25519PrivateKey.generate()
    genuine = acknowledgement(desk, "alert", alert_id, payload)
    text, _, signature = genuine.decode().partition("\n\n")
    other = acknowledgement(desk, "alert", alert_id, b"another payload").decode()
    yield acknowledgement(desk, "alert", alert_id, payload, key=stranger)
    yield text.encode()
    yield f"{text}\n\n".encode()
    yield f"{text}\n\n{other.partition(chr(10) * 2)[2]}".encode()
    yield genuine.replace(b"harbour/pole", b"harbour/pole-2")
    yield desk.sign(json.loads(text.split("\n")[2]), kind=StatementKind.COMMAND)
    yield desk.sign(
        json.loads(text.split("\n")[2]), kind=StatementKind.ACK, addressee="harbour/pole-2"
    )
    changed = "A" if signature[-20] != "A" else "B"
    yield f"{text}\n\n{signature[:-20]}{changed}{signature[-19:]}".encode()


def test_a_forged_acknowledgement_takes_nothing_out_of_the_outbox(own_ground):
    with own_ground.service("desk") as hostile, running_pole(own_ground) as node:
        hostile.subscribe(f"{TOPIC}/up/alert")
        node.store(thumbnail=False)
        alert_id, payload = heard_alert(hostile)
        forged = list(forgeries(node.desk, alert_id, payload))
        before = refused(node)

        for statement in forged:
            hostile.publish(f"{TOPIC}/down/ack", statement)

        status = node.wait_for_status(
            lambda status: status.board.statements_refused >= before + len(forged)
        )
        assert status.outbox_rows == 1
        # What the desk signs of another payload names what evidence does not have.
        wrong = acknowledgement(node.desk, "alert", alert_id, payload + b" ")
        hostile.publish(f"{TOPIC}/down/ack", wrong)
        assert node.status().outbox_rows == 1
        hostile.publish(f"{TOPIC}/down/ack", acknowledgement(node.desk, "alert", alert_id, payload))
        node.wait_for_status(lambda status: status.outbox_rows == 0)


def answers(hostile, count):
    """So many answers to commands, without their signatures."""
    return [json.loads(hostile.hear()[1].decode().split("\n")[2]) for _ in range(count)]


def test_a_replayed_command_is_answered_again_and_done_once_and_an_altered_one_never(own_ground):
    with own_ground.service("desk") as hostile, running_pole(own_ground) as node:
        hostile.subscribe(f"{TOPIC}/up/rsp")
        genuine = node.desk.sign(node.desk.command(RESEND))
        wait_until(lambda: hostile.publish(f"{TOPIC}/down/cmd", genuine) != NO_SUBSCRIBERS)
        first = answers(hostile, 1)[0]
        before = refused(node)

        altered = genuine.replace(b'"first":1', b'"first":2')
        assert altered != genuine
        hostile.publish(f"{TOPIC}/down/cmd", altered)
        stranger = ed25519.Ed25519PrivateKey.generate()
        forged = node.desk.sign(node.desk.command(RESEND), key=stranger)
        hostile.publish(f"{TOPIC}/down/cmd", forged)
        node.wait_for_status(lambda status: status.board.statements_refused >= before + 2)
        hostile.publish(f"{TOPIC}/down/cmd", genuine)

        again = answers(hostile, 1)[0]
        assert again == first


def malformed(seed, genuine):
    """Ever other payloads: cut, changed, repeated, noise, deep, long."""
    chance = random.Random(seed)
    while True:
        statement = bytearray(chance.choice(genuine))
        match chance.randrange(6):
            case 0:
                yield bytes(statement[: chance.randrange(len(statement))])
            case 1:
                for _ in range(chance.randrange(1, 9)):
                    statement[chance.randrange(len(statement))] = chance.randrange(256)
                yield bytes(statement)
            case 2:
                yield chance.randbytes(chance.randrange(300))
            case 3:
                yield b"[" * chance.randrange(1, 5000)
            case 4:
                yield bytes(statement) * chance.randrange(2, 9)
            case _:
                at = chance.randrange(len(statement))
                yield bytes(statement[:at] + chance.randbytes(40) + statement[at:])


@contextlib.contextmanager
def recording(node):
    """A camera that is recorded all the while; how long its groups took, and that none failed."""
    recorder, stop, failures = Recorder(node), threading.Event(), []

    def run():
        try:
            while not CLOCK.wait(0.01, stop):
                recorder.store()
        except RoehError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield recorder
    finally:
        stop.set()
        thread.join()
        recorder.close()
    assert not failures


def genuine_statements(desk):
    alert_id = desk.ids.new()
    return [
        acknowledgement(desk, "alert", alert_id, b"payload"),
        desk.sign(desk.command(RESEND)),
        b"roeh/harbour/pole\n3\nAAAA\n\n\xe2\x80\x94 roeh/harbour/pole AAAA\n",
    ]


def test_a_flood_of_malformed_statements_disturbs_no_recording(own_ground):
    """Through the broker first, then as a publish that was taken over would, past its gate."""
    with (
        own_ground.service("desk") as hostile,
        own_ground.service("witness", "witness") as witness,
        running_pole(own_ground) as node,
    ):
        throwing = (("ack", hostile), ("cmd", hostile), ("cosign", witness))
        hostile.subscribe(f"{TOPIC}/up/alert")
        node.store(thumbnail=False)
        heard = dict([heard_alert(hostile)])
        pids = {role: node.pid(role) for role in (Role.EVIDENCE, Role.PUBLISH)}
        before_bytes = memory_bytes(pids[Role.PUBLISH], "VmRSS")
        junk = malformed(4, genuine_statements(node.desk))
        publish = StreamClient(evidence_socket(node.config), Role.PUBLISH, CLOCK)
        with recording(node) as recorder:
            for number in range(FLOOD):
                channel, thrower = throwing[number % 3]
                thrower.throw(f"{TOPIC}/down/{channel}", next(junk))
                if number % ALERT_EVERY == 0:
                    node.store(thumbnail=False)
            # Evidence answers what comes too fast after a tenth of a second.
            for number in range(FLOOD // 50):
                hand_over(publish, number, next(junk))
            at_least = len(recorder.took_ms)
        publish.close()
        while len(heard) < len(node.stored):
            heard.update([heard_alert(hostile)])

        assert at_least > 10
        assert sorted(recorder.took_ms)[int(len(recorder.took_ms) * 0.9)] < SLOW_MS
        assert recorder.kept() == len(recorder.took_ms)
        assert set(heard) == set(node.stored)
        assert {role: node.pid(role) for role in pids} == pids
        assert node.status().outbox_rows == len(heard)
        genuine = acknowledgement_of_all(node.desk, heard)

        def acknowledged(status):
            # The gate lets in only so many a second after such a flood.
            hostile.publish(f"{TOPIC}/down/ack", genuine)
            return status.outbox_rows == 0

        node.wait_for_status(acknowledged)
        assert memory_bytes(pids[Role.PUBLISH], "VmHWM") - before_bytes < GROWTH_BYTES
        # It did come that far, and was dropped at the door.
        assert node.stop(Role.PUBLISH) == 0
        assert counted(node, "down_dropped") > 0.7 * FLOOD


def acknowledgement_of_all(desk, heard):
    """The desk's word for these alerts."""
    named = ((id_, hashlib.sha256(payload).hexdigest()) for id_, payload in heard.items())
    body = Ack(tuple(AckEntry(OutboxKind.ALERT, *each) for each in named))
    return desk.sign(body, kind=StatementKind.ACK)


def memory_bytes(pid, figure):
    """VmRSS: what a process takes now; VmHWM: the most that it ever took."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{figure}:"))
    return int(kib) * 1024


def counted(node, counter):
    """What publish counted."""
    reports = [report for report in node.status().reports if report.process == "publish"]
    return sum(report.counters[counter] for report in reports)


def hand_over(publish, number, junk):
    """One statement to evidence, which may refuse and must not fall."""
    with contextlib.suppress(RoehError):
        match number % 3:
            case 0:
                publish.call(Verb.OUTBOX_ACKNOWLEDGE, AcknowledgeOutbox(junk), OutboxAcknowledged)
            case 1:
                publish.call(Verb.COMMAND_TAKE, TakeCommand(junk), Done)
            case _:
                note = KeepCosignature(junk.decode("utf-8", "replace"))
                publish.call(Verb.COSIGNATURE_KEEP, note, Done)


def test_a_rotated_certificate_is_taken_up_and_the_session_is_kept(own_ground):
    with own_ground.service("desk") as desk, running_pole(own_ground) as node:
        desk.subscribe(f"{TOPIC}/up/alert")
        node.store(thumbnail=False)
        heard_alert(desk)
        old = pole_of(node.config).states()[-1].serial

        renew(own_ground, node, pole_of(node.config).request([KeyUsage.TLS]))

        assert pole_of(node.config).states()[-1].serial != old
        number = f"as {NAME} (p5, c0"
        log = own_ground.broker.log
        node.wait_for_status(lambda _: log.read_text().count(number) >= 2)
        node.store(thumbnail=False)
        alert_id, payload = heard_alert(desk)
        for statement in [acknowledgement(node.desk, "alert", alert_id, payload)]:
            desk.publish(f"{TOPIC}/down/ack", statement)
        node.wait_for_status(lambda status: status.outbox_rows == 1)


def test_the_key_for_tls_lies_apart_from_those_that_evidence_signs_with(own_ground):
    """So that publish, as a user of its own, can read the one and none of the others."""
    with running_pole(own_ground):
        own = own_ground.directory / "data-tls"
        assert [path.name for path in own.iterdir()] == ["tls.pem"]
        assert own.stat().st_mode & 0o777 == 0o700
        assert (own / "tls.pem").stat().st_mode & 0o777 == 0o600
        keys = own_ground.directory / "data" / "keys"
        assert keys.stat().st_mode & 0o777 == 0o700
