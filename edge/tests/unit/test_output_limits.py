"""Outputs: what lets one on, what keeps it off, and that it is on record before it is on."""

import msgspec
import pytest

from roeh.core.config import parse_config
from roeh.core.errors import ConfigError
from roeh.core.orders import DeterOrder, Outcome
from roeh.core.outputs import OutputOn, TakeOutputs
from roeh.core.peers import Role, Verb
from roeh.core.types import Alert, AlertPhase
from roeh.ledger.outputs import OutputUse, why_not_on
from roeh.ledger.records import OutputRecord
from roeh.verify.ledger_state import LedgerState
from tests.alert_drafts import alert_draft
from tests.commanded_nodes import NODE, CommandedNode

OUTPUTS = """
[[schedules]]
name = "noon"
start = "12:00"
end = "13:00"
[[outputs]]
kind = "trial"
name = "siren"
file = "siren.txt"
longest_on_s = 20.0
shortest_pause_s = 60.0
most_per_day = 3
[[outputs]]
kind = "trial"
name = "lamp"
file = "lamp.txt"
schedule = "noon"
[[rules]]
kind = "zone_entry"
name = "quay"
zone = "street"
outputs = ["siren", "lamp"]
"""
S = 1_000_000


class Node(CommandedNode):
    """A node with a siren, and a lamp for noon; a rule lets both on. It is midnight."""

    def __init__(self, directory):
        super().__init__(directory, more=OUTPUTS)

    def alert(self, age_s=0.0, **fields):
        """Stored as evidence does it; the alert."""
        now = self.clock.read()
        draft = alert_draft(
            boot_id=fields.pop("boot_id", now.boot_id),
            t_mono_us=now.t_mono_ns // 1000 - round(age_s * S),
            **fields,
        )
        alert = Alert(**msgspec.structs.asdict(draft), seq=1)
        with self.ring.database.writing() as connection:
            self.ring.alert_records.on_alert(connection, alert)
            self.outputs.on_alert(connection, alert)
        return alert

    def deter(self, on_s, output="siren"):
        """What became of an order: its answer's outcome and reason."""
        self.deliver()
        self.order(DeterOrder(output=output, on_s=on_s))
        ((outcome, reason),) = self.said()
        return reason or outcome

    def take(self, from_leaf):
        if not isinstance(from_leaf, int | None):
            return super().take(from_leaf)
        request = TakeOutputs(from_leaf=from_leaf, wait_s=0.0)
        return self.outputs.answerers[Verb.OUTPUTS_TAKE](request)

    def asked(self, output="siren"):
        bodies = [envelope.body for envelope in self.ring.envelopes()]
        return [
            (body.cause, body.on_ms, body.refused)
            for body in bodies
            if isinstance(body, OutputRecord) and body.output == output
        ]

    def now_us(self):
        return self.clock.mono_ns() // 1000


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    node.close()


def test_a_raised_alert_lets_on_what_its_rule_names_and_only_when_it_is_on_record(node):
    begin = node.take(None)
    assert begin.items == ()
    alert = node.alert()
    taken = node.take(begin.next_leaf)
    # The lamp is not let on, and that is on record too.
    assert taken.items == (OutputOn("siren", node.now_us() + 20 * S),)
    assert node.asked() == [("alert", 20_000, "")]
    assert node.asked("lamp") == [("alert", 0, "output_outside_hours")]
    (siren, _) = [one.body for one in node.ring.envelopes() if isinstance(one.body, OutputRecord)]
    assert siren.cause_id == alert.raised_id


def test_capture_is_told_once_and_one_that_is_started_anew_not_at_all(node):
    begin = node.take(None)
    node.alert()
    taken = node.take(begin.next_leaf)
    assert node.take(taken.next_leaf).items == ()
    assert node.take(None).items == ()
    assert node.take(node.take(None).next_leaf).items == ()


def test_what_was_not_fetched_outlives_a_start_of_evidence_but_not_its_time(node):
    begin = node.take(None)
    node.alert()
    node.restart()
    assert [item.output for item in node.take(begin.next_leaf).items] == ["siren"]
    node.clock.advance(20)
    assert node.take(begin.next_leaf).items == ()


@pytest.mark.parametrize("phase", [AlertPhase.UPDATED, AlertPhase.CLEARED])
def test_what_an_alert_says_later_lets_nothing_on(node, phase):
    node.alert(phase=phase)
    assert node.asked() == []


def test_another_rule_lets_nothing_on(node):
    node.alert(rule="gate")
    assert node.asked() == []


@pytest.mark.parametrize("late", [{"age_s": 10.5}, {"boot_id": "a boot before"}])
def test_an_alert_that_comes_late_lets_nothing_on(node, late):
    """Detect keeps alerts while evidence is away: a siren then would be for nobody."""
    node.alert(**late)
    assert node.asked() == [("alert", 0, "alert_too_late")]


