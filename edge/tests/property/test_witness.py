"""Whatever is published, sent again, forked, restored or killed: never two histories cosigned."""

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from roeh.core.errors import HistoryForked
from roeh.desk.witness.history import History
from roeh.ledger.merkle import root
from tests.witnesses import POLE, Pole, RunningWitness, unprovisioned_key

#: In memory: what a disk does to a history is modelled here, and not waited for.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
KEY = unprovisioned_key()
SMALL = st.integers(0, 9)
BRANCH = st.integers(0, 3)

appends = st.tuples(st.just("append"), BRANCH, st.integers(1, 9))
forks = st.tuples(st.just("fork"), st.integers(1, 5), st.integers(1, 20))
sends = st.tuples(st.just("send"), BRANCH, SMALL)
proven = st.tuples(st.just("send"), BRANCH, st.none())
rides = st.tuples(st.just("ride"), BRANCH, SMALL)
replays = st.tuples(st.just("replay"), SMALL, st.none())
restarts = st.tuples(st.just("restart"), st.none(), st.none())
#: The power goes while a checkpoint is being written down: this share of it is on the disk.
cuts = st.tuples(st.just("cut"), BRANCH, st.floats(0, 1))
clocks = st.tuples(st.just("clock"), st.booleans(), st.none())

#: Each forks early and grows, or there would be little to find.
ATTACKS = st.tuples(
    st.lists(appends | proven, min_size=2, max_size=6),
    forks,
    st.lists(
        st.one_of(appends, proven, proven, forks, sends, rides, replays, restarts, cuts, clocks),
        min_size=4,
        max_size=20,
    ),
).map(lambda parts: [*parts[0], parts[1], *parts[2]])


class World:
    """A witness, branches of one ledger signed with one key, and what was cosigned."""

    def __init__(self, directory):
        self.witness = RunningWitness(directory)
        self.branches = [[b"first"]]
        self.sent = []
        self.records_of = {}
        self.cosigned = []
        self.introduce()

    def introduce(self):
        self.witness.introduce(Pole(KEY))

    def pole(self, branch):
        records = self.branches[branch % len(self.branches)]
        return Pole(KEY, records=records), records

    def do(self, step):
        kind, which, much = step
        getattr(self, kind)(which, much)

    def append(self, branch, count):
        _, records = self.pole(branch)
        records += [b"%d on %d" % (len(records), branch)] * count

    def fork(self, size, count):
        """The first branch up to here, and so many records of another history."""
        number = len(self.branches)
        if number < 4:
            other = [b"%d of fork %d" % (n, number) for n in range(count)]
            self.branches.append([*self.branches[0][:size], *other])

    def message(self, branch, from_size):
        """With the proof from the last tree cosigned, or from a size that somebody chose."""
        pole, records = self.pole(branch)
        if from_size is None:
            from_size = self.cosigned[-1][0] if self.cosigned else 0
        message = pole.message(min(from_size, len(records)))
        self.sent.append(message)
        self.records_of[len(records), root(len(records), pole.tree.read)] = tuple(records)
        return message

    def send(self, branch, from_size):
        self.publish(self.message(branch, from_size))

    def replay(self, number, _much):
        if self.sent:
            self.publish(self.sent[number % len(self.sent)])

    def ride(self, branch, size):
        pole, records = self.pole(branch)
        self.witness.witness.take_riding(POLE, pole.note(min(size + 1, len(records))))

    def restart(self, _which, _much):
        self.witness.restart()
        self.introduce()

    def clock(self, synchronised, _much):
        clock = self.witness.clock
        now = type(clock)(t_utc_ns=clock.read().t_utc_ns + 10**9, synchronised=synchronised)
        self.witness.clock = now
        self.restart(None, None)

    def cut(self, branch, share):
        """What was being said to this checkpoint never left; not all of its line did either."""
        path = self.witness.history()
        before = path.stat().st_size if path.exists() else 0
        self.witness.cosigned(self.message(branch, None))
        # Nobody has it: one that is held back and comes after a larger one looks like a ledger
        # that shrank, and is alarmed of.
        self.sent.pop()
        self.witness.witness.close()
        if path.exists():
            written = path.read_bytes()
            path.write_bytes(written[: before + int(share * (len(written) - before))])
        self.witness.begin()
        self.introduce()

    def publish(self, message):
        said = self.witness.cosigned(message)
        if said is not None:
            self.cosigned.append((said[0], said[1]))

    def histories(self):
        """The records of each tree that was cosigned."""
        return [self.records_of[tree] for tree in self.cosigned]


@given(ATTACKS)
def test_all_trees_that_were_cosigned_are_of_one_history(steps):
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        world = World(Path(directory))
        for step in steps:
            world.do(step)
            newest = max(world.histories(), key=len, default=())
            assert all(newest[: len(seen)] == seen for seen in world.histories())
        world.witness.witness.close()


honest = st.lists(
    appends | proven | sends | replays | restarts | cuts | clocks, min_size=1, max_size=30
).map(lambda steps: [(kind, 0 if kind != "clock" else which, much) for kind, which, much in steps])


@given(honest)
def test_an_honest_ledger_is_never_accused_and_is_cosigned_in_the_end(steps):
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        world = World(Path(directory))
        for step in steps:
            world.do(step)
        world.clock(True, None)
        # Told from where to prove, it does; and a checkpoint of what came since is cosigned.
        for _ in range(2):
            world.send(0, None)
        assert world.histories()[-1] == tuple(world.branches[0])
        assert world.witness.alarms() == []
        world.witness.witness.close()


@given(st.floats(0, 0.999), st.integers(0, 255))
def test_no_byte_of_a_history_is_changed_unseen(where, byte):
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        witness, pole = RunningWitness(Path(directory)), Pole(KEY)
        witness.introduce(pole)
        for _ in range(3):
            before = pole.tree.size
            pole.append(2)
            assert witness.cosigned(pole.message(before))
        witness.witness.close()
        written = bytearray(witness.history().read_bytes())
        last_line = written[:-1].rindex(b"\n") + 1
        at = int(where * last_line)
        was, written[at] = written[at], byte
        witness.history().write_bytes(written)
        refused = False
        try:
            with contextlib.closing(History(witness.history())):
                pass
        except HistoryForked:
            refused = True
        assert refused == (was != byte)
