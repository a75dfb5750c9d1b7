"""What is no request, too much of one, or half of one: refused, and nobody else notices."""

import asyncio
import contextlib
import json
import socket
import ssl
import statistics
from pathlib import Path

import pytest

from roeh.bundle.rendering import Renderer
from roeh.core.clock import SystemClock
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.core.retrieval import MAX_SIGNED_BYTES, PersonRole, Visitor
from roeh.retrieve.api.routes import API, MAX_BODY_BYTES
from roeh.retrieve.door.guard import HEADERS
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.visits.judging import Judge
from roeh.retrieve.visits.looking import Looking
from roeh.retrieve.visits.visit import Visit
from tests.process.running_node import read_proc
from tests.visited_poles import CAMERA, NODE_NAME, own_address, visited_pole
from tests.waiting import wait_until

CLOCK = SystemClock()
NODE = f"{API}/node"
HEAD = f"GET {NODE} HTTP/1.1\r\nHost: pole\r\n".encode()
CLOSE = b"Connection: close\r\n\r\n"
POST = f"POST {API}/holds HTTP/1.1\r\nHost: pole\r\nContent-Type: application/json\r\n".encode()


@pytest.fixture
def visitor(pole):
    return pole.person(PersonRole.INVESTIGATOR)


def said_to(pole, holder, raw):
    """All that comes back for these bytes, until the pole ends the connection."""
    with tls_to(pole, pole.context(holder)) as tls:
        tls.sendall(raw)
        answer = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := tls.recv(65536):
                answer += piece
        return answer


@contextlib.contextmanager
def tls_to(pole, context, address=None):
    connection = socket.create_connection(
        ("127.0.0.1", pole.port), 15.0, source_address=(address or own_address(), 0)
    )
    with connection, context.wrap_socket(connection, server_hostname=NODE_NAME) as tls:
        yield tls


def refusals(answer):
    """Statuses of what came back, each with a body in the one form of errors."""
    statuses = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        statuses.append(int(lines[0].split()[1]))
        fields = dict(line.split(": ", 1) for line in lines[1:])
        size = int(fields["Content-Length"])
        assert set(json.loads(rest[:size])) == {"code", "what", "which", "remedy"}
        assert {name: fields[name] for name in HEADERS} == HEADERS
        answer = rest[size:]
    return statuses


@pytest.fixture(scope="module", autouse=True)
def half_request(standing_pole):
    """(connection, when it was opened): a request that is never whole, from the beginning on."""
    holder = standing_pole.person(PersonRole.TECHNICIAN)
    with tls_to(standing_pole, standing_pole.context(holder)) as tls:
        tls.sendall(HEAD)
        yield tls, CLOCK.mono_ns()


TRAVERSALS = {
    "dots": b"/../../../etc/passwd",
    "dots_below": b"/api/v1/../../etc/passwd",
    "encoded_dots": b"/api/v1/stills/%2e%2e%2f%2e%2e%2fetc?at_utc_us=1",
    "encoded_slash": b"/api/v1/exports/..%2f..%2fnode.db/bundle",
    "twice_encoded": b"/api/v1/exports/%252e%252e%252fnode.db/bundle",
    "backslashes": b"/api/v1/exports/..\\..\\node.db/bundle",
    "static": b"/static/../../../../etc/passwd",
    "static_encoded": b"/static/%2e%2e/%2e%2e/routes.py",
    "nul": b"/api/v1/stills/north%00?at_utc_us=1",
    "line_feed": b"/api/v1/stills/north%0a?at_utc_us=1",
    "overlong_utf_8": b"/api/v1/stills/%c0%ae%c0%ae?at_utc_us=1",
    "no_slash": b"api/v1/node",
    "absolute": b"http://elsewhere/api/v1/node",
    "two_slashes": b"//elsewhere/api/v1/node",
    "asterisk": b"*",
    "fragment": b"/api/v1/node#x",
    "end_of_time": b"/api/v1/stills/north?at_utc_us=9007199254740991",
    "no_layout": b"/api/v1/stills/north?at_utc_us=1&layout=cube",
    "no_bearing": b"/api/v1/stills/north?at_utc_us=1&layout=ptz&bearing_deg=360",
    "query_twice": b"/api/v1/custody?after=1&after=2",
    "query_unknown": b"/api/v1/custody?path=/etc/passwd",
    "query_no_number": b"/api/v1/custody?after=1e3",
}


