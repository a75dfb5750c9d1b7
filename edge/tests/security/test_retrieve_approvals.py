"""Nobody takes anything alone: whose word counts on a request, for what, and how often."""

import msgspec
import pytest

from roeh.access.requests import make_approval, request_bytes
from roeh.core.clock import SystemClock
from roeh.core.retrieval import Approval, PersonRole
from roeh.ledger.canonical import canonical_struct
from roeh.retrieve.api.routes import API
from tests.authorities import revoked
from tests.people import PeopledCity
from tests.visited_poles import IDS, visited_pole

EXPORTS = f"{API}/exports"
_DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def standing_pole(tmp_path_factory):
    """Its own: more is asked for here than a pole takes at once with what others ask."""
    with visited_pole(tmp_path_factory.mktemp("asked")) as made:
        yield made


@pytest.fixture
def asked(pole):
    """(request, its asker): it waits for a second person."""
    asker = pole.person(PersonRole.INVESTIGATOR)
    request = pole.request_of(asker)
    assert pole.visit(asker).post(EXPORTS, request_bytes(request)).status == 201
    return request, asker


def hand_over(pole, request, signed, carrier=None):
    carrier = carrier or pole.person(PersonRole.APPROVER)
    return pole.visit(carrier).post_signed(f"{EXPORTS}/{request.id}/approval", signed)


def state_of(pole, request):
    auditor = pole.visit(pole.person(PersonRole.AUDITOR))
    return auditor.get(f"{EXPORTS}/{request.id}").json["state"]


def refused_as(pole, request, answer):
    """The word of a refusal; nothing was agreed to by it."""
    assert answer.status == 403, answer.body
    assert state_of(pole, request) == "requested"
    return answer.json["what"]


def test_another_persons_word_counts_whoever_carries_it(pole, asked):
    request, asker = asked
    approver = pole.person(PersonRole.APPROVER)
    answer = hand_over(pole, request, pole.approval_of(approver, request), carrier=asker)
    assert answer.status == 200
    assert answer.json["state"] == "approved"
    assert answer.json["approver"]["number"] == approver.person.number


def test_what_the_pole_gives_to_sign_counts_once_it_is_signed(pole, asked):
    request, _ = asked
    approver = pole.person(PersonRole.APPROVER)
    shown = pole.visit(approver).get(f"{EXPORTS}/{request.id}/to-approve").json
    assert shown["request"].encode() == request_bytes(request)
    approval = msgspec.json.decode(shown["approved"], type=Approval)
    assert canonical_struct(approval).decode() == shown["approved"]
    assert hand_over(pole, request, approver.sign_approval(approval)).json["state"] == "approved"


def test_a_second_certificate_does_not_make_a_second_person(pole, asked):
    """The asker is an approver too, by another certificate with the same number."""
    request, asker = asked
    as_approver = pole.person(PersonRole.APPROVER, asker.person.number)
    said = msgspec.structs.replace(
        unsigned(as_approver, request), approver_number=asker.person.number
    )
    answer = hand_over(pole, request, as_approver.sign_approval(said), carrier=as_approver)
    assert refused_as(pole, request, answer) == "self_approval"
    shown = pole.visit(as_approver).get(f"{EXPORTS}/{request.id}/to-approve").json
    assert (shown["approved"], shown["refused"]) == ("", "")


def test_nor_does_another_way_to_write_the_number(pole):
    asker = pole.person(PersonRole.INVESTIGATOR, "ab-77")
    request = pole.request_of(asker)
    assert pole.visit(asker).post(EXPORTS, request_bytes(request)).status == 201
    as_approver = pole.person(PersonRole.APPROVER, "AB-77")
    said = msgspec.structs.replace(unsigned(as_approver, request), approver_number="AB-77")
    answer = hand_over(pole, request, as_approver.sign_approval(said))
    assert refused_as(pole, request, answer) == "self_approval"


@pytest.mark.parametrize("role", [r for r in PersonRole if r is not PersonRole.APPROVER])
def test_the_word_of_any_other_role_is_none(pole, asked, role):
    request, _ = asked
    answer = hand_over(pole, request, pole.approval_of(pole.person(role), request))
    assert refused_as(pole, request, answer) == "not_an_approver"


def test_the_staff_ca_makes_no_approvers(pole, asked):
    request, _ = asked
    impostor = pole.person(PersonRole.APPROVER, issuer=pole.city.staff_ca)
    answer = hand_over(pole, request, pole.approval_of(impostor, request))
    assert refused_as(pole, request, answer) == "role_not_of_this_authority"
    assert pole.visit(impostor).get(EXPORTS).status == 403


def test_an_approver_of_another_city_is_nobody_here(pole, asked):
    request, _ = asked
    stranger = PeopledCity("Other").person(PersonRole.APPROVER)
    answer = hand_over(pole, request, pole.approval_of(stranger, request))
    assert refused_as(pole, request, answer) == "unknown_authority"


