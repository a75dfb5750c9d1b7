"""One transaction, killed at any moment: what was acknowledged is there, whole, in its place."""

import contextlib
import os
import random
import resource
import signal
import threading

import msgspec
import pytest

from roeh.core.clock import SimulatedClock, SystemClock
from roeh.core.custody import (
    EvidenceStatusRequest,
    PageRequest,
    PlaceHold,
    RecordAccess,
    ReleaseHold,
    Span,
)
from roeh.core.delivery import (
    AcknowledgeOutbox,
    AnswersDelivered,
    CheckpointProof,
    CheckpointProofRequest,
    ConnectionBegin,
    ConnectionNumber,
    KeepCosignature,
    LeaseAnswers,
    LeaseOutbox,
    OrderDone,
    OutboxBatch,
    OutboxDelivered,
    OutboxKind,
    OutboxRefused,
    TakeCommand,
    TakeOrders,
)
from roeh.core.errors import MessageRefused, PeerGone, PeerRefused, RoehError, StorageFailed
from roeh.core.gop import StreamEnd
from roeh.core.ipc.report import Reporter
from roeh.core.operations import OperationNow, TellOperations
from roeh.core.orders import Outcome
from roeh.core.outputs import TakeOutputs
from roeh.core.paths import evidence_socket, node_database
from roeh.core.peers import (
    PEER_VERBS,
    VERB_MESSAGES,
    AlertStored,
    Done,
    EndStream,
    NodeStatus,
    NodeStatusRequest,
    OpenAlertsRequest,
    Role,
    StoreAlert,
    StoreGop,
    Verb,
)
from roeh.core.types import MAX_DETAIL_CHARS, Alert, ProcessReport
from roeh.evidence.main import run as run_evidence
from roeh.evidence.service import EvidenceService
from roeh.transport.down import AckEntry
from tests.alert_drafts import alert_draft
from tests.cosigners import Cosigner
from tests.delivering_nodes import AckingDesk
from tests.gops import BOOT_ID, GopSource
from tests.process.children import (
    CLOCK,
    CONTEXT,
    NOBODY_UID,
    PATIENCE_S,
    node_config,
    running_evidence,
    start,
)
from tests.signing_desks import RESEND, SigningDesk
from tests.stores import AloneStore
from tests.waiting import wait_until

OUTBOX_BYTES = 1 << 26
HOLD_ID = "01a205ca-b784-7000-8098-c287c4faf2a5"
SPAN = Span("sensor", BOOT_ID, 0, 10_000_000)
THUMBNAIL = random.Random(1).randbytes(7000)


def stored_alerts(path):
    """What the outbox of a store holds: seq → (alert, whether its thumbnail is there)."""
    store = AloneStore(path, CLOCK, outbox_max_bytes=OUTBOX_BYTES)
    try:
        items = store.lease(limit=100_000, in_flight_rows=(), wait_s=0).items
        assert store.alerts_stored() == sum(item.kind is OutboxKind.ALERT for item in items)
    finally:
        store.close()
    thumbnails = {item.seq for item in items if item.payload == THUMBNAIL}
    return {
        item.seq: (msgspec.json.decode(item.payload, type=Alert), item.seq in thumbnails)
        for item in items
        if item.kind is OutboxKind.ALERT
    }


def store_with_a_limit(path, limit_bytes, draft, acknowledged):
    """Store one alert; the kernel ends the process where a file would grow beyond the limit."""
    store = AloneStore(path, SystemClock(), outbox_max_bytes=OUTBOX_BYTES)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    acknowledged.value = store.store(draft, THUMBNAIL)
    os._exit(0)


def test_killed_at_any_byte_it_writes_an_alert_is_stored_whole_or_not_at_all(memory_directory):
    path = memory_directory / "node.db"
    drafts = {}
    AloneStore(path, CLOCK, outbox_max_bytes=OUTBOX_BYTES).close()
    limit_bytes, killed = 1, 0
    while True:
        draft = alert_draft(thumbnail=THUMBNAIL)
        acknowledged = CONTEXT.Value("q", 0)
        process = start(store_with_a_limit, path, limit_bytes, draft, acknowledged)
        process.join(PATIENCE_S)
        found = stored_alerts(path)
        if acknowledged.value:
            drafts[acknowledged.value] = draft
        assert list(found) == list(range(1, len(drafts) + 1))
        for seq, (alert, has_thumbnail) in found.items():
            assert alert.id == drafts[seq].id
            assert has_thumbnail
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGXFSZ
        killed += 1
        limit_bytes += 3900  # less than a page of the log and its header
    assert len(drafts) == 1
    assert killed > 8