@pytest.mark.parametrize("target", TRAVERSALS.values(), ids=TRAVERSALS)
def test_no_address_leads_out_of_the_table(pole, visitor, target):
    approver = pole.person(PersonRole.APPROVER)
    answer = said_to(pole, approver, b"GET " + target + b" HTTP/1.1\r\nHost: pole\r\n" + CLOSE)
    assert refusals(answer) in ([400], [404])


SMUGGLED = b"GET " + NODE.encode() + b" HTTP/1.1\r\nHost: pole\r\n\r\n"
SMUGGLINGS = {
    "length_and_chunks": POST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "two_lengths": POST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + SMUGGLED,
    "list_of_lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED,
    "signed_length": POST + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED,
    "space_in_length": POST + b"Content-Length: 1 2\r\n\r\n{}" + SMUGGLED,
    "unknown_coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n{}" + SMUGGLED,
    "two_codings": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "space_before_colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "folded_header": HEAD + b"X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n" + SMUGGLED,
    "bare_line_feeds": HEAD.replace(b"\r\n", b"\n") + b"\n" + SMUGGLED,
    "bare_carriage_return": HEAD + b"X-A: b\rContent-Length: 40\r\n\r\n" + SMUGGLED,
    "nul_in_header": HEAD + b"X-A: b\x00c\r\n\r\n" + SMUGGLED,
    "two_hosts": HEAD + b"Host: elsewhere\r\n\r\n" + SMUGGLED,
    "bad_chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "upgrade": HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + SMUGGLED,
    "old_http": b"GET / HTTP/0.9\r\n\r\n" + SMUGGLED,
    "http_2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("raw", SMUGGLINGS.values(), ids=SMUGGLINGS)
def test_what_can_be_read_in_two_ways_is_read_in_none(pole, visitor, raw):
    """Refused, and nothing that stands behind it is answered."""
    answer = said_to(pole, visitor, raw)
    assert refusals(answer) == [400]


def test_extensions_of_chunks_are_nothing_to_us(pole, visitor):
    chunked = POST + CLOSE[:-2] + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n"
    assert refusals(said_to(pole, visitor, chunked)) == [400]


def test_heads_have_a_length(pole, visitor):
    line = HEAD + b"X: " + b"a" * 9000 + b"\r\n" + CLOSE
    many = HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"b" * 400) for n in range(50)) + CLOSE
    path = b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: pole\r\n" + CLOSE
    assert refusals(said_to(pole, visitor, line)) == [400]
    assert refusals(said_to(pole, visitor, many)) == [431]
    assert refusals(said_to(pole, visitor, path)) == [400]


@pytest.mark.parametrize(
    ("path", "media_type", "at_most"),
    [("holds", "application/json", MAX_BODY_BYTES),
     ("exports", "application/pkcs7-mime", MAX_SIGNED_BYTES),
     ("trust-list", "application/pkcs7-mime", MAX_SIGNED_BYTES)],
)  # fmt: skip
def test_bodies_have_a_length(pole, visitor, path, media_type, at_most):
    head = f"POST {API}/{path} HTTP/1.1\r\nHost: pole\r\nContent-Type: {media_type}\r\n".encode()
    told = head + b"Content-Length: %d\r\n\r\n" % (at_most + 1)
    assert refusals(said_to(pole, visitor, told)) == [413]
    untold = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % (at_most + 1)
    assert refusals(said_to(pole, visitor, untold + b"x" * (at_most + 1) + b"\r\n")) == [413]


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_nothing_is_done_but_get_head_and_post(pole, visitor, method):
    answer = pole.visit(visitor).ask(method, NODE)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://pole"}],
)  # fmt: skip
def test_a_page_elsewhere_cannot_use_a_visitors_certificate(pole, visitor, headers):
    for path in (f"{API}/holds", f"{API}/exports", f"{API}/trust-list", "/hold", "/export"):
        answer = pole.visit(visitor).ask("POST", path, b"{}", headers.items())
        assert answer.status == 403