def test_it_is_not_let_on_while_it_is_on_nor_before_its_pause_is_over(node):
    for wait_s in (0, 19, 1, 59, 1, 5):
        node.clock.advance(wait_s)
        node.alert()
    assert [refused for _, _, refused in node.asked()] == [
        "",
        "output_is_on",
        "output_pauses",
        "output_pauses",
        "",
        "output_is_on",
    ]


def test_it_is_let_on_so_often_in_a_day_and_no_start_makes_it_forget(node):
    for _ in range(3):
        node.alert()
        node.clock.advance(100)
        node.ring.age.tick()
        node.restart()
    node.alert()
    assert [refused for _, _, refused in node.asked()] == ["", "", "", "output_used_up"]
    node.clock.advance(24 * 3600 - 300)  # a day after the first
    assert node.deter(5) == "accepted"


def test_an_order_is_held_to_the_same_limits_and_its_answer_says_which(node):
    assert node.deter(21) == "output_too_long"
    assert node.deter(5, "horn") == "no_such_output"
    assert node.deter(5, "lamp") == "output_outside_hours"
    assert node.deter(5) == "accepted"
    assert node.deter(5) == "output_is_on"
    node.clock.advance(6)
    assert node.deter(5) == "output_pauses"
    assert node.asked() == [
        ("command", 0, "output_too_long"),
        ("command", 5_000, ""),
        ("command", 0, "output_is_on"),
        ("command", 0, "output_pauses"),
    ]


def test_off_is_never_refused_and_the_pause_begins_with_it(node):
    node.alert()
    node.clock.advance(2)
    assert node.deter(0) == "accepted"
    assert node.deter(0, "lamp") == "accepted"
    node.clock.advance(59)
    assert node.deter(5) == "output_pauses"
    node.clock.advance(1)
    assert node.deter(5) == "accepted"


def test_what_an_order_let_off_is_not_let_on_by_what_was_before(node):
    begin = node.take(None)
    node.alert()
    assert node.deter(0) == "accepted"
    assert node.take(begin.next_leaf).items == ()
    node.clock.advance(60)
    node.alert()
    assert [item.output for item in node.take(begin.next_leaf).items] == ["siren"]


def test_capture_is_given_an_order_once_with_its_end_and_a_new_one_never(node):
    node.deter(5)
    (item,) = node.orders(Role.CAPTURE)
    assert item.order == DeterOrder(output="siren", on_s=5)
    assert item.until_mono_us == node.now_us() + 5 * S
    # Capture died with it: the one after it lets nothing on.
    assert node.orders(Role.CAPTURE, after=-1) == ()
    assert ("failed", "process_ended") in node.said()


def test_an_output_that_does_not_work_is_an_order_that_failed(node):
    node.deter(5)
    (item,) = node.orders(Role.CAPTURE)
    node.done(Role.CAPTURE, item.row, Outcome.FAILED, "output_failed")
    assert node.said() == [("failed", "output_failed")]


def test_a_ledger_with_outputs_agrees_with_itself(node):
    node.alert()
    node.deter(5)
    state = LedgerState()
    with node.ring.database.reading() as connection:
        for line in node.ring.log.records(connection, 0, 1000):
            state.take(line, 0, 0)
    assert state.findings == []


def test_a_clock_that_is_set_moves_no_limit(node):
    node.alert()
    node.clock.step_utc(-400 * 24 * 3600)
    node.clock.advance(21)
    node.alert()
    assert node.asked()[-1][2] == "output_pauses"


USES = (OutputUse(100 * S, 110 * S),)
SECTION = parse_config(NODE + OUTPUTS, name="node.toml").outputs[0]


@pytest.mark.parametrize(
    ("age_s", "word"),
    [(109, "output_is_on"), (110, "output_pauses"), (169, "output_pauses"), (170, None)],
)
def test_the_pause_is_exact(age_s, word):
    refused = why_not_on(SECTION, USES, age_s * S)
    assert (refused.value if refused else None) == word


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[[outputs]]\nkind = "trial"\nname = "siren"\nfile = "x"\n', "'siren' in outputs"),
        (
            '[[outputs]]\nkind = "trial"\nname = "a"\nfile = "x"\nschedule = "dusk"\n',
            "outputs[2] a schedule = 'dusk'",
        ),
        (
            '[[rules]]\nkind = "zone_entry"\nname = "r"\nzone = "street"\noutputs = ["horn"]\n',
            "rules[2] r outputs = 'horn'",
        ),
        (
            '[[outputs]]\nkind = "gpio"\nname = "a"\nline = 17\n'
            '[[outputs]]\nkind = "gpio"\nname = "b"\nline = 17\n',
            "outputs[3] b /dev/gpiochip0 line 17",
        ),
        (
            '[[outputs]]\nkind = "gpio"\nname = "a"\nline = 17\nlongest_on_s = 601.0\n',
            "longest_on_s",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(more, said):
    with pytest.raises(ConfigError) as refused:
        parse_config(NODE + OUTPUTS + more, name="node.toml")
    assert said in str(refused.value)
