"""Who is in may say and hear what is theirs; the rest is refused, and changes nothing."""

import itertools

import pytest

from tests.process.secured_broker import SITE
from tests.security.intruder import NOT_AUTHORISED

pytestmark = pytest.mark.apt("mosquitto")
OWN, OTHER = f"roeh/v1/{SITE}/pole-7", f"roeh/v1/{SITE}/pole-8"
UP = ("alert", "thumb", "health", "state", "checkpoint", "rsp")
DOWN = ("cmd", "ack", "cosign")
REFUSED = {NOT_AUTHORISED}


def said(client, *topics):
    """The broker's answers."""
    return {client.publish(topic) for topic in topics}


def heard_by(client):
    return [client.hear() for _ in range(client.heard.qsize())]


def test_a_pole_speaks_for_itself_alone(ground):
    with ground.pole("pole-7") as pole:
        assert NOT_AUTHORISED not in said(pole, *(f"{OWN}/up/{name}" for name in UP))
        assert said(pole, *(f"{OTHER}/up/{name}" for name in UP)) == REFUSED
        assert said(pole, *(f"{OTHER}/down/{name}" for name in DOWN)) == REFUSED
        assert said(pole, *(f"{OWN}/down/{name}" for name in DOWN)) == REFUSED
        foreign = ("roeh/v1/elsewhere/pole-7/up/alert", "roeh/v1/desk/haifa/up/checkpoint")
        others = ("roeh/view/v1/north/beach/alert", "roeh/desk/v1/witness/alarm", f"{OWN}/up/x")
        assert said(pole, *foreign, *others, "$SYS/broker/load", "anything") == REFUSED


def test_a_pole_hears_what_is_said_to_it_and_nothing_else(ground):
    with (
        ground.pole("pole-8") as spy,
        ground.pole("pole-7") as pole,
        ground.service("desk") as desk,
    ):
        spy.subscribe("#", "$SYS/#", "roeh/v1/+/+/up/#", "roeh/v1/+/+/down/#", "roeh/view/v1/#")
        spy.subscribe(f"{OWN}/down/cmd", f"{OWN}/up/alert", "$share/any/roeh/v1/+/+/up/#")
        said(pole, *(f"{OWN}/up/{name}" for name in UP))
        said(desk, f"{OWN}/down/ack", f"{OWN}/down/cmd")

        said(desk, f"{OTHER}/down/ack")

        # The last that was said is the first that it hears, by as many of its filters as fit.
        assert spy.hear()[0] == f"{OTHER}/down/ack"
        assert {topic for topic, _ in heard_by(spy)} <= {f"{OTHER}/down/ack"}


def test_a_stolen_client_id_throws_nobody_off(ground):
    with ground.pole("pole-7") as victim:
        with ground.pole("pole-8", client_id="pole-7") as thief:
            assert said(thief, f"{OWN}/up/alert") == REFUSED

            assert NOT_AUTHORISED not in said(victim, f"{OWN}/up/alert")

        assert not victim.is_out(0)


def test_a_will_on_another_s_topic_is_never_said(ground):
    with ground.service("desk") as desk:
        desk.subscribe("roeh/v1/+/+/up/state")
        forger = ground.pole("pole-8", will=(f"{OWN}/up/state", b"forged"))
        honest = ground.pole("pole-9", will=(f"roeh/v1/{SITE}/pole-9/up/state", b"gone"))
        forger.vanish()
        honest.vanish()

        told = [desk.hear()]
        while told[-1][1] != b"gone":
            told.append(desk.hear())
        assert (f"{OWN}/up/state", b"forged") not in told
    with ground.service("operator", "eyes") as late:
        late.subscribe(f"{OWN}/up/state", f"roeh/v1/{SITE}/pole-9/up/state")
        seen = list(itertools.takewhile(lambda heard: heard[1] != b"gone", iter(late.hear, None)))
        assert (f"{OWN}/up/state", b"forged") not in seen


def test_an_audience_sees_its_own_branch_and_nothing_of_the_poles(ground):
    with (
        ground.service("audience", "north") as patrol,
        ground.service("republish") as republisher,
        ground.pole("pole-7") as pole,
    ):
        patrol.subscribe("#", "roeh/v1/#", "roeh/view/v1/#", "roeh/view/v1/north/#")
        said(pole, f"{OWN}/up/alert", f"{OWN}/up/thumb")
        said(republisher, "roeh/view/v1/control/harbour/pole-7/alert", "roeh/view/v1/south/x/text")
        assert said(patrol, f"{OWN}/down/cmd", "roeh/view/v1/north/beach/alert") == REFUSED

        said(republisher, "roeh/view/v1/north/beach/alert")

        assert patrol.hear()[0] == "roeh/view/v1/north/beach/alert"
        assert {topic for topic, _ in heard_by(patrol)} <= {"roeh/view/v1/north/beach/alert"}


@pytest.mark.parametrize(
    ("kind", "name", "forbidden"),
    [
        ("desk", "haifa", (f"{OWN}/up/alert", f"{OWN}/down/cosign", "roeh/view/v1/north/x/text")),
        ("witness", "witness", (f"{OWN}/down/ack", f"{OWN}/down/cmd", "roeh/desk/v1/other/alarm")),
        ("republish", "haifa", (f"{OWN}/down/ack", f"{OWN}/down/cmd", f"{OWN}/up/alert")),
        ("operator", "eyes", (f"{OWN}/down/cmd", f"{OWN}/up/alert", "roeh/view/v1/control/x")),
        ("operator", "unknown", (f"{OWN}/down/cmd", f"{OWN}/up/alert", "roeh/view/v1/control/x")),
    ],
)
def test_each_part_of_the_control_room_has_its_own_words(ground, kind, name, forbidden):
    with ground.service(kind, name) as part:
        assert said(part, *forbidden) == REFUSED


def test_an_operator_who_is_not_named_hears_nothing(ground):
    with ground.service("operator", "unknown") as stranger, ground.pole("pole-7") as pole:
        stranger.subscribe("#", "roeh/v1/#")
        with ground.service("operator", "eyes") as known:
            known.subscribe("roeh/v1/+/+/up/alert")
            said(pole, f"{OWN}/up/alert")
            assert known.hear()[0] == f"{OWN}/up/alert"
        assert stranger.heard.empty()


def test_a_packet_that_is_too_large_ends_only_the_connection_that_sent_it(ground):
    with ground.pole("pole-7") as honest:
        flooder = ground.pole("pole-8")
        flooder.throw(f"{OTHER}/up/alert", bytes(70_000))
        assert flooder.is_out()

        assert NOT_AUTHORISED not in said(honest, f"{OWN}/up/alert")
