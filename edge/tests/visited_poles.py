"""A pole that people visit: its evidence and retrieve running, a city that it believes.

    with visited_pole(directory) as pole:
        officer = pole.person(PersonRole.INVESTIGATOR)
        answer = pole.visit(officer).get("/api/v1/node")

Everybody comes from an address of their own (127.0.0.0/8), so that the door which closes for
one stays open for the others.
"""

import contextlib
import http.client
import itertools
import json
import re
import signal
import ssl
import threading
from dataclasses import dataclass

from roeh.core.config import parse_config
from roeh.core.custody import RecordsPage, RecordsRequest
from roeh.core.gop import StreamEnd
from roeh.core.ids import ClockIds
from roeh.core.paths import exports_dir, retrieve_tls_dir
from roeh.core.peers import (
    AlertStored,
    Done,
    EndStream,
    GopStored,
    NodeStatus,
    NodeStatusRequest,
    Role,
    StoreAlert,
    StoreGop,
    Verb,
)
from roeh.core.retrieval import PersonRole
from roeh.keys.signer import KeyUsage, NodeName
from roeh.retrieve.main import run as run_retrieve
from tests.alert_drafts import alert_draft
from tests.clocks import SynchronisedClock
from tests.forkserver import forking_with
from tests.gops import GopSource
from tests.people import PeopledCity, an_export_request
from tests.process.children import Evidence, kill, start
from tests.waiting import wait_until

