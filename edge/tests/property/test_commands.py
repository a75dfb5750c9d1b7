"""Whatever comes in whatever order, however often: a command is carried out at most once."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.clock import SimulatedClock
from roeh.core.orders import (
    LogLevelOrder,
    Outcome,
    RestartOrder,
    ScheduleOrder,
    SnapshotOrder,
)
from roeh.core.peers import Role
from roeh.ledger.records import CommandRecord, HoldRecord, OutcomeRecord
from tests.commanded_nodes import CommandedNode
from tests.rings import BOOT

MINUTE_US = 60_000_000
KINDS = ("hold", "snapshot", "schedule", "restart detect", "restart evidence", "log level")


class World:
    """A node, a detect that comes and goes, and a desk whose commands anybody may repeat."""

    def __init__(self, directory):
        self.node = CommandedNode(directory, SimulatedClock(boot_id=BOOT))
        self.node.ring.segment(seconds=60)
        self.given = []
        self.boots = 1
        self.after = -1
        self.detect_starts = 1
        self.carried_out = Counter()
        self.ended_by_order = 0

    def give(self, kind):
        node = self.node
        now_us = node.clock.read().t_utc_ns // 1000
        orders = {
            "hold": lambda: node.desk.hold(-30, -10),
            "snapshot": lambda: SnapshotOrder(camera_id="north"),
            "schedule": lambda: ScheduleOrder(
                rule="gate", mode="never", until_utc_us=now_us + 90 * MINUTE_US
            ),
            "restart detect": lambda: RestartOrder(process="detect"),
            "restart evidence": lambda: RestartOrder(process="evidence"),
            "log level": lambda: LogLevelOrder(process="detect", level="info"),
        }
        self.given.append(node.order(orders[kind]()))

    def repeat(self, number):
        if self.given:
            self.node.take(self.given[number % len(self.given)])

    def work(self, finish):
        """detect does what it is given; whether it comes to say so is another matter."""
        for item in self.node.orders(Role.DETECT, self.after):
            self.after = max(self.after, item.row)
            if not isinstance(item.order, ScheduleOrder):
                self.carried_out[item.command_id] += 1
            elif item.until_mono_us <= self.node.ring.now_us():
                raise AssertionError("a schedule that is over is handed out")
            if isinstance(item.order, RestartOrder):
                self.begin_detect()
                return
            if finish:
                self.node.done(Role.DETECT, item.row, Outcome.DONE)
        self.after = max(self.after, 0)

    def begin_detect(self):
        self.after = -1

    def begin_evidence(self):
        self.node.restart()

    def begin_again(self):
        """Evidence ended because it was ordered to, and is started again."""
        if self.node.is_ending:
            self.ended_by_order += 1
            self.begin_evidence()

    def reboot(self):
        self.boots += 1
        boot_id = f"00000000-0000-4000-8000-{self.boots:012d}"
        now = self.node.clock.read()
        clock = SimulatedClock(t_utc_ns=now.t_utc_ns, boot_id=boot_id)
        self.node.clock = self.node.ring.clock = self.node.desk.clock = clock
        self.begin_detect()
        self.node.restart()

    def pass_time(self, minutes):
        self.node.clock.advance(minutes * 60)
        self.node.commands.sweep()

    def step_clock(self, minutes):
        self.node.clock.step_utc(minutes * 60)

    def deliver(self):
        self.node.deliver()

    def check(self):
        """The promise, by what detect did and by what the ledger says."""
        assert max(self.carried_out.values(), default=0) <= 1
        bodies = [envelope.body for envelope in self.node.ring.envelopes()]
        accepted = Counter(
            body.id
            for body in bodies
            if isinstance(body, CommandRecord) and body.outcome == "accepted"
        )
        finished = Counter(body.command_id for body in bodies if isinstance(body, OutcomeRecord))
        holds = Counter(body.hold_id for body in bodies if isinstance(body, HoldRecord))
        for counted in (accepted, finished, holds):
            assert max(counted.values(), default=0) <= 1
        assert set(self.carried_out) | set(finished) | set(holds) <= set(accepted)
        ordered = sum(
            isinstance(command.order, RestartOrder)
            and command.order.process == "evidence"
            and command.id in accepted
            for command in self.given
        )
        assert self.ended_by_order <= ordered


STEPS = st.one_of(
    st.tuples(st.just("give"), st.sampled_from(KINDS)),
    st.tuples(st.just("repeat"), st.integers(0, 20)),
    st.tuples(st.just("work"), st.booleans()),
    st.tuples(st.just("pass_time"), st.sampled_from((1, 5, 12, 100, 60 * 26))),
    st.tuples(st.just("step_clock"), st.sampled_from((-120, -10, 10, 120))),
    st.tuples(st.sampled_from(("begin_detect", "begin_evidence", "reboot", "deliver"))),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_a_command_is_carried_out_at_most_once(steps):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        world = World(Path(directory))
        for name, *arguments in steps:
            getattr(world, name)(*arguments)
            world.begin_again()
        world.check()
        world.node.close()


@settings(max_examples=300)
@given(st.data())
def test_of_an_altered_statement_nothing_is_believed_but_what_was_signed(data):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        node = CommandedNode(Path(directory), SimulatedClock(boot_id=BOOT))
        command = node.desk.command(SnapshotOrder(camera_id="north"))
        statement = bytearray(node.desk.sign(command))
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(statement) - 1))
            statement[place] = data.draw(st.integers(0, 255))
        node.give(bytes(statement[: data.draw(st.integers(0, len(statement)))]))
        assert node.recorded() in ([], [(command.id, "accepted", "")])
        assert len(node.refused) + len(node.recorded()) == 1
        node.close()