class Client(threading.Thread):
    """Stores alerts until told to stop; asks again, as detect does, when evidence is gone."""

    def __init__(self, evidence):
        super().__init__()
        self.stop = threading.Event()
        self.acknowledged = {}  # id → seq, written when the answer came
        self.asked_again = 0
        self._client = evidence.client(Role.DETECT)

    def run(self):
        while not self.stop.is_set():
            draft = alert_draft(thumbnail=THUMBNAIL)
            request = StoreAlert(draft=draft, thumbnail=THUMBNAIL)
            while True:
                with contextlib.suppress(PeerGone):
                    answer = self._client.call(Verb.ALERT_STORE, request, AlertStored)
                    self.acknowledged[draft.id] = answer.seq
                    break
                self.asked_again += 1
                self._client.wait_until_there(PATIENCE_S)


def test_nothing_acknowledged_is_lost_when_evidence_is_killed_at_random(short_directory):
    chance = random.Random(2)
    with running_evidence(short_directory) as evidence:
        client = Client(evidence)
        client.start()
        for _ in range(8):
            before = len(client.acknowledged)
            wait_until(lambda before=before: len(client.acknowledged) > before + 2)
            CLOCK.wait(chance.uniform(0.0, 0.02))
            evidence.kill()
            evidence.start()
        client.stop.set()
        client.join(PATIENCE_S)
        assert evidence.stop() == 0
    found = stored_alerts(node_database(evidence.config))
    assert client.asked_again > 0
    # Not one more either: what was asked for again is there once.
    assert {alert.id: seq for seq, (alert, _) in found.items()} == client.acknowledged
    assert sorted(found) == list(range(1, len(found) + 1))
    assert all(has_thumbnail for _, has_thumbnail in found.values())


def test_every_verb_of_the_table_is_answered_as_it_says(short_directory):
    thumbnail = b"jpeg"
    cosigner, keys_file = Cosigner(), short_directory / "desk.keys"
    # Its word counts for publish's acknowledgement too: ack = "broker" lets both be asked.
    more = f'[desk]\nkeys_file = "{keys_file}"\n[broker]\nack = "broker"\n'
    addressee = "{0.site}/{0.name}".format(node_config(short_directory).node)
    desk = AckingDesk(addressee=addressee)
    commands = SigningDesk(CLOCK, *addressee.split("/"))
    keys_file.write_text(f"{desk.line}{cosigner.line}command {commands.verifier.verifier_key}\n")
    unknown = AckEntry(OutboxKind.ALERT, HOLD_ID, "0" * 64)
    requests = {
        Verb.GOP_STORE: StoreGop(GopSource("sensor").next()),
        Verb.STREAM_END: EndStream("sensor", StreamEnd.SOURCE_ENDED),
        Verb.ALERT_STORE: StoreAlert(alert_draft(thumbnail=thumbnail), thumbnail),
        Verb.ALERTS_OPEN: OpenAlertsRequest(10),
        Verb.OPERATIONS_TELL: TellOperations((OperationNow("festival", True, "hours"),)),
        Verb.OUTPUTS_TAKE: TakeOutputs(None, 0.0),
        Verb.OUTBOX_LEASE: LeaseOutbox(10, (), 0.0),
        Verb.OUTBOX_DELIVERED: OutboxDelivered((4,)),
        Verb.OUTBOX_REFUSED: OutboxRefused(5, 0x97),
        Verb.OUTBOX_ACKNOWLEDGE: AcknowledgeOutbox(desk.sign([unknown])),
        Verb.CHECKPOINT_PROOF: CheckpointProofRequest(),
        Verb.COMMAND_TAKE: TakeCommand(commands.sign(commands.command(RESEND))),
        Verb.ANSWERS_LEASE: LeaseAnswers((), 0.0),
        Verb.ANSWERS_DELIVERED: AnswersDelivered((1,)),
        Verb.ORDERS_TAKE: TakeOrders(-1, 0.0),
        Verb.ORDER_DONE: OrderDone(1, Outcome.DONE),
        Verb.CONNECTION_BEGIN: ConnectionBegin(),
        Verb.PROCESS_REPORT: ProcessReport("x", "ok", "", 1, {"frames": 2.0}),
        Verb.NODE_STATUS: NodeStatusRequest(),
        **{verb: PageRequest() for verb in Verb if verb.value.endswith(".page")},
        Verb.HOLD_PLACE: PlaceHold(HOLD_ID, "anna", "a theft", (SPAN,)),
        Verb.HOLD_RELEASE: ReleaseHold(HOLD_ID, "anna", "it is over"),
        Verb.ACCESS_RECORD: RecordAccess("anna", "list", ""),
        Verb.EVIDENCE_STATUS: EvidenceStatusRequest(),
    }
    with running_evidence(short_directory, more) as evidence:
        proof = evidence.client(Role.PUBLISH).call(
            Verb.CHECKPOINT_PROOF, CheckpointProofRequest(), CheckpointProof
        )
        requests[Verb.COSIGNATURE_KEEP] = KeepCosignature(cosigner.cosign(proof.note))
        for verb in Verb:
            if VERB_MESSAGES[verb][0].__module__ == "roeh.core.retrieval":
                continue  # test_exports.py
            for role in Role:
                if verb not in PEER_VERBS[role]:
                    continue
                client, answer_type = evidence.client(role), VERB_MESSAGES[verb][1]
                if verb is Verb.ORDER_DONE:  # nothing was ordered of anybody
                    with pytest.raises(MessageRefused, match="not an order of this process"):
                        client.call(verb, requests[verb], answer_type)
                else:
                    answer = client.call(verb, requests[verb], answer_type)
                    assert isinstance(answer, answer_type)
        status = evidence.status()
    assert status.alerts_stored == 1
    # The alert was delivered, and then asked for again; its picture waits since it was stored.
    assert (status.outbox_rows, status.outbox_refused) == (2, 1)
    assert status.outbox_bytes > 0
    assert status.outbox_oldest_age_us > 0
    assert status.board.statements_refused == 0
    assert status.board.witnessed_age_us is not None
    assert status.board.certificate_days > 365
    # Each process speaks for itself alone, whatever name it gives.
    assert {report.process for report in status.reports} == {
        "evidence",
        *(role.value for role in Role if Verb.PROCESS_REPORT in PEER_VERBS[role]),
    }