def test_whoever_was_dismissed_agrees_to_nothing(pole, asked):
    request, asker = asked
    dismissed = pole.person(PersonRole.APPROVER)
    signed = pole.approval_of(dismissed, request)
    renewed = pole.new_trust_list(revoked=[revoked(dismissed.certificate, on_day=100)])
    assert pole.visit(asker).post_signed(f"{API}/trust-list", renewed).status == 200
    assert refused_as(pole, request, hand_over(pole, request, signed)) == "revoked"


def test_an_approval_counts_once(pole, asked):
    request, _ = asked
    signed = pole.approval_of(pole.person(PersonRole.APPROVER), request)
    assert hand_over(pole, request, signed).status == 200
    again = hand_over(pole, request, signed)
    assert (again.status, again.json["what"]) == (403, "already_decided")
    approvals = [one["body"]["export_id"] for one in pole.records("approval")]
    assert approvals.count(request.id) == 1


def test_an_approval_after_a_refusal_changes_nothing(pole, asked):
    request, _ = asked
    approver = pole.person(PersonRole.APPROVER)
    refused = pole.approval_of(approver, request, verdict="refused")
    assert hand_over(pole, request, refused).json["state"] == "refused"
    answer = hand_over(pole, request, pole.approval_of(approver, request))
    assert (answer.status, answer.json["what"]) == (403, "already_decided")
    assert state_of(pole, request) == "refused"


CHANGES = {
    "another_span": {"to_utc_us": 1},
    "another_camera": {"cameras": ("south",)},
    "another_reader": {"case_number": "2026/9999"},
    "another_pole": {"node": "pole-8"},
    "another_city": {"site": "inland"},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
def test_an_approval_of_anything_else_is_none_of_this(pole, asked, changed):
    request, _ = asked
    changed = {
        name: request.to_utc_us + value if name == "to_utc_us" else value
        for name, value in changed.items()
    }
    other = msgspec.structs.replace(request, **changed)
    signed = pole.approval_of(pole.person(PersonRole.APPROVER), other)
    assert refused_as(pole, request, hand_over(pole, request, signed)) == "another_request"


def test_an_approval_of_another_export_is_not_taken_at_this_address(pole, asked):
    request, asker = asked
    other = pole.request_of(asker)
    assert pole.visit(asker).post(EXPORTS, request_bytes(other)).status == 201
    signed = pole.approval_of(pole.person(PersonRole.APPROVER), other)
    assert hand_over(pole, request, signed).status == 400
    assert state_of(pole, request) == state_of(pole, other) == "requested"


@pytest.mark.parametrize(
    ("from_us", "until_us", "word"),
    [(-2 * _DAY_US, -_DAY_US, "expired"), (_DAY_US, 2 * _DAY_US, "not_yet")],
)
def test_an_approval_counts_in_its_own_time(pole, asked, from_us, until_us, word):
    request, _ = asked
    now_us = SystemClock().read().t_utc_ns // 1000
    signed = pole.person(PersonRole.APPROVER).approve(
        request, not_before_us=now_us + from_us, expires_us=now_us + until_us
    )
    assert refused_as(pole, request, hand_over(pole, request, signed)) == word


def test_a_changed_signature_is_none(pole, asked):
    request, _ = asked
    signed = bytearray(pole.approval_of(pole.person(PersonRole.APPROVER), request))
    signed[-1] ^= 1
    answer = hand_over(pole, request, bytes(signed))
    assert answer.status in (400, 403)
    assert state_of(pole, request) == "requested"


def test_nobody_asks_in_another_persons_name(pole):
    asker, other = (pole.person(PersonRole.INVESTIGATOR) for _ in range(2))
    answer = pole.visit(other).post(EXPORTS, request_bytes(pole.request_of(asker)))
    assert (answer.status, answer.json["what"]) == (403, "another_signer")


def test_the_same_request_again_is_the_same_export(pole, asked):
    request, asker = asked
    again = pole.visit(asker).post(EXPORTS, request_bytes(request))
    assert (again.status, again.json["id"]) == (201, request.id)
    requests = [one["body"]["export_id"] for one in pole.records("export_request")]
    assert requests.count(request.id) == 1


def test_another_request_of_the_same_id_is_refused(pole, asked):
    request, asker = asked
    other = msgspec.structs.replace(request, reason="something else")
    assert pole.visit(asker).post(EXPORTS, request_bytes(other)).status in (403, 404, 409)


def test_a_signed_request_says_so_on_record(pole):
    asker = pole.person(PersonRole.INVESTIGATOR)
    request = pole.request_of(asker, id=IDS.new())
    answer = pole.visit(asker).post_signed(EXPORTS, asker.sign_request(request))
    assert answer.status == 201
    assert answer.json["is_signed"]


def unsigned(holder, request):
    """An approval in which only the name is wrong yet."""
    now_us = SystemClock().read().t_utc_ns // 1000
    return make_approval(
        request,
        verdict="approved",
        approver_number=f"{holder.person.number}0",
        not_before_utc_us=now_us - 1_000_000,
        expires_utc_us=now_us + _DAY_US,
    )
