"""The pole's page: tells how the node is, on loopback, whatever is asked of it."""

import contextlib
import dataclasses
import http.client
import json
import logging
import queue
import re
import socket
import threading
import urllib.parse

import pytest

from roeh.core.clock import SimulatedClock, SystemClock
from roeh.core.config import parse_config
from roeh.core.errors import ConfigError, PortTaken
from roeh.core.ipc.report import Reporter
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, Role
from roeh.core.types import ProcessReport
from roeh.evidence.main import run as run_evidence
from roeh.retrieve.health.node_health import node_health
from roeh.retrieve.main import run as run_retrieve

PATIENCE_S = 20.0
CLOCK = SystemClock()
NODE = """
[node]
site = "harbour"
name = "pole-7"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[retrieve]
host = "{host}"
port = {port}
[[sensors]]
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""

GARBAGE = (
    b"",
    b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"b" * 100_000 + b"\r\n\r\n",
    b"GET /%ff%00/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"\xff\xfe / HTTP/1.1\r\n\r\n",
)


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: str


class Records(logging.Handler):
    """Log records as they come."""

    def __init__(self):
        super().__init__()
        self.queue = queue.SimpleQueue()

    def emit(self, record):
        self.queue.put(record)


@contextlib.contextmanager
def records_of(logger_name):
    handler, logger = Records(), logging.getLogger(logger_name)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler.queue
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def node_config(directory, *, host="127.0.0.1", port=0):
    text = NODE.format(directory=directory, host=host, port=port)
    return parse_config(text, name="node.toml")


@contextlib.contextmanager
def running(main, config):
    """A process's main in a thread; its exit status is checked at the end."""
    stop, ended = threading.Event(), queue.SimpleQueue()
    thread = threading.Thread(target=lambda: ended.put(main(config, CLOCK, stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert ended.get(timeout=PATIENCE_S) == 0


@contextlib.contextmanager
def page_of(config):
    """The running page's address, as the process itself says it."""
    with records_of("roeh.retrieve") as lines, running(run_retrieve, config):
        line = lines.get(timeout=PATIENCE_S).getMessage()
        yield urllib.parse.urlsplit(re.search(r"http://\S+", line)[0])


@pytest.fixture
def node(tmp_path):
    """(config, address) of a node whose evidence answers."""
    config = node_config(tmp_path)
    with running(run_evidence, config), contextlib.ExitStack() as closing:
        client = StreamClient(evidence_socket(config), Role.RETRIEVE, CLOCK)
        closing.callback(client.close)
        assert client.wait_until_there(PATIENCE_S)
        yield config, closing.enter_context(page_of(config))


def get(address, path="/", *, method="GET", host=None):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())


def health_when(address, accepted):
    """The node's health as soon as it is as expected."""
    give_up_ns = CLOCK.mono_ns() + int(PATIENCE_S * 1e9)
    while True:
        answer = get(address, "/health.json")
        health = json.loads(answer.body)
        if accepted(health):
            return answer, health
        assert CLOCK.mono_ns() < give_up_ns, health
        CLOCK.wait(0.05)


def processes(health):
    return {process["process"]: process for process in health.get("processes", ())}


def test_the_page_tells_how_the_node_is(node):
    _, address = node
    page = get(address)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>harbour/pole-7</h1>" in page.body
    for process in ("capture", "detect", "evidence", "publish", "retrieve"):
        assert f'<th scope="row">{process}</th>' in page.body


def test_the_page_loads_and_runs_nothing_from_anywhere(node):
    _, address = node
    page = get(address)
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in page.body
    assert not re.search(r"(src|href)=\"(https?:)?//", page.body)


def test_a_machine_reads_the_same_as_json(node):
    config, address = node
    reporter = Reporter(evidence_socket(config), Role.CAPTURE, CLOCK)
    reporter.update("degraded", "one camera of two is away", {})
    answer, health = health_when(
        address,
        lambda health: (
            processes(health).get("capture", {}).get("condition") == "degraded"
            and processes(health)["retrieve"]["condition"] == "ok"
        ),
    )
    reporter.close()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert health["schema"] == "roeh/node-health/1"
    assert (health["site"], health["node"]) == ("harbour", "pole-7")
    assert processes(health)["capture"]["detail"] == "one camera of two is away"
    assert processes(health)["evidence"]["condition"] == "ok"
    # Detect has never spoken: the node is not better than that.
    assert processes(health)["detect"]["condition"] == "silent"
    assert health["condition"] == "silent"
    assert health["outbox"] == {
        "rows": 0, "bytes": 0, "oldest_age_us": 0, "evicted": 0, "refused": 0
    }  # fmt: skip


def test_what_a_process_says_cannot_become_markup(node):
    config, address = node
    reporter = Reporter(evidence_socket(config), Role.CAPTURE, CLOCK)
    reporter.update("degraded", "<script>alert(1)</script>", {})
    health_when(address, lambda health: processes(health)["capture"]["condition"] == "degraded")
    page = get(address)
    reporter.close()
    assert "<script" not in page.body
    assert "&lt;script&gt;" in page.body


def test_without_evidence_it_says_so_and_recovers(tmp_path):
    config = node_config(tmp_path)
    with page_of(config) as address:
        page, machine = get(address), get(address, "/health.json")
        assert (page.status, machine.status) == (503, 503)
        assert "the evidence process does not answer" in page.body
        assert json.loads(machine.body)["schema"] == "roeh/node-health-unknown/1"
        with running(run_evidence, config):
            answer, _ = health_when(address, lambda health: "condition" in health)
            assert answer.status == 200
        answer, _ = health_when(address, lambda health: "condition" not in health)
        assert answer.status == 503


def test_garbage_ends_nothing_and_is_not_logged_as_a_crash(node):
    _, address = node
    with records_of("") as complaints, contextlib.ExitStack() as half_open:
        for request in GARBAGE:
            peer = socket.create_connection((address.hostname, address.port), PATIENCE_S)
            half_open.enter_context(peer)
            with contextlib.suppress(OSError):
                peer.sendall(request)
        # Each of them holds its connection open meanwhile.
        assert get(address).status == 200
    assert get(address).status == 200
    errors = []
    while not complaints.empty():
        record = complaints.get()
        if record.levelno >= logging.ERROR or record.exc_info:
            errors.append(record.getMessage())
    assert errors == []


@pytest.mark.parametrize(
    ("said", "silence_s", "condition"),
    [
        ("ok", 0, "ok"),
        ("ok", 15, "ok"),
        ("ok", 16, "silent"),
        ("blind", 16, "silent"),
        ("stopped", 3600, "stopped"),
    ],
)
def test_a_process_that_no_longer_speaks_is_not_believed(tmp_path, said, silence_s, condition):
    report = ProcessReport(
        process="detect", state=said, detail="", t_mono_us=10_000_000, counters={}
    )
    status = NodeStatus(
        t_mono_us=10_000_000 + silence_s * 1_000_000,
        boot_id="boot",
        reports=(report,),
        alerts_stored=0,
        outbox_rows=0,
        outbox_bytes=0,
        outbox_oldest_age_us=0,
        outbox_evicted=0,
        outbox_refused=0,
        storage_state="ok",
    )
    health = node_health(node_config(tmp_path), status, SimulatedClock().read(), "1.0")
    (detect,) = [process for process in health.processes if process.process == "detect"]
    assert detect.condition == condition
    assert detect.last_heard_us == silence_s * 1_000_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "//evil.example/", 404),
        ("POST", "/", 405),
        ("DELETE", "/health.json", 405),
        ("HEAD", "/", 200),
    ],
)
def test_it_only_tells(node, method, path, status):
    _, address = node
    answer = get(address, path, method=method)
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Server"] == "roeh"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.1.2.3", ""])
def test_another_name_pointed_at_loopback_is_told_nothing(node, host):
    _, address = node
    answer = get(address, host=host)
    assert answer.status in {400, 421}
    assert "pole-7" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "localhost:8440", "127.0.0.1:1", "[::1]:8440"])
def test_every_name_of_loopback_is_answered(node, host):
    _, address = node
    assert get(address, host=host).status == 200


def test_a_taken_port_is_one_clear_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port}"):
            run_retrieve(node_config(tmp_path, port=port), CLOCK, threading.Event())


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "pole.example", "::"])
def test_it_refuses_to_leave_loopback(tmp_path, host):
    with pytest.raises(ConfigError, match="loopback only"):
        run_retrieve(node_config(tmp_path, host=host), CLOCK, threading.Event())
