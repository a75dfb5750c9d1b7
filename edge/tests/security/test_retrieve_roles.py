"""Every role and every address of the API, allowed and refused, over real TLS."""

import msgspec
import pytest

from roeh.access.requests import request_bytes
from roeh.access.roles import ALLOWED, NOT_WITH_STALE_LIST, OWN_ONLY
from roeh.core.clock import SystemClock
from roeh.core.retrieval import Action, PersonRole
from roeh.retrieve.api.routes import API, ROUTES
from tests.visited_poles import CAMERA, IDS, visited_pole

_DAY_US = 86_400_000_000


class Deeds:
    """What each address is asked for, in earnest, by one person."""

    def __init__(self, pole, holder):
        self._pole = pole
        self._holder = holder
        self._visitor = pole.visit(holder)
        self._from_us = pole.begins_us
        self._to_us = pole.begins_us + 1_000_000

    def do(self, route):
        return getattr(self, route.name)()

    def openapi(self):
        return self._visitor.get(f"{API}/openapi.json")

    def node(self):
        return self._visitor.get(f"{API}/node")

    def timeline(self):
        return self._visitor.get(f"{API}/timeline?{self._span()}")

    def thumbnail(self):
        return self._visitor.get(f"{API}/thumbnails/{self._pole.store_alert()}")

    def still(self):
        return self._visitor.get(f"{API}/stills/{CAMERA}?at_utc_us={self._from_us}")

    def preview(self):
        return self._visitor.get(f"{API}/previews/{CAMERA}?{self._span()}")

    def holds(self):
        return self._visitor.get(f"{API}/holds")

    def hold(self):
        return self._visitor.post(f"{API}/holds", self._hold())

    def release(self):
        hold = self._hold()
        placed = self._another(PersonRole.OPERATOR).post(f"{API}/holds", hold)
        assert placed.status == 201
        path = f"{API}/holds/{hold['hold_id']}/release"
        return self._visitor.post(path, {"reason": "the case is over"})

    def exports(self):
        return self._visitor.get(f"{API}/exports?after=-1")

    def request_export(self, **changed):
        request = self._pole.request_of(self._holder, **changed)
        return self._visitor.post(f"{API}/exports", request_bytes(request))

    def export(self):
        return self._visitor.get(f"{API}/exports/{self._visible_export().id}")

    def to_approve(self):
        return self._visitor.get(f"{API}/exports/{self._visible_export().id}/to-approve")

    def approval(self):
        """An approver's signed word, brought by this person."""
        request = self._visible_export()
        signed = self._pole.approval_of(self._pole.person(PersonRole.APPROVER), request)
        return self._visitor.post_signed(f"{API}/exports/{request.id}/approval", signed)

    def bundle(self):
        return self._visitor.get(f"{API}/exports/{self._own_export().id}/bundle")

    def taken(self):
        path = f"{API}/exports/{self._own_export().id}/taken"
        return self._visitor.post(path, {"sha256": "0" * 64})

    def custody(self):
        return self._visitor.get(f"{API}/custody?after=-1&before=1000")

    def trust_list(self):
        return self._visitor.get(f"{API}/trust-list")

    def offer_trust_list(self):
        signed = self._pole.new_trust_list()
        return self._visitor.post_signed(f"{API}/trust-list", signed)

    def _span(self):
        return f"from_utc_us={self._from_us}&to_utc_us={self._to_us}"

    def _hold(self):
        return {
            "hold_id": IDS.new(),
            "cameras": [CAMERA],
            "from_utc_us": self._from_us,
            "to_utc_us": self._to_us,
            "reason": "a fight",
        }

    def _another(self, role):
        return self._pole.visit(self._pole.person(role))

    def _export_of(self, holder):
        is_officer = holder.person.role is PersonRole.PRIVACY_OFFICER
        request = self._pole.request_of(holder, kind="redacted" if is_officer else "full")
        answer = self._pole.visit(holder).post(f"{API}/exports", request_bytes(request))
        assert answer.status == 201, answer.body
        return request

    def _own_export(self):
        may_ask = ALLOWED[Action.REQUEST_EXPORT] | ALLOWED[Action.REQUEST_REDACTED]
        is_asker = self._holder.person.role in may_ask
        return self._export_of(
            self._holder if is_asker else self._pole.person(PersonRole.INVESTIGATOR)
        )

    _visible_export = _own_export


#: What an allowed deed is answered with, where it is not the route's own success: nothing was
#: built of these exports yet, which is only said to who may have it.
_ALLOWED_STATUS = {"bundle": 409, "taken": 409}


def allowed_status(route):
    return _ALLOWED_STATUS.get(route.name, route.success)


@pytest.mark.parametrize("role", PersonRole, ids=lambda role: role.value)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_role_gets_what_its_row_of_the_table_says(pole, route, role):
    answer = Deeds(pole, pole.person(role)).do(route)
    if role in ALLOWED[route.action]:
        assert answer.status == allowed_status(route), answer.body
    else:
        assert answer.status == 403, answer.body
        assert answer.json["code"] == "ACCESS_REFUSED"
        assert answer.json["what"] == "not_this_role"


