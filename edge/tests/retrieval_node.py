"""An evidence process, a city of persons that it believes, and whoever asks it for exports."""

import contextlib

import msgspec

from roeh.access.requests import request_bytes
from roeh.core.custody import RecordsRequest
from roeh.core.gop import StreamEnd
from roeh.core.ids import ClockIds
from roeh.core.peers import VERB_MESSAGES, EndStream, Role, StoreGop, Verb
from roeh.core.retrieval import (
    AddSealedFiles,
    ApproveExport,
    BeginExport,
    ExportsRequest,
    JudgeVisitor,
    NoteExport,
    OfferTrustList,
    PersonRole,
    ProofsRequest,
    RequestExport,
    SealExport,
    Visitor,
)
from roeh.ledger.records import Record
from tests.gops import GopSource
from tests.people import PeopledCity, an_export_request
from tests.process.children import CLOCK, NODE, Evidence, node_config

MORE = """
[node]
site = "hq"
name = "pole-1"
[evidence]
segment_s = 1.0
pre_roll_s = 0.0
post_roll_s = 0.0
min_free_bytes = 0
{evidence}
[access]
host = "127.0.0.1"
root_file = "{directory}/root.pem"
allow_unsynchronised = true
stale_after_days = {stale_after_days}
keep_days = {keep_days}
[[sensors]]
name = "north"
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""
ANOTHER = """
[[sensors]]
name = "{camera}"
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""


class RetrievalNode:
    """A node `hq/pole-1` in `directory` with one camera, `north`, recorded an hour ago.

    `also_cameras`: more of them, which record only what a test hands over (`record_from`).
    `evidence`: more settings of that section.
    """

    def __init__(
        self,
        directory,
        *,
        stale_after_days=30.0,
        keep_days=14.0,
        city=None,
        also_cameras=(),
        evidence="",
    ):
        self.directory = directory
        self.city = city or PeopledCity()
        (directory / "root.pem").write_bytes(self.city.root_pem)
        more = MORE.format(
            directory=directory,
            stale_after_days=stale_after_days,
            keep_days=keep_days,
            evidence=evidence,
        )
        more += "".join(ANOTHER.format(camera=camera) for camera in also_cameras)
        self.config_path = directory / "node.toml"
        self.config_path.write_text(NODE.format(directory=directory, more=more))
        self.evidence = Evidence(node_config(directory, more))
        now = CLOCK.read()
        self.now_us = now.t_utc_ns // 1000
        self.north = GopSource(
            boot_id=now.boot_id,
            mono_us=now.t_mono_ns // 1000 - 3_600_000_000,
            utc_us=self.now_us // 1_000_000 * 1_000_000 - 3_600_000_000,
        )
        self.begin_us = self.north.utc_us
        self.investigator = self.city.person(PersonRole.INVESTIGATOR, "100", name="Ada Levi")
        self.approver = self.city.person(PersonRole.APPROVER, "200", name="Ben Katz")
        self.ids = ClockIds(CLOCK)

    def call(self, verb, request, role=Role.RETRIEVE):
        return self.evidence.client(role).call(verb, request, VERB_MESSAGES[verb][1])

    def record(self, gops):
        """So many pictures' groups more, and the stream ends: every segment is closed."""
        self.record_from(self.north, gops)

    def record_from(self, source, gops):
        """The same of any camera."""
        for gop in source.take(gops):
            self.call(Verb.GOP_STORE, StoreGop(gop), Role.CAPTURE)
        ended = EndStream(source.camera_id, StreamEnd.SOURCE_ENDED)
        self.call(Verb.STREAM_END, ended, Role.CAPTURE)

    def believe(self, **said):
        """Give it a trust list."""
        signed = self.city.trust_list(**({"issued_us": self.now_us} | said))
        return self.call(Verb.TRUST_OFFER, OfferTrustList(signed, "usb"))

    def a_request(self, requester=None, **changed):
        """For the first second that was recorded."""
        said = {
            "id": self.ids.new(),
            "site": "hq",
            "node": "pole-1",
            "from_utc_us": self.begin_us,
            "to_utc_us": self.begin_us + 1_000_000,
            "requested_utc_us": self.now_us,
        }
        number = (requester or self.investigator).person.number
        return an_export_request(number, **(said | changed))

    def ask(self, request, holder=None):
        visitor = Visitor((holder or self.investigator).certificate_der)
        asked = RequestExport(request_bytes(request), visitor)
        return self.call(Verb.EXPORT_REQUEST, asked).export

    def ask_signed(self, signed, role=Role.USB):
        return self.call(Verb.EXPORT_REQUEST, RequestExport(signed), role).export

    def approve(self, signed, role=Role.RETRIEVE):
        return self.call(Verb.EXPORT_APPROVE, ApproveExport(signed), role).export

    def approved(self, **changed):
        """A request that was agreed to."""
        request = self.a_request(**changed)
        self.ask(request)
        return self.approve(self.approver.approve(request))

    def begin(self, export_id):
        return self.call(Verb.EXPORT_BEGIN, BeginExport(export_id))

    def tell(self, export_id, files, first=0):
        return self.call(Verb.EXPORT_FILES, AddSealedFiles(export_id, first, tuple(files)))

    def seal(self, export_id):
        return self.call(Verb.EXPORT_SEAL, SealExport(export_id))

    def note(self, export_id, step, role=Role.RETRIEVE, **said):
        return self.call(Verb.EXPORT_NOTE, NoteExport(export_id, step, **said), role).export

    def proofs(self, export_id, leaves, size):
        asked = ProofsRequest(export_id, tuple(leaves), size)
        return self.call(Verb.EXPORT_PROOFS, asked).records

    def exports(self, export_id=""):
        return self.call(Verb.EXPORTS_PAGE, ExportsRequest(id=export_id)).exports

    def judge(self, holder, action, **said):
        asked = JudgeVisitor(Visitor(holder.certificate_der), action, **said)
        return self.call(Verb.VISITOR_JUDGE, asked)

    def records(self, *kinds):
        """All records of these kinds."""
        found, after = [], -1
        while True:
            page = self.call(
                Verb.RECORDS_PAGE, RecordsRequest(after=after, kinds=kinds), Role.CUSTODY
            )
            if not page.records:
                return found
            found += [msgspec.json.decode(one, type=Record) for one in page.records]
            after = found[-1].leaf

    def bodies(self, *kinds):
        return [record.body for record in self.records(*kinds)]

    def restart(self):
        """kill -9, and a new start."""
        self.evidence.kill()
        self.evidence.start()


@contextlib.contextmanager
def retrieval_node(directory, **said):
    """With evidence running."""
    node = RetrievalNode(directory, **said)
    try:
        node.evidence.start()
        yield node
    finally:
        node.evidence.close()
