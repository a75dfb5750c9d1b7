"""The stream to evidence: acknowledged, checked, and not to be harmed by any peer."""

import contextlib
import fcntl
import random
import resource
import socket
import struct
import termios
import threading
from pathlib import Path

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.delivery import (
    ConnectionBegin,
    ConnectionNumber,
    OutboxBatch,
    OutboxItem,
    OutboxKind,
)
from roeh.core.errors import MessageRefused, PeerGone, PeerRefused, StorageFailed, StorageFull
from roeh.core.ipc.credentials import Users
from roeh.core.ipc.framing import MAX_MESSAGE_BYTES, WHOLE_MESSAGE_TIMEOUT_S
from roeh.core.ipc.listener import UnixListener
from roeh.core.ipc.stream import (
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_A_ROLE,
    MAX_SMALL_REQUEST_BYTES,
    PROTOCOL,
    StreamClient,
    StreamServer,
)
from roeh.core.paths import evidence_socket
from roeh.core.peers import PEER_VERBS, NodeStatus, NodeStatusRequest, Role, Verb
from tests.alert_drafts import alert_draft
from tests.process.children import (
    CLOCK,
    CONTEXT,
    NOBODY_UID,
    PATIENCE_S,
    kill,
    running_evidence,
    start,
)
from tests.waiting import wait_until

HELLO = {"role": "publish", "protocol": PROTOCOL}
STATUS = {"verb": "node.status", "body": msgspec.msgpack.encode({})}
FEW_DESCRIPTORS = 24
EMPTY = NodeStatus(0, "", (), 0, 0, 0, 0, 0, 0, "ok")


class Served:
    """A server whose handler answers every request; what it refused is in `refused`."""

    def __init__(self, directory, *, handler=None, users=None, clock=None):
        self.path = directory / "evidence.sock"
        self.refused = []
        self.server = StreamServer(
            self.path,
            Users(users or {}),
            handler or self.answer,
            on_refused=self.refused.append,
            clock=clock or CLOCK,
        )
        self.server.start()
        self.clients = []

    @staticmethod
    def answer(role, verb, request):
        return ConnectionNumber(7) if verb is Verb.CONNECTION_BEGIN else EMPTY

    def client(self, role=Role.PUBLISH):
        self.clients.append(StreamClient(self.path, role, CLOCK))
        return self.clients[-1]

    def serves(self):
        """Whether an honest peer is answered."""
        with contextlib.closing(StreamClient(self.path, Role.PUBLISH, CLOCK)) as client:
            return client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus) == EMPTY

    def close(self):
        for client in self.clients:
            client.close()
        self.server.close()


@pytest.fixture
def serve(short_directory):
    """Starts servers; closes them at the end."""
    with contextlib.ExitStack() as closing:

        def serve_with(**options):
            served = Served(short_directory, **options)
            closing.callback(served.close)
            return served

        yield serve_with


@pytest.fixture
def raw(serve):
    """A server and a bare socket connected to it."""
    served = serve()
    with connected(served.path) as peer:
        yield served, peer


@contextlib.contextmanager
def connected(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(str(path))
        peer.settimeout(PATIENCE_S)
        yield peer


def frame(message):
    payload = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    return struct.pack(">I", len(payload)) + payload


def receive(peer):
    """The next answer; None when the other end hung up."""
    with contextlib.suppress(ConnectionError):
        head = peer.recv(4, socket.MSG_WAITALL)
        if len(head) == 4:
            payload = peer.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)
            return msgspec.msgpack.decode(payload)
    return None


def hung_up(peer):
    while (answer := receive(peer)) is not None:
        assert answer["failure"] is not None or answer["body"] is None
    return True


# The evidence process itself


def test_an_error_crosses_the_border_whole(short_directory):
    with running_evidence(short_directory) as evidence:
        with pytest.raises(MessageRefused) as caught:
            evidence.store(alert_draft(thumbnail_sha256="0" * 64))
        assert caught.value.what == "the thumbnail is not the one that the alert names"
        assert caught.value.remedy == "send the alert with its own thumbnail"
        assert evidence.store(alert_draft()) == 1