def test_the_age_of_what_an_earlier_boot_stored_is_at_least_that_of_this_boot(tmp_path):
    first = AloneStore(
        tmp_path / "node.db",
        SimulatedClock(t_mono_ns=10**15, boot_id="first"),
        outbox_max_bytes=OUTBOX_BYTES,
    )
    first.store(alert_draft(), None)
    first.close()
    clock = SimulatedClock(t_mono_ns=7_000_000_000, boot_id="second")
    store = AloneStore(tmp_path / "node.db", clock, outbox_max_bytes=OUTBOX_BYTES)
    status = EvidenceService(store, clock, on_progress=lambda: None).status()
    store.close()
    assert status.outbox_oldest_age_us == 7_000_000


class ClockOfABusyMoment(SimulatedClock):
    """While evidence looks at the clock, a second passes and an alert is stored."""

    def __init__(self):
        super().__init__()
        self.store = None

    def read(self):
        reading = super().read()
        store, self.store = self.store, None
        if store is not None:
            self.advance(1.0)
            store.store(alert_draft(), None)
        return reading


def test_an_age_is_never_negative(tmp_path):
    clock = ClockOfABusyMoment()
    store = AloneStore(tmp_path / "node.db", clock, outbox_max_bytes=OUTBOX_BYTES)
    clock.store = store
    status = EvidenceService(store, clock, on_progress=lambda: None).status()
    assert store.alerts_stored() == 1
    store.close()
    assert status.outbox_oldest_age_us >= 0


# Starting where it cannot


def start_and_tell(config, outcomes):
    """Run evidence; tell its status and its line, should it not even start."""
    try:
        run_evidence(config, SystemClock(), threading.Event())
    except RoehError as error:
        outcomes.put((error.exit_status, error.line()))


def refusal(config, uid=None):
    outcomes = CONTEXT.Queue()
    process = start(start_and_tell, config, outcomes, uid=uid)
    outcome = outcomes.get(timeout=PATIENCE_S)
    process.join(PATIENCE_S)
    outcomes.close()
    outcomes.join_thread()
    return outcome


def test_a_second_node_on_the_same_data_is_told_and_the_first_goes_on(short_directory):
    with running_evidence(short_directory) as evidence:
        second = msgspec.structs.replace(
            evidence.config,
            paths=msgspec.structs.replace(
                evidence.config.paths, run_dir=str(short_directory / "other")
            ),
        )
        status, line = refusal(second)
        assert status == StorageFailed.exit_status
        assert "another process has the store open" in line
        assert evidence.store(alert_draft()) == 1


