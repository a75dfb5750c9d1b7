"""Whatever bytes are shown, they are read as what was signed or refused by name."""

from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.access.judging import judge_person, time_of
from roeh.access.requests import judge_approval, read_request, request_bytes
from roeh.access.trust_list import read_trust_list
from roeh.core.errors import AccessRefused, KeyRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.cms import read_signed
from tests.authorities import NODE
from tests.people import PeopledCity, an_export_request, clock_on_day

NOW = clock_on_day(301).read()
CITY = PeopledCity()
TRUST = CITY.held_trust()
APPROVER = CITY.person(PersonRole.APPROVER, "200")
INVESTIGATOR = CITY.person(PersonRole.INVESTIGATOR, "100")
REQUEST = an_export_request("100")
APPROVAL = APPROVER.approve(REQUEST)
GENUINE = read_signed(APPROVAL)


@st.composite
def damaged(draw, content):
    """Some bytes of it written over, cut out, doubled, or put elsewhere."""
    damaged_bytes = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(damaged_bytes)))
        end = min(len(damaged_bytes), start + draw(st.integers(0, 12)))
        kind = draw(st.sampled_from(["over", "out", "twice"]))
        piece = draw(st.binary(max_size=12)) if kind == "over" else b""
        if kind == "twice":
            piece = bytes(damaged_bytes[start:end]) * 2
        damaged_bytes[start:end] = piece
    return bytes(damaged_bytes)


@given(damaged(APPROVAL) | st.binary(max_size=300))
@settings(max_examples=300)
def test_a_signed_object(content):
    try:
        read = read_signed(content)
    except KeyRefused:
        return
    assert (read.content, read.signer_der) == (GENUINE.content, GENUINE.signer_der)


@given(damaged(INVESTIGATOR.certificate_der) | st.binary(max_size=300))
@settings(max_examples=200)
def test_a_certificate(content):
    try:
        person = judge_person(content, TRUST, NOW)
    except AccessRefused:
        return
    assert person == INVESTIGATOR.person


@given(damaged(request_bytes(REQUEST)) | st.binary(max_size=300))
@settings(max_examples=200)
def test_a_request(content):
    try:
        request = read_request(content)
    except AccessRefused:
        return
    assert request_bytes(request) == content


@given(damaged(APPROVAL))
def test_an_approval(content):
    try:
        judged = judge_approval(
            content,
            request=request_bytes(REQUEST),
            requester=INVESTIGATOR.person,
            site=NODE.site,
            node=NODE.node,
            trust=TRUST,
            now=NOW,
        )
    except AccessRefused:
        return
    assert (judged.approver, judged.approval.request) == (APPROVER.person, REQUEST)


@given(damaged(TRUST.signed))
def test_a_trust_list(content):
    try:
        read = read_trust_list(content, CITY.root_pem, time_of(NOW))
    except AccessRefused:
        return
    assert read.trust_list == TRUST.trust_list