def answer_never(path, reached):
    def handler(role, verb, request):
        reached.set()
        threading.Event().wait()

    StreamServer(path, Users({}), handler, on_refused=lambda error: None).start()
    threading.Event().wait()


def answer_at_once(path, ready):
    StreamServer(path, Users({}), Served.answer, on_refused=lambda error: None).start()
    ready.set()
    threading.Event().wait()


def test_a_server_killed_in_the_middle_of_a_call_is_gone_and_its_successor_answers(
    short_directory,
):
    path, reached = short_directory / "evidence.sock", CONTEXT.Event()
    process = start(answer_never, path, reached)
    client = StreamClient(path, Role.PUBLISH, CLOCK)
    assert client.wait_until_there(PATIENCE_S)
    outcome = []

    def call():
        try:
            client.call(Verb.CONNECTION_BEGIN, ConnectionBegin(), ConnectionNumber, timeout_s=60.0)
        except PeerGone as error:
            outcome.append(error)

    calling = threading.Thread(target=call)
    calling.start()
    assert reached.wait(PATIENCE_S)
    kill(process)
    calling.join(PATIENCE_S)
    assert outcome[0].what.startswith("no answer to connection.begin")
    for _ in range(2):  # the second one is met with a connection to the first
        ready = CONTEXT.Event()
        process = start(answer_at_once, path, ready)
        assert ready.wait(PATIENCE_S)
        number = client.call(Verb.CONNECTION_BEGIN, ConnectionBegin(), ConnectionNumber)
        assert number == ConnectionNumber(7)
        kill(process)
    client.close()


def test_stopping_evidence_does_not_wait_for_a_lease_that_waits(short_directory):
    lease = {"limit": 1, "in_flight_rows": [], "wait_s": 30.0}
    with (
        running_evidence(short_directory) as evidence,
        connected(evidence_socket(evidence.config)) as peer,
    ):
        body = msgspec.msgpack.encode(lease)
        peer.sendall(frame(HELLO) + frame({"verb": "outbox.lease", "body": body}))
        assert receive(peer)["failure"] is None
        wait_until(lambda: not unread_bytes(peer))
        started_ns = CLOCK.mono_ns()
        assert evidence.stop() == 0
        assert CLOCK.mono_ns() - started_ns < 5e9
        answer = msgspec.msgpack.decode(receive(peer)["body"], type=OutboxBatch)
        assert answer == OutboxBatch(())