@pytest.mark.parametrize("role", PersonRole, ids=lambda role: role.value)
def test_a_redacted_copy_is_for_the_privacy_officer_to_ask_for(pole, role):
    answer = Deeds(pole, pole.person(role)).request_export(kind="redacted")
    is_allowed = role in ALLOWED[Action.REQUEST_REDACTED]
    assert answer.status == (201 if is_allowed else 403), answer.body


def test_every_action_has_an_address():
    assert {action for route in ROUTES for action in (route.action, route.signed_action)} >= set(
        Action
    ) - {Action.REQUEST_REDACTED}


def test_each_refusal_and_each_look_is_on_record(pole):
    technician, auditor = pole.person(PersonRole.TECHNICIAN), pole.person(PersonRole.AUDITOR)
    refused = Deeds(pole, technician).preview()
    seen = Deeds(pole, auditor).custody()
    assert (refused.status, seen.status) == (403, 200)
    refusals = {one["body"]["certificate_sha256"] for one in pole.records("access_refused")}
    looks = {
        (one["body"]["certificate_sha256"], one["body"]["action"]) for one in pole.records("access")
    }
    assert technician.person.certificate_sha256 in refusals
    assert (auditor.person.certificate_sha256, "see_custody") in looks


def test_a_look_at_video_says_at_what_before_it_is_shown(pole):
    officer = pole.person(PersonRole.INVESTIGATOR)
    assert Deeds(pole, officer).preview().status == 200
    look = next(
        one["body"]
        for one in pole.records("access")
        if one["body"]["certificate_sha256"] == officer.person.certificate_sha256
    )
    assert look["action"] == "see_preview"
    assert look["cameras"] == [CAMERA]
    assert (look["from_utc_us"], look["to_utc_us"]) == (pole.begins_us, pole.begins_us + 1_000_000)


@pytest.mark.parametrize("role", [PersonRole.INVESTIGATOR, PersonRole.PRIVACY_OFFICER])
def test_an_export_of_another_person_is_not_theirs_to_see_or_fetch(pole, role):
    request = pole.request_of(owner := pole.person(PersonRole.INVESTIGATOR))
    assert pole.visit(owner).post(f"{API}/exports", request_bytes(request)).status == 201
    stranger = pole.visit(pole.person(role))
    listed = stranger.get(f"{API}/exports").json["exports"]
    assert request.id not in {export["id"] for export in listed}
    assert stranger.get(f"{API}/exports/{request.id}").status == 404
    assert stranger.get(f"{API}/exports/{request.id}/to-approve").status == 404
    fetched = stranger.get(f"{API}/exports/{request.id}/bundle")
    assert (fetched.status, fetched.json["what"]) == (403, "not_own")


@pytest.fixture(scope="module")
def standing_stale_pole(tmp_path_factory):
    """Its trust list is 31 days old, and stale after 30."""
    issued_us = SystemClock().read().t_utc_ns // 1000 - 31 * _DAY_US
    with visited_pole(tmp_path_factory.mktemp("stale"), list_issued_us=issued_us) as made:
        yield made


@pytest.fixture
def stale_pole(standing_stale_pole):
    yield standing_stale_pole
    standing_stale_pole.see_off()


@pytest.mark.parametrize("route", ROUTES[:-1], ids=lambda route: route.name)
def test_with_a_stale_list_nothing_new_leaves_and_nothing_is_lost(stale_pole, route):
    roles = sorted(ALLOWED[route.action], key=lambda role: role.value)
    answer = Deeds(stale_pole, stale_pole.person(roles[0])).do(route)
    if {route.action, route.signed_action} & NOT_WITH_STALE_LIST:
        assert answer.status == 403, answer.body
        assert answer.json["what"] == "stale_trust_list"
    else:
        assert answer.status == allowed_status(route), answer.body


def test_a_new_list_ends_that(stale_pole):
    """The last of the table, and after it nothing is stale any more."""
    route = ROUTES[-1]
    assert route.name == "offer_trust_list"
    officer = stale_pole.person(PersonRole.INVESTIGATOR)
    answer = Deeds(stale_pole, officer).do(route)
    assert answer.status == 200
    assert not answer.json["is_stale"]
    assert Deeds(stale_pole, officer).preview().status == 200


def test_own_is_asked_of_fetching_alone():
    assert frozenset({Action.FETCH}) == OWN_ONLY


def test_the_document_names_the_same_roles(pole):
    document = Deeds(pole, pole.person(PersonRole.TECHNICIAN)).openapi().json
    for route in ROUTES:
        operation = document["paths"][API + route.path][route.method.lower()]
        roles = sorted(role.value for role in ALLOWED[route.action])
        assert operation["description"] == f"Action `{route.action.value}`: {', '.join(roles)}."
        assert operation["operationId"] == route.name
    assert msgspec.json.encode(document)