def test_a_page_elsewhere_makes_no_looks_in_a_visitors_name(pole, visitor):
    visit, looks = pole.visit(visitor), len(pole.records("access"))
    path = f"{API}/previews/{CAMERA}?from_utc_us=1&to_utc_us=2"
    for site in ("cross-site", "same-site"):
        for shown_as in ("image", "video", "iframe", "empty"):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": shown_as}
            assert visit.get(path, **headers).status == 403
    assert len(pole.records("access")) == looks
    # A link that is followed, and an address that was typed.
    for site in ("cross-site", "none"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": "document"}
        assert visit.get("/", **headers).status == 200


def test_whoever_takes_a_preview_slowly_takes_nobodys_turn(pole, visitor):
    async def still_meanwhile():
        link = EvidenceLink(evidence_socket(pole.config), CLOCK)
        looking = Looking(pole.config, link, Judge(link), Renderer())
        visit = Visit(Visitor(visitor.certificate_der), visitor.person.number)
        begins_us = pole.begins_us
        with contextlib.closing(link):
            async with looking.preview(visit, CAMERA, (begins_us, begins_us + 1_000_000)):
                still = looking.still(visit, CAMERA, begins_us + 500_000)
                return await asyncio.wait_for(still, 10.0)

    assert asyncio.run(still_meanwhile()).startswith(b"\xff\xd8")


def test_answers_say_nothing_of_what_serves_them(pole, visitor):
    answer = pole.visit(visitor).get(NODE)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["Server"] == "roeh"


@pytest.fixture(scope="module")
def tight_pole(tmp_path_factory):
    """Little is allowed here; `recording` stores on meanwhile."""
    directory = tmp_path_factory.mktemp("tight")
    with visited_pole(directory, requests_per_minute=30, max_connections=8) as made:
        yield made


def test_a_person_has_so_many_requests_a_minute_whichever_certificate(tight_pole):
    person = tight_pole.person(PersonRole.TECHNICIAN)
    first = tight_pole.visit(person)
    second = tight_pole.visit(tight_pole.person(PersonRole.OPERATOR, person.person.number))
    statuses = [one.get(NODE).status for _ in range(16) for one in (first, second)]
    assert statuses.count(200) in (30, 31)
    refused = first.get(NODE)
    assert (refused.status, refused.json["code"]) == (429, "ACCESS_REFUSED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 2
    other = tight_pole.visit(tight_pole.person(PersonRole.TECHNICIAN))
    assert other.get(NODE).status == 200
    tight_pole.see_off()


def test_half_requests_hold_up_nobody(tight_pole):
    """One who may come in opens all that they can, others stand at the door for nothing."""
    pole = tight_pole
    hog = pole.context(pole.person(PersonRole.OPERATOR))
    with contextlib.ExitStack() as opened:
        for _ in range(100):
            opened.enter_context(
                socket.create_connection(
                    ("127.0.0.1", pole.port), 5.0, source_address=(own_address(), 0)
                )
            )
        for _ in range(12):
            with contextlib.suppress(OSError):
                tls = opened.enter_context(tls_to(pole, hog))
                tls.sendall(HEAD + b"X-Slow: ")
        took_ms = []
        for role in (PersonRole.APPROVER, PersonRole.INVESTIGATOR, PersonRole.TECHNICIAN):
            visitor = pole.visit(pole.person(role))
            begun_ns = CLOCK.mono_ns()
            assert visitor.get(NODE).status == 200
            took_ms.append((CLOCK.mono_ns() - begun_ns) / 1e6)
        stored_ms = [pole.store_gop() / 1e6 for _ in range(20)]
        assert max(took_ms) < 2000
        assert statistics.median(stored_ms) < 100
    pole.see_off()


def test_a_flood_of_garbage_takes_no_memory_and_no_recording(pole, visitor):
    before = memory_bytes(pole)
    # An empty line before a request is none, and waits for one.
    for number in set(range(60)) - set(b"\r\n"):
        with contextlib.suppress(OSError):
            said_to(pole, visitor, bytes([number]) * 5000 + b"\r\n\r\n")
    visits = pole.visit(visitor)
    deep = b"[" * 200_000
    for _ in range(3):
        assert visits.post(f"{API}/exports", deep).status == 400
        assert visits.post_signed(f"{API}/exports", deep).status == 403
    pole.store_gop()
    assert memory_bytes(pole) - before < 48 * 1024 * 1024
    status = pole.ask(Role.SUPERVISE, Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
    assert status.storage_state == "ok"
    seen = visits.get(
        f"{API}/timeline?from_utc_us={pole.begins_us}&to_utc_us={pole.begins_us + 10**8}"
    ).json
    lane = next(lane for lane in seen["lanes"] if lane["camera_id"] == CAMERA)
    assert lane["gaps"] == []


def test_half_a_request_ends_by_itself(half_request):
    """After ten seconds, however slowly another byte comes now and then."""
    tls, begun_ns = half_request
    tls.settimeout(0.1)

    def is_over():
        try:
            tls.sendall(b"X: a\r\n")
            return tls.recv(100) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    wait_until(is_over, max(1.0, 13.0 - (CLOCK.mono_ns() - begun_ns) / 1e9))


def memory_bytes(pole):
    """Resident, of the retrieve process."""
    fields = read_proc(Path(f"/proc/{pole.retrieve.pid}/statm")).split()
    return int(fields[1]) * 4096
