"""Who may ask evidence for what: the table, its messages, and the page that shows it."""

from pathlib import Path

import msgspec
import pytest

from roeh.core.delivery import LeaseOutbox
from roeh.core.peers import PEER_VERBS, VERB_MESSAGES, Role, Verb
from roeh.core.types import MAX_COUNTERS, ProcessReport

PAGE = Path(__file__).parents[2] / "design" / "ipc.md"


def test_every_role_and_every_verb_is_in_the_table():
    assert set(PEER_VERBS) == set(Role)
    assert set(VERB_MESSAGES) == set(Verb)
    assert set().union(*PEER_VERBS.values()) == set(Verb)


def test_only_detect_stores_alerts_and_only_publish_touches_the_outbox():
    def askers(verb):
        return {role for role, verbs in PEER_VERBS.items() if verb in verbs}

    assert askers(Verb.ALERT_STORE) == {Role.DETECT}
    assert askers(Verb.ALERTS_OPEN) == {Role.DETECT}
    for verb in (
        Verb.OUTBOX_LEASE,
        Verb.OUTBOX_DELIVERED,
        Verb.OUTBOX_REFUSED,
        Verb.CONNECTION_BEGIN,
    ):
        assert askers(verb) == {Role.PUBLISH}


@pytest.mark.parametrize("message", [one for pair in VERB_MESSAGES.values() for one in pair])
def test_messages_are_frozen(message):
    assert message.__struct_config__.frozen


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (LeaseOutbox(0, (), 0.0), LeaseOutbox),
        (LeaseOutbox(10_000, (), 0.0), LeaseOutbox),
        (LeaseOutbox(1, (-1,), 0.0), LeaseOutbox),
        (LeaseOutbox(1, (), 1e9), LeaseOutbox),
        (LeaseOutbox(1, (), float("nan")), LeaseOutbox),
        (
            ProcessReport("x", "ok", "", 1, {str(n): 0.0 for n in range(MAX_COUNTERS + 1)}),
            ProcessReport,
        ),
        (ProcessReport("x", "ok", "", 1, {"n" * 1000: 0.0}), ProcessReport),
        (ProcessReport("x", "ok", "x" * 10_000, 1, {}), ProcessReport),
    ],
)
def test_a_request_without_measure_does_not_pass_the_border(message, expected):
    raw = msgspec.msgpack.encode(message)
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(raw, type=expected)


def test_the_page_shows_the_table_as_it_is():
    rows = [
        f"| `{verb.value}` | "
        + ", ".join(role.value for role in Role if verb in PEER_VERBS[role])
        + f" | {' '.join(VERB_MESSAGES[verb][0].__doc__.split()).partition(': ')[2]} |"
        for verb in Verb
    ]
    lines = PAGE.read_text().splitlines()
    names = tuple(f"| `{verb.value}` |" for verb in Verb)
    assert [line for line in lines if line.startswith(names)] == rows