PATIENCE_S = 20.0
CLOCK = SynchronisedClock()
IDS = ClockIds(CLOCK)
SITE, NODE_NAME, CAMERA = "harbour", "pole", "north"
#: How far back the recording lies that a visited pole has.
RECORDED_US_AGO = 3_600_000_000
NODE = """
[node]
site = "harbour"
name = "pole"
time_zone = "{time_zone}"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[retrieve]
port = 0
[access]
host = "127.0.0.1"
port = 0
root_file = "{directory}/root.pem"
trust_file = "{directory}/trust-list.p7m"
{access}
[[sensors]]
name = "north"
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""
#: Forks from a process without threads, with everything imported.
CONTEXT = forking_with(__name__)
_addresses = itertools.count(2)


def retrieve_main(config):
    """The retrieve process, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    raise SystemExit(run_retrieve(config, CLOCK, stop))


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def own_address():
    """An address of loopback that nobody else comes from."""
    number = next(_addresses)
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Visitor:
    """One person with one connection, kept open; opened anew when the pole closed it."""

    def __init__(self, port, context, address):
        self.address = address
        self._port = port
        self._context = context
        self._connection = None

    def ask(self, method, path, body=None, headers=()):
        for is_last in (self._connection is None, True):
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    "127.0.0.1",
                    self._port,
                    context=self._context,
                    timeout=PATIENCE_S,
                    source_address=(self.address, 0),
                )
            try:
                self._connection.request(method, path, body=body, headers=dict(headers))
                answer = self._connection.getresponse()
                return Answer(answer.status, answer.headers, answer.read())
            except (http.client.HTTPException, OSError):
                self.close()
                if is_last:
                    raise
        raise AssertionError

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers.items())

    def post(self, path, body, media_type="application/json"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, raw, [("Content-Type", media_type)])

    def post_signed(self, path, signed):
        return self.post(path, signed, "application/pkcs7-mime")

    @property
    def socket(self):
        """The connection's, once something was asked."""
        return self._connection.sock

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class VisitedPole:
    """The two processes of one pole, and its city."""

    def __init__(self, directory, *, list_issued_us=None, time_zone="UTC", noise=0, **access):
        self.directory = directory
        self.city = PeopledCity()
        access = {"requests_per_minute": 100_000} | access
        said = "\n".join(f"{name} = {json.dumps(value)}" for name, value in access.items())
        self.config = parse_config(
            NODE.format(directory=directory, access=said, time_zone=time_zone), name="node.toml"
        )
        #: Of the next trust list, and of the revocation lists in it.
        self.next_version = 1
        self._numbers = itertools.count(1001)
        self._visitors = []
        (directory / "root.pem").write_bytes(self.city.root_pem)
        issued = {} if list_issued_us is None else {"issued_us": list_issued_us}
        (directory / "trust-list.p7m").write_bytes(self.new_trust_list(**issued))
        tls_file = retrieve_tls_dir(self.config) / "tls.pem"
        tls_file.parent.mkdir(mode=0o700, parents=True)
        name = NodeName(site=SITE, node=NODE_NAME)
        tls_file.write_bytes(self.city.pole_key(KeyUsage.TLS, name=name).pem)
        tls_file.chmod(0o600)
        self.evidence = Evidence(self.config, CLOCK)
        self.retrieve = None
        self.port = 0
        self.begins_us = CLOCK.read().t_utc_ns // 1000 - RECORDED_US_AGO
        self._gops = self._gop_source(noise)

    def new_trust_list(self, **said):
        """A list as of now, one version higher each time."""
        said = {
            "version": self.next_version,
            "list_number": self.next_version,
            "issued_us": CLOCK.read().t_utc_ns // 1000,
        } | said
        self.next_version += 1
        return self.city.trust_list(**said)

    def start(self):
        self.evidence.start()
        self.start_retrieve()

    def start_retrieve(self):
        """Once it greets people."""
        self.retrieve = start(retrieve_main, self.config)
        begun_us = CLOCK.mono_ns() // 1000

        def greets():
            report = self.report("retrieve")
            if report is None or report.t_mono_us < begun_us:
                return None
            found = re.search(r"people on https://127.0.0.1:(\d+)/; trust list", report.detail)
            return found and int(found[1])

        self.port = wait_until(greets, PATIENCE_S)

    def close(self):
        self.see_off()
        if self.retrieve is not None:
            kill(self.retrieve)
        self.evidence.close()

    def see_off(self):
        """Everybody who came leaves."""
        while self._visitors:
            self._visitors.pop().close()

    def ask(self, role, verb, request, answer_type):
        """Of evidence, as a process of the pole."""
        return self.evidence.client(role).call(verb, request, answer_type)

    def report(self, process):
        """The newest that a process said of itself."""
        status = self.ask(Role.SUPERVISE, Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        return next((one for one in status.reports if one.process == process), None)

    def store_gop(self):
        """One group of pictures more; how long it took, ns."""
        begun_ns = CLOCK.mono_ns()
        self.ask(Role.CAPTURE, Verb.GOP_STORE, StoreGop(self._gops.next()), GopStored)
        return CLOCK.mono_ns() - begun_ns

    def end_recording(self):
        """No more pictures come for now: the segment closes."""
        self.ask(Role.CAPTURE, Verb.STREAM_END, EndStream(CAMERA, StreamEnd.SOURCE_ENDED), Done)

    def bundle_file(self, export_id):
        """Where the encrypted bundle of an export waits."""
        return exports_dir(self.config) / f"{export_id}.age"

    def store_alert(self, picture=b"\xff\xd8 a picture"):
        """An alert with a picture; its id."""
        alert_id = IDS.new()
        draft = alert_draft(alert_id=alert_id, thumbnail=picture)
        self.ask(Role.DETECT, Verb.ALERT_STORE, StoreAlert(draft, picture), AlertStored)
        return alert_id

    def records(self, *kinds):
        """Records of the ledger of these kinds, as JSON."""
        found, after = [], -1
        while True:
            request = RecordsRequest(after=after, kinds=kinds)
            page = self.ask(Role.CUSTODY, Verb.RECORDS_PAGE, request, RecordsPage).records
            if not page:
                return found
            found += [json.loads(raw) for raw in page]
            after = found[-1]["leaf"]

    def person(self, role, number=None, **said):
        """Somebody of the city; each has another number unless it is said."""
        if number is None:
            number = f"{next(self._numbers)}"
        return self.city.person(role, number, **said)

    def context(self, holder=None):
        """TLS of somebody's browser; None: without a certificate."""
        context = ssl.create_default_context(cadata=self.city.root_pem.decode())
        # People reach a pole by whatever address it has; the chain says which pole it is.
        context.check_hostname = False
        if holder is not None:
            path = self.directory / "visitor.pem"
            path.write_bytes(holder.pem)
            context.load_cert_chain(path)
        return context

    def visit(self, holder, address=None):
        """Somebody comes; they are gone when the pole is."""
        visitor = Visitor(self.port, self.context(holder), address or own_address())
        self._visitors.append(visitor)
        return visitor

    def request_of(self, holder, **changed):
        """A request of this person for a second of what is recorded."""
        return an_export_request(
            holder.person.number,
            **{
                "id": IDS.new(),
                "site": SITE,
                "node": NODE_NAME,
                "cameras": (CAMERA,),
                "from_utc_us": self.begins_us,
                "to_utc_us": self.begins_us + 1_000_000,
                "requested_utc_us": CLOCK.read().t_utc_ns // 1000,
            }
            | changed,
        )

    def approval_of(self, holder, request, **said):
        """This person's signed word on a request, counting from now on."""
        now_us = CLOCK.read().t_utc_ns // 1000
        return holder.approve(request, not_before_us=now_us - 1_000_000, **said)

    def one_of_each(self):
        return {role: self.person(role) for role in PersonRole}

    def _gop_source(self, noise):
        now = CLOCK.read()
        return GopSource(
            camera_id=CAMERA,
            boot_id=now.boot_id,
            mono_us=max(0, now.t_mono_ns // 1000 - RECORDED_US_AGO),
            utc_us=self.begins_us,
            noise=noise,
        )


@contextlib.contextmanager
def visited_pole(directory, **said):
    """A pole with a few seconds of recording, open to people."""
    pole = VisitedPole(directory, **said)
    try:
        pole.start()
        for _ in range(10):
            pole.store_gop()
        yield pole
    finally:
        pole.close()
