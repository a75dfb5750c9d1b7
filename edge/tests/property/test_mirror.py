"""Whatever a crash leaves of what was not synced, the mirror comes back whole."""

import tempfile
from pathlib import Path

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from roeh.ledger.mirror import MirrorWhole
from roeh.ledger.mirror_parts import list_parts
from tests.ledgers import Ledger

_MEMORY = Path("/dev/shm")


class CrashingMirror(RuleBasedStateMachine):
    """Appends, catches up and crashes, in any order."""

    def __init__(self):
        super().__init__()
        self.place = tempfile.TemporaryDirectory(
            prefix="roeh-", dir=_MEMORY if _MEMORY.is_dir() else None
        )
        self.ledger = Ledger(Path(self.place.name), records_per_part=3)
        self.ledger.mirror.reconcile()
        self.synced_bytes = 0

    @rule(count=strategies.integers(1, 5), detail=strategies.text(max_size=20))
    def append(self, count, detail):
        self.ledger.append(count, detail)

    @rule()
    def catch_up(self):
        assert self.ledger.mirror.catch_up() == self.ledger.size
        self.synced_bytes = len(self.ledger.mirrored())

    @rule(data=strategies.data(), garbage=strategies.binary(max_size=30))
    def crash(self, data, garbage):
        """What was synced stays; of what was not, any beginning, and then any bytes."""
        content = self.ledger.expected_mirror()
        kept_bytes = data.draw(strategies.integers(self.synced_bytes, len(content)))
        self.leave(content[:kept_bytes], garbage)
        self.ledger.reopen()

        found = self.ledger.mirror.reconcile()

        assert isinstance(found, MirrorWhole)
        assert found.size == self.ledger.size
        assert found.lost_under_checkpoint == 0
        self.synced_bytes = len(self.ledger.mirrored())

    def leave(self, content, garbage):
        """The parts as a cut in the middle of an append would leave them."""
        lines = content.splitlines(keepends=True)
        per_part = self.ledger.records_per_part
        parts = [lines[at : at + per_part] for at in range(0, len(lines), per_part)] or [[]]
        self.ledger.ledger_directory.mkdir(exist_ok=True)
        for number, part in enumerate(parts):
            tail = garbage if number == len(parts) - 1 else b""
            self.ledger.part(number).write_bytes(b"".join(part) + tail)

    @invariant()
    def the_mirror_is_a_beginning_of_the_ledger(self):
        assert self.ledger.expected_mirror().startswith(self.ledger.mirrored())

    @invariant()
    def every_part_but_the_last_is_full(self):
        parts = list_parts(self.ledger.ledger_directory)
        assert parts == list(range(len(parts)))
        for number in parts[:-1]:
            assert self.ledger.part(number).read_bytes().count(b"\n") == 3

    def teardown(self):
        self.ledger.close()
        self.place.cleanup()


TestCrashingMirror = CrashingMirror.TestCase
TestCrashingMirror.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