def unread_bytes(peer):
    """What the other end has not read yet (unix(7), SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0]


# Who may ask for what


def test_each_role_may_ask_for_what_the_table_says_and_for_nothing_else(serve):
    def answer(role, verb, request):
        raise StorageFull(what=f"{role.value} reached {verb.value}", which="", remedy="")

    served = serve(handler=answer)
    for role in Role:
        client = served.client(role)
        for verb in Verb:
            expected = PeerRefused
            if verb in PEER_VERBS[role]:
                # Its body is an empty map: those who need more are refused for that.
                expected = (StorageFull, PeerRefused)
            with pytest.raises(expected) as caught:
                client.call(verb, NodeStatusRequest(), NodeStatus)
            assert ("may not ask" in caught.value.what) == (verb not in PEER_VERBS[role])


def test_a_refused_peer_is_told_why_and_may_go_on(raw):
    served, peer = raw
    peer.sendall(frame(HELLO) + frame({"verb": "alert.store", "body": b""}) + frame(STATUS))
    assert receive(peer) == {"body": None, "failure": None}
    assert receive(peer)["failure"]["what"] == "may not ask for 'alert.store'"
    assert msgspec.msgpack.decode(receive(peer)["body"], type=NodeStatus) == EMPTY
    assert [error.code for error in served.refused] == ["PEER_REFUSED"]


def ask_as(path, role, outcomes):
    client = StreamClient(path, role, CLOCK)
    try:
        client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        outcomes.put("answered")
    except (PeerRefused, PeerGone) as error:
        outcomes.put(error.what)
    finally:
        client.close()


def ask_as_nobody(served, role):
    outcomes = CONTEXT.Queue()
    process = start(ask_as, served.path, role, outcomes, uid=NOBODY_UID)
    outcome = outcomes.get(timeout=PATIENCE_S)
    process.join(PATIENCE_S)
    outcomes.close()
    outcomes.join_thread()
    return outcome


def test_a_user_who_runs_no_process_of_the_node_is_not_heard(as_root, serve):
    served = serve()
    outcome = ask_as_nobody(served, Role.PUBLISH)
    assert outcome == f"user id {NOBODY_UID} runs no process of this node"
    assert served.serves()


def test_a_user_has_the_roles_that_the_configuration_gives_it_and_no_other(as_root, serve):
    served = serve(users={Role.RETRIEVE: "nobody"})
    assert ask_as_nobody(served, Role.RETRIEVE) == "answered"
    assert ask_as_nobody(served, Role.PUBLISH) == f"user id {NOBODY_UID} may not act as publish"
    with pytest.raises(PeerRefused, match="may not act as retrieve"):
        served.client(Role.RETRIEVE).call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
    with pytest.raises(PeerRefused, match="may not act as retrieve"):
        served.client(Role.RETRIEVE).wait_until_there(PATIENCE_S)
    assert served.serves()


# Hostile peers


@pytest.mark.parametrize(
    "sent",
    [
        random.Random(1).randbytes(4096),
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", MAX_MESSAGE_BYTES + 1),
        b"\xff\xff\xff\xff",
        frame(b""),
        frame(b"\xc1"),
        frame({"role": "root", "protocol": PROTOCOL}),
        frame({"role": "publish"}),
        frame({"role": "publish", "protocol": 99}),
        frame(b"\x82\xa4role\xa3\xff\xfe\xfd\xa8protocol\x01"),
        frame(b"\x82\xa4role\xa7publish\xa8protocol" + b"\x91" * 100_000),
        frame(b"\x83\xa4none" + b"\x91" * 100_000 + b"\xc0\xa4role"),
        frame(HELLO) + frame(b"\xc1"),
        frame(HELLO) + frame({"verb": 3, "body": b""}),
        frame(HELLO) + struct.pack(">I", MAX_MESSAGE_BYTES + 1) + b"x",
    ],
    ids=lambda sent: repr(bytes(sent[:24])),
)
def test_garbage_ends_its_own_connection_and_nothing_else(raw, sent):
    served, peer = raw
    with contextlib.suppress(ConnectionError):
        peer.sendall(sent)
    assert hung_up(peer)
    assert [error.code for error in served.refused] == ["PEER_REFUSED"]
    assert served.serves()


@pytest.mark.parametrize(
    "request_sent",
    [
        {"verb": "evidence.forget", "body": b""},
        {"verb": "x" * 100_000, "body": b""},
        {"verb": "outbox.lease", "body": b"\xc1"},
        {"verb": "outbox.lease", "body": b""},
        {"verb": "outbox.lease", "body": msgspec.msgpack.encode([1, 2])},
        {
            "verb": "outbox.lease",
            "body": msgspec.msgpack.encode({"limit": -1, "in_flight_rows": [], "wait_s": 0.0}),
        },
        {
            "verb": "outbox.lease",
            "body": msgspec.msgpack.encode(
                {"limit": 1, "in_flight_rows": [], "wait_s": float("nan")}
            ),
        },
        {
            "verb": "outbox.delivered",
            "body": msgspec.msgpack.encode({"rows": [2**64 - 1]}),
        },
        {
            "verb": "outbox.delivered",
            "body": msgspec.msgpack.encode({"rows": list(range(5000))}),
        },
    ],
    ids=lambda request_sent: str(request_sent)[:48],
)
def test_a_wrong_request_is_answered_with_its_reason(raw, request_sent):
    served, peer = raw
    peer.sendall(frame(HELLO) + frame(request_sent) + frame(STATUS))
    assert receive(peer)["failure"] is None
    failure = receive(peer)["failure"]
    assert failure["code"] == "PEER_REFUSED"
    assert len(failure["what"]) < 400
    assert receive(peer)["failure"] is None
    assert served.serves()


def test_half_a_message_does_not_hold_a_thread_for_ever(serve):
    clock = SimulatedClock()
    served = serve(clock=clock)
    with connected(served.path) as slow, connected(served.path) as slower:
        slow.sendall(frame(HELLO))
        assert receive(slow)["failure"] is None
        slow.sendall(b"\x00\x00")
        slower.sendall(frame(HELLO)[:7])
        assert served.serves()

        # A byte now and then does not buy more time.
        def drip():
            clock.advance(WHOLE_MESSAGE_TIMEOUT_S)
            for peer in (slow, slower):
                with contextlib.suppress(ConnectionError):
                    peer.sendall(b"\x00")
            return len(served.refused) >= 2

        wait_until(drip)
        assert hung_up(slow)
        assert hung_up(slower)
        assert {error.what for error in served.refused} == {"stopped in the middle of a message"}
    assert served.serves()


def test_a_peer_that_hangs_up_in_the_middle_is_nobodys_trouble(raw):
    served, peer = raw
    peer.sendall(frame(HELLO) + frame(STATUS)[:9])
    peer.close()
    assert served.serves()
    assert served.refused == []


def test_a_peer_that_never_reads_holds_up_neither_others_nor_the_end(serve):
    big = b"x" * (1 << 20)
    item = OutboxItem(1, OutboxKind.ALERT, "", 1, 1, big, "", 0, "")

    def answer(role, verb, request):
        return OutboxBatch((item,)) if verb is Verb.OUTBOX_LEASE else EMPTY

    served = serve(handler=answer)
    lease = {"limit": 1, "in_flight_rows": [], "wait_s": 0.0}
    with connected(served.path) as peer:
        peer.sendall(
            frame(HELLO)
            + 20 * frame({"verb": "outbox.lease", "body": msgspec.msgpack.encode(lease)})
        )
        assert served.serves()
        started_ns = CLOCK.mono_ns()
        served.server.close()
        assert CLOCK.mono_ns() - started_ns < 5e9


def test_connections_are_limited_and_the_limit_passes(serve):
    served = serve()
    with contextlib.ExitStack() as peers:
        for _ in range(MAX_CONNECTIONS + 5):
            peers.enter_context(connected(served.path))
        wait_until(lambda: len(served.refused) == 5)
        assert "peers of its user are connected already" in served.refused[0].what
        with pytest.raises(PeerRefused):
            served.client().call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)

    def served_again():
        with contextlib.suppress(PeerRefused, PeerGone):
            return served.serves()

    wait_until(served_again)


def hold_connections(path, held, over):
    with contextlib.ExitStack() as peers:
        for _ in range(MAX_CONNECTIONS + 5):
            peers.enter_context(connected(path))
        held.set()
        over.wait()


def test_a_user_that_takes_all_it_can_get_leaves_the_others_their_connections(as_root, serve):
    served = serve(users={Role.PUBLISH: "nobody"})
    held, over = CONTEXT.Event(), CONTEXT.Event()
    process = start(hold_connections, served.path, held, over, uid=NOBODY_UID)
    assert held.wait(PATIENCE_S)
    refused = MAX_CONNECTIONS + 5 - MAX_CONNECTIONS_A_ROLE
    wait_until(lambda: len(served.refused) == refused)
    client = served.client(Role.CAPTURE)
    assert client.wait_until_there(PATIENCE_S)
    over.set()
    process.join(PATIENCE_S)


@pytest.mark.parametrize(
    ("sent", "limit_bytes"),
    [
        ([struct.pack(">I", 1025)], 1024),
        ([frame(HELLO), struct.pack(">I", MAX_SMALL_REQUEST_BYTES + 1)], MAX_SMALL_REQUEST_BYTES),
        (
            [frame({**HELLO, "role": "capture"}), struct.pack(">I", MAX_MESSAGE_BYTES + 1)],
            MAX_MESSAGE_BYTES,
        ),
    ],
)
def test_memory_is_held_only_for_as_much_as_a_peer_has_to_say(raw, sent, limit_bytes):
    served, peer = raw
    for each in sent[:-1]:
        peer.sendall(each)
        assert receive(peer)["failure"] is None
    peer.sendall(sent[-1])
    assert receive(peer)["failure"]["remedy"] == f"at most {limit_bytes} bytes are taken"
    assert hung_up(peer)
    assert served.serves()


def serve_with_few_descriptors(path, ready):
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, FEW_DESCRIPTORS))
    server = StreamServer(path, Users({}), Served.answer, on_refused=lambda error: None)
    server.start()
    ready.set()
    threading.Event().wait()


def test_a_server_out_of_descriptors_serves_again_when_they_are_free(short_directory):
    path, ready = short_directory / "evidence.sock", CONTEXT.Event()
    process = start(serve_with_few_descriptors, path, ready)
    assert ready.wait(PATIENCE_S)
    with contextlib.ExitStack() as peers:
        for _ in range(40):
            peer = peers.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            peer.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                peer.connect(str(path))
        open_files = Path(f"/proc/{process.pid}/fd")
        wait_until(lambda: len(list(open_files.iterdir())) == FEW_DESCRIPTORS)
    with contextlib.closing(StreamClient(path, Role.PUBLISH, CLOCK)) as client:
        number = client.call(Verb.CONNECTION_BEGIN, ConnectionBegin(), ConnectionNumber)
    assert number == ConnectionNumber(7)
    kill(process)


# The client


def test_closing_a_client_ends_its_waiting_call_and_refuses_later_ones(serve):
    reached, release = threading.Event(), threading.Event()

    def answer(role, verb, request):
        reached.set()
        release.wait(PATIENCE_S)
        return EMPTY

    client = serve(handler=answer).client()
    ended = []

    def call():
        with pytest.raises(PeerGone):
            client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus, timeout_s=60.0)
        ended.append(True)

    calling = threading.Thread(target=call)
    calling.start()
    assert reached.wait(PATIENCE_S)
    client.close()
    calling.join(PATIENCE_S)
    assert ended
    with pytest.raises(PeerGone, match="this end was closed"):
        client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
    assert not client.wait_until_there(PATIENCE_S)
    release.set()


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(serve):
    release = threading.Event()

    def answer(role, verb, request):
        if verb is Verb.CONNECTION_BEGIN:
            release.wait(PATIENCE_S)
            return ConnectionNumber(1)
        return EMPTY

    client = serve(handler=answer).client()
    with pytest.raises(PeerGone):
        client.call(Verb.CONNECTION_BEGIN, ConnectionBegin(), ConnectionNumber, timeout_s=0.05)
    release.set()
    assert client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus) == EMPTY


def test_an_answer_of_another_shape_is_refused_and_the_next_call_works(serve):
    client = serve().client()
    with pytest.raises(PeerRefused, match="not a ConnectionNumber"):
        client.call(Verb.NODE_STATUS, NodeStatusRequest(), ConnectionNumber)
    assert client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus) == EMPTY


def test_what_is_left_of_a_broken_answer_belongs_to_no_later_call(short_directory):
    path = short_directory / "evidence.sock"
    good = {"body": msgspec.msgpack.encode(EMPTY), "failure": None}
    welcome = {"body": None, "failure": None}
    answers = [
        frame(welcome) + struct.pack(">I", MAX_MESSAGE_BYTES + 1) + frame({"body": b"stale"}),
        frame(welcome) + frame(good),
    ]

    def serve_badly(listener):
        for answer in answers:
            with listener.accept()[0] as peer, contextlib.suppress(ConnectionError):
                peer.sendall(answer)
                while peer.recv(4096):
                    pass

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        serving = threading.Thread(target=serve_badly, args=(listener,))
        serving.start()
        with contextlib.closing(StreamClient(path, Role.PUBLISH, CLOCK)) as client:
            with pytest.raises(PeerRefused, match="a message of"):
                client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
            assert client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus) == EMPTY
        serving.join(PATIENCE_S)


def test_a_request_too_long_to_be_taken_is_refused_before_it_is_sent(serve):
    client = serve().client()
    item = OutboxItem(1, OutboxKind.ALERT, "", 1, 1, bytes(MAX_MESSAGE_BYTES), "", 0, "")
    with pytest.raises(PeerRefused, match="a message of"):
        client.call(Verb.NODE_STATUS, OutboxBatch((item,)), NodeStatus)
    assert client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus) == EMPTY


def test_nobody_there_is_one_clear_line(short_directory):
    client = StreamClient(short_directory / "evidence.sock", Role.PUBLISH, CLOCK)
    with pytest.raises(PeerGone, match=r"no answer to node\.status"):
        client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
    assert not client.wait_until_there(0.1)
    client.close()


ROUNDS = 50


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_neither_end_leaks_descriptors_or_threads(serve):
    others = threading.active_count()
    served = serve()
    assert served.serves()
    # Beside what ran before only the server's own; those of earlier tests may still end.
    wait_until(lambda: threading.active_count() <= others + 1)
    before = open_descriptors()
    for _ in range(ROUNDS):
        assert served.serves()
        with connected(served.path) as peer:
            peer.sendall(b"garbage!")
    wait_until(lambda: threading.active_count() <= others + 1)
    # A leak would be one a round; a connection or two may still be closing.
    wait_until(lambda: open_descriptors() < before + ROUNDS // 5)


# The socket


def test_a_socket_left_by_a_killed_process_is_replaced(short_directory):
    with running_evidence(short_directory) as evidence:
        evidence.kill()
        assert (short_directory / "run" / "evidence.sock").is_socket()
        evidence.start()
        assert evidence.status().storage_state == "ok"


def test_of_two_listeners_one_is_told(short_directory):
    path = short_directory / "evidence.sock"
    first = UnixListener(path, socket.SOCK_STREAM)
    with pytest.raises(StorageFailed, match="another node runs here already"):
        UnixListener(path, socket.SOCK_STREAM)
    first.close()
    assert not path.exists()
    UnixListener(path, socket.SOCK_STREAM).close()


def test_many_that_start_at_once_leave_one_that_listens(short_directory):
    path = short_directory / "evidence.sock"
    listening, told = [], []
    gate = threading.Barrier(8)

    def begin():
        gate.wait(PATIENCE_S)
        try:
            listening.append(UnixListener(path, socket.SOCK_STREAM))
        except StorageFailed as error:
            told.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(listening), len(told)) == (1, 7)
    with connected(path):
        pass
    listening[0].close()


def test_what_is_not_a_socket_is_never_removed(short_directory):
    path = short_directory / "evidence.sock"
    path.write_text("somebody's notes")
    with pytest.raises(StorageFailed, match="something that is not a socket is in the way"):
        UnixListener(path, socket.SOCK_STREAM)
    assert path.read_text() == "somebody's notes"


@pytest.mark.parametrize("directory", ["x" * 120, "file/run"])
def test_a_run_dir_that_cannot_be_is_named(short_directory, directory):
    (short_directory / "file").write_text("")
    with pytest.raises(StorageFailed, match=r"cannot listen .*set paths.run_dir"):
        UnixListener(short_directory / directory / "evidence.sock", socket.SOCK_STREAM)


def listen_and_tell(path, outcomes):
    try:
        UnixListener(path, socket.SOCK_STREAM).close()
        outcomes.put("listened")
    except StorageFailed as error:
        outcomes.put(error.line())


def test_a_run_dir_of_another_user_is_named(as_root, short_directory):
    outcomes = CONTEXT.Queue()
    process = start(listen_and_tell, short_directory / "evidence.sock", outcomes, uid=NOBODY_UID)
    assert "cannot listen (Permission denied)" in outcomes.get(timeout=PATIENCE_S)
    process.join(PATIENCE_S)
    outcomes.close()
    outcomes.join_thread()