def test_a_second_node_in_the_same_run_dir_is_told_and_the_first_goes_on(short_directory):
    with running_evidence(short_directory) as evidence:
        second = msgspec.structs.replace(
            evidence.config,
            paths=msgspec.structs.replace(
                evidence.config.paths, data_dir=str(short_directory / "other")
            ),
        )
        status, line = refusal(second)
        assert status == StorageFailed.exit_status
        assert "another node runs here already" in line
        assert evidence.store(alert_draft()) == 1


def test_a_data_dir_of_another_user_is_named(as_root, short_directory):
    config = node_config(short_directory)
    status, line = refusal(config, uid=NOBODY_UID)
    assert status == StorageFailed.exit_status
    assert "Permission denied" in line
    (short_directory / "data").mkdir(mode=0o755)
    status, line = refusal(config, uid=NOBODY_UID)
    assert line == (
        f"roeh: STORAGE_FAILED: user id {NOBODY_UID} cannot write there: {short_directory}/data; "
        "give paths.data_dir to the user of evidence, on a file system mounted writable"
    )


# What processes report


def report_of(evidence, role):
    """The newest report of a process; None before its first."""
    reports = {report.process: report for report in evidence.status().reports}
    return reports.get(role.value)


def test_a_change_of_state_is_told_at_once_and_the_end_too(short_directory):
    with running_evidence(short_directory) as evidence:
        reporter = Reporter(evidence_socket(evidence.config), Role.CAPTURE, CLOCK)
        reporter.update("ok", "", {"frames": 1.0})
        wait_until(lambda: report_of(evidence, Role.CAPTURE), timeout_s=2.0)
        reporter.update("blind", "no frame for 5 s", {"frames": 1.0})
        wait_until(lambda: report_of(evidence, Role.CAPTURE).state == "blind", timeout_s=2.0)
        assert report_of(evidence, Role.CAPTURE).detail == "no frame for 5 s"
        reporter.close()
        assert report_of(evidence, Role.CAPTURE).state == "stopped"


def test_a_report_waits_for_an_evidence_that_is_away(short_directory):
    with running_evidence(short_directory) as evidence:
        evidence.kill()
        reporter = Reporter(evidence_socket(evidence.config), Role.DETECT, CLOCK)
        reporter.update("degraded", "x" * 2 * MAX_DETAIL_CHARS + "\nmore", {})
        evidence.start()
        report = wait_until(lambda: report_of(evidence, Role.DETECT))
        assert report.state == "degraded"
        assert report.detail == "x" * MAX_DETAIL_CHARS
        reporter.close()


def test_a_reporter_ends_at_once_with_nobody_there(short_directory):
    started_ns = CLOCK.mono_ns()
    reporter = Reporter(short_directory / "evidence.sock", Role.CAPTURE, CLOCK)
    reporter.update("ok", "", {})
    reporter.close()
    assert CLOCK.mono_ns() - started_ns < 2e9


def test_a_reporter_that_is_refused_says_so_once_and_harms_nothing(short_directory, caplog):
    with running_evidence(short_directory) as evidence:
        reporter = Reporter(evidence_socket(evidence.config), Role.SUPERVISE, CLOCK)
        reporter.update("ok", "", {})
        wait_until(lambda: "may not ask for 'process.report'" in caplog.text)
        reporter.close()
        assert caplog.text.count("may not ask for") == 1
        with pytest.raises(PeerRefused):
            evidence.client(Role.SUPERVISE).call(
                Verb.PROCESS_REPORT, ProcessReport("supervise", "ok", "", 1, {}), Done
            )


def test_numbers_of_connections_grow_across_kills(short_directory):
    with running_evidence(short_directory) as evidence:
        numbers = []
        for _ in range(3):
            publish = evidence.client(Role.PUBLISH)
            numbers.append(
                publish.call(Verb.CONNECTION_BEGIN, ConnectionBegin(), ConnectionNumber).number
            )
            evidence.kill()
            evidence.start()
        assert numbers == [1, 2, 3]
        assert isinstance(evidence.status(), NodeStatus)


def test_leased_rows_come_again_after_a_kill_until_they_are_delivered(short_directory):
    with running_evidence(short_directory) as evidence:
        for _ in range(3):
            evidence.store(alert_draft())
        publish = evidence.client(Role.PUBLISH)
        request = LeaseOutbox(10, (), 0.0)
        rows = [item.row for item in publish.call(Verb.OUTBOX_LEASE, request, OutboxBatch).items]
        publish.call(Verb.OUTBOX_DELIVERED, OutboxDelivered(tuple(rows[:1])), Done)
        evidence.kill()
        evidence.start()
        again = publish.call(Verb.OUTBOX_LEASE, request, OutboxBatch).items
        assert [item.row for item in again] == rows[1:]
