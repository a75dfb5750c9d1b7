"""Who comes with a certificate is judged by evidence alone, and each answer is on record."""

from functools import partial

import pytest

from roeh.access.roles import ALLOWED, OWN_ONLY
from roeh.core.errors import AccessRefused, HoldRefused, PeerRefused
from roeh.core.peers import Verb
from roeh.core.retrieval import (
    Action,
    NoteStranger,
    OfferTrustList,
    PersonRole,
    Visitor,
    VisitorHold,
    VisitorRelease,
)
from tests.people import PeopledCity
from tests.retrieval_node import retrieval_node
from tests.waiting import wait_until


@pytest.fixture
def node(short_directory):
    with retrieval_node(short_directory) as node:
        node.believe()
        node.record(3)
        yield node


def hold(node, holder, hold_id, reason="case 7"):
    asked = VisitorHold(
        visitor=Visitor(holder.certificate_der),
        hold_id=hold_id,
        cameras=("north",),
        from_utc_us=node.begin_us,
        to_utc_us=node.begin_us + 1_000_000,
        reason=reason,
    )
    return node.call(Verb.VISITOR_HOLD, asked).hold


def release(node, holder, hold_id):
    asked = VisitorRelease(Visitor(holder.certificate_der), hold_id, "over")
    return node.call(Verb.VISITOR_RELEASE, asked).hold


def at_its_pace(ask):
    """The answer; asked again while evidence says that it is asked too often."""

    def answered():
        try:
            return [ask()]
        except PeerRefused:
            return None

    return wait_until(answered)[0]


def test_every_role_may_what_the_table_says_and_each_answer_is_on_record(node):
    people = node.city.one_of_each()
    allowed = refused = 0
    for role, holder in people.items():
        for action in Action:
            if action in OWN_ONLY:
                continue
            if role in ALLOWED[action]:
                judged = at_its_pace(partial(node.judge, holder, action, detail="x"))
                assert judged.person == holder.person
                allowed += 1
            else:
                with pytest.raises(AccessRefused, match="not_this_role"):
                    at_its_pace(partial(node.judge, holder, action))
                refused += 1
    looks = node.bodies("access")
    assert len({(look.person, look.action) for look in looks}) == len(looks) == allowed
    assert len(node.bodies("access_refused")) == refused


def test_only_who_asked_for_an_export_takes_it(node):
    request = node.a_request()
    node.ask(request)
    other = node.city.person(PersonRole.INVESTIGATOR, "300")
    node.judge(node.investigator, Action.FETCH, export_id=request.id)
    for who, said in ((other, {"export_id": request.id}), (node.investigator, {})):
        with pytest.raises(AccessRefused, match="not_own"):
            node.judge(who, Action.FETCH, **said)


@pytest.mark.parametrize("who", ["another city's", "garbage"])
def test_a_stranger_is_refused_and_named_by_no_name(node, who):
    der = b"\x30garbage"
    if who != "garbage":
        der = PeopledCity("Elsewhere").person(PersonRole.INVESTIGATOR, "100").certificate_der
    node.investigator = type("Holder", (), {"certificate_der": der})
    with pytest.raises(AccessRefused):
        node.judge(node.investigator, Action.SEE_TIMELINE)
    node.call(Verb.STRANGER_NOTE, NoteStranger("TLS: unknown CA"))
    first, second = node.bodies("access_refused")
    assert (first.person, second.reason) == ("", "TLS: unknown CA")


def test_with_a_stale_list_it_is_asked_and_held_and_nothing_leaves(short_directory):
    with retrieval_node(short_directory, stale_after_days=1.0) as node:
        node.believe(issued_us=node.now_us - 2 * 86_400_000_000)
        node.record(3)
        request = node.a_request()
        assert node.ask(request).state == "requested"
        with pytest.raises(AccessRefused, match="stale_trust_list"):
            node.approve(node.approver.approve(request))
        with pytest.raises(AccessRefused, match="stale_trust_list"):
            node.judge(node.investigator, Action.SEE_PREVIEW)
        assert any("older than 1 days" in alarm for alarm in node.evidence.status().alarms)
        node.believe(version=2)
        assert node.approve(node.approver.approve(request)).state == "approved"


def test_a_hold_of_a_visitor_is_let_go_by_two_numbers(node):
    hold_id = node.ids.new()
    placed = hold(node, node.investigator, hold_id)
    assert placed.person == "Ada Levi (Police, 100)"
    assert hold(node, node.investigator, hold_id) == placed
    with pytest.raises(HoldRefused, match="another hold"):
        hold(node, node.approver, hold_id)
    assert release(node, node.investigator, hold_id).state == "release_asked"
    second_card = node.city.person(PersonRole.APPROVER, "100", name="A. Levi")
    with pytest.raises(HoldRefused, match="cannot confirm"):
        release(node, second_card, hold_id)
    assert release(node, node.approver, hold_id).state == "released"


def test_an_older_trust_list_is_refused_whoever_brings_it(node):
    node.believe(version=5)
    signed = node.city.trust_list(version=4, issued_us=node.now_us)
    asked = OfferTrustList(signed, "https", Visitor(node.investigator.certificate_der))
    with pytest.raises(AccessRefused, match="older_trust_list"):
        node.call(Verb.TRUST_OFFER, asked)
    assert [body.version for body in node.bodies("trust_list")] == [1, 5]
