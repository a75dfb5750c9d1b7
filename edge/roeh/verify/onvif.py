"""The judgement of ONVIF Media Signing over a stream, as the reference validator comes to it.

Step by step what release 25.12.3 of the standard's own implementation does. A stream is
judged in the order in which it arrives: whenever a signature comes, what was received
before it and not yet judged is held against it. A GOP that was removed, a signature that is
missing or one that is old costs those after it too: that is what others will be told of the
same file, so it is said here in the same numbers. Which GOP is really concerned, and how,
is told by `placing`.

Pure: facts in, reports out.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator

import msgspec

from roeh.verify.facts import DamagedSignature, SignatureFact, SliceFact, SliceHasher, StreamFact

_NO_HASH = bytes(32)
#: The counter has 32 bits: a fall by more than half of them is its overflow.
_COUNTER_HALF = 1 << 31
_COUNTER_BITS = 32
#: The most signatures that one arrival can have judged.
_MAX_ROUNDS = 10


class Outcome(enum.IntEnum):
    """What one judgement came to, the worst first."""

    NOT_FEASIBLE = 1
    INVALID = 2
    VALID_WITH_MISSING = 3
    VALID = 4


class Report(msgspec.Struct, frozen=True):
    """One judgement.

    `statuses` has a character for each slice and signature that was still undecided before:
    valid (.), not valid (N), missing (M), still to be judged (P).
    """

    outcome: Outcome
    statuses: str


class Tally(msgspec.Struct, frozen=True):
    """All judgements of a stream, counted; frames are pictures.

    `pending_frames` wait for a signature that did not come: those of the last GOP always.
    """

    valid: int
    valid_with_missing: int
    invalid: int
    without_signature: int
    received_frames: int
    validated_frames: int
    pending_frames: int


class _Item:
    """A slice or signature that was received, or (`missing`) was not."""

    __slots__ = ("fact", "hash", "signature", "status")

    def __init__(self, fact: SliceFact | SignatureFact | None, listed_hash: bytes) -> None:
        self.fact = fact
        self.hash = listed_hash
        self.status = "P" if fact is not None else "M"
        self.signature: _Item | None = None

    @property
    def starts_gop(self) -> bool:
        return isinstance(self.fact, SliceFact) and self.fact.starts_gop

    @property
    def is_frame(self) -> bool:
        return isinstance(self.fact, SliceFact) and self.fact.starts_picture


class StreamJudge:
    """Takes a stream's facts in order.

    Its memory is that of the GOPs which no signature has come for.
    """

    def __init__(self) -> None:
        self._items: list[_Item] = []
        self._hasher = SliceHasher()
        self._counts = dict.fromkeys(Outcome, 0)
        self._received_frames = 0
        self._validated_frames = 0
        self._has_signature = False
        self._has_judged = False
        self._has_counter = False
        # The anchor of the GOP before the one that is judged, and of that one.
        self._linked, self._next_linked = _NO_HASH, _NO_HASH
        self._counter, self._next_counter, self._overflows = 0, 0, 0
        self._lost_signatures = 0
        self._in_step = False
        self._invalid_so_far = 0
        self._decoded: _Item | None = None
        self._is_stuck = False

    def take(self, fact: StreamFact) -> Report | None:
        """The judgement that this arrival makes possible, if it makes one."""
        if isinstance(fact, DamagedSignature):
            return None
        if isinstance(fact, SliceFact):
            item = _Item(fact, self._hasher.hash_of(fact))
            self._received_frames += fact.starts_picture
        else:
            item = _Item(fact, b"")
            self._has_signature = True
        self._items.append(item)
        if not self._has_signature or not (item.starts_gop or isinstance(fact, SignatureFact)):
            return None
        if self._is_stuck:
            return self._judge_while_stuck()
        outcome = self._judge_what_waits(is_signature=isinstance(fact, SignatureFact))
        if outcome is None:
            return None
        self._counts[outcome] += 1
        report = Report(outcome, "".join(each.status for each in self._items))
        self._forget_judged()
        return report

    def tally(self) -> Tally:
        """The counts so far."""
        pending = sum(item.is_frame and item.status == "P" for item in self._items)
        return Tally(
            valid=self._counts[Outcome.VALID],
            valid_with_missing=self._counts[Outcome.VALID_WITH_MISSING],
            invalid=self._counts[Outcome.INVALID],
            without_signature=0,
            received_frames=self._received_frames,
            validated_frames=self._validated_frames,
            pending_frames=pending,
        )

    def _judge_while_stuck(self) -> Report:
        """Whatever comes is held against a signature that nothing can satisfy."""
        for item in self._items:
            if isinstance(item.fact, SliceFact):
                item.status = "N"
        report = Report(Outcome.INVALID, "".join(item.status for item in self._items))
        self._counts[report.outcome] += 1
        del self._items[:]
        return report

    def _forget_judged(self) -> None:
        kept = 0
        while kept < len(self._items) and self._items[kept].status != "P":
            self._validated_frames += self._items[kept].is_frame
            kept += 1
        del self._items[:kept]

    def _judge_what_waits(self, *, is_signature: bool) -> Outcome | None:
        worst: Outcome | None = None
        self._invalid_so_far = 0
        for _ in range(_MAX_ROUNDS):
            waiting = next(self._signatures_waiting(), None)
            if waiting is None or self._is_stuck:
                break
            outcome = self._judge(waiting)
            if worst is None or worst is Outcome.NOT_FEASIBLE or outcome < worst:
                worst = outcome
            self._has_judged = True
            self._has_counter |= is_signature
        return worst

    def _signatures_waiting(self) -> Iterator[_Item]:
        return (
            item
            for item in self._items
            if item.status == "P" and isinstance(item.fact, SignatureFact)
        )

    def _judge(self, signature: _Item) -> Outcome:
        fact = signature.fact
        assert isinstance(fact, SignatureFact)
        if self._decoded is not signature:
            self._decoded = signature
            self._count_lost(fact)
        if self._lost_signatures == 0:
            signature.status = "." if fact.is_sound else "N"
        elif self._lost_signatures < 0:
            signature.status = "N"
        gop = self._gop_before(signature, fact)
        if not gop and not self._has_judged and fact.linked_hash != _NO_HASH:
            # A stream cut out of a longer one, with the signature of the GOP before the cut
            # left in: the reference never lets go of it, and calls all that follows invalid.
            # A cut has to drop it.
            self._is_stuck = True
            signature.status = "P"
            return Outcome.NOT_FEASIBLE
        self._link(signature)
        judged_by: _Item | None = signature
        if self._lost_signatures:
            self._release(signature)
            judged_by = None
            skipped = fact.hash_count if self._lost_signatures > 0 else 0
            if self._mark_unsigned(skipped) and self._lost_signatures > 0:
                self._counter += 1
        else:
            self._compare(signature, fact, gop)
        return self._settle(signature, judged_by)

    def _count_lost(self, fact: SignatureFact) -> None:
        """How many signatures should have come before this one; below zero: it is old."""
        expected = self._counter + 1
        counter = fact.counter
        if counter < self._next_counter:
            if self._next_counter - counter > _COUNTER_HALF:
                self._overflows += 1
            else:
                counter = self._next_counter
        self._next_counter = fact.counter
        counter += self._overflows << _COUNTER_BITS
        self._lost_signatures = counter - expected if self._has_counter else 0
        self._in_step = self._lost_signatures == 0

    def _gop_before(self, signature: _Item, fact: SignatureFact) -> list[_Item]:
        """The oldest GOP that is undecided: what the signature is held against."""
        gop: list[_Item] = []
        for item in self._items:
            if item is signature:
                break
            if item.status != "P" or item.signature is not None:
                continue
            if item.starts_gop and gop:
                break
            if isinstance(item.fact, SignatureFact):
                continue
            if fact.is_partial and len(gop) >= fact.hash_count:
                break
            item.signature = signature
            gop.append(item)
        return gop

    def _link(self, signature: _Item) -> None:
        for item in self._items:
            if item is signature:
                return
            if item.status == "P":
                self._linked, self._next_linked = self._next_linked, item.hash
                return

    def _compare(self, signature: _Item, fact: SignatureFact, gop: list[_Item]) -> None:
        computed = hashlib.sha256(b"".join(item.hash for item in gop)).digest()
        is_linked = self._linked in (fact.linked_hash, _NO_HASH)
        self._in_step |= is_linked
        if is_linked and computed != fact.gop_hash and fact.hash_list:
            self._compare_one_by_one(signature, fact, gop)
            is_valid = True
        else:
            self._add_missing_behind(signature, fact.hash_count - len(gop))
            is_valid = computed == fact.gop_hash and fact.is_sound
        # A GOP that is not linked to the one before does not begin where it should.
        for place, item in enumerate(each for each in self._items if each.signature is signature):
            if item.status == "P":
                item.status = "." if is_valid and (is_linked or place) else "N"

    def _compare_one_by_one(self, signature: _Item, fact: SignatureFact, gop: list[_Item]) -> None:
        """Which slices the signature lists, in its order, and which it lists in vain."""
        matched, strangers, accounted = -1, 0, 0
        for item in gop:
            if fact.is_partial and accounted >= len(fact.hash_list):
                item.signature = None
                continue
            accounted += 1
            try:
                found = fact.hash_list.index(item.hash, matched + 1)
            except ValueError:
                item.status = "N"
                strangers += 1
                continue
            item.status = signature.status
            missing = max(0, found - matched - 1 - strangers)
            self._insert_missing(self._items.index(item), signature, missing)
            accounted += missing
            matched, strangers = found, 0
        self._add_missing_behind(signature, len(fact.hash_list) - accounted)

    def _add_missing_behind(self, signature: _Item, count: int) -> None:
        for place in range(1, len(self._items)):
            before, item = self._items[place - 1], self._items[place]
            if before.signature is signature and item.signature is not signature:
                self._insert_missing(place, signature, count)
                return

    def _insert_missing(self, place: int, signature: _Item, count: int) -> None:
        for _ in range(count):
            missing = _Item(None, b"")
            missing.signature = signature
            self._items.insert(place, missing)

    def _release(self, signature: _Item) -> None:
        """Undo what was held against this signature."""
        self._items = [
            item for item in self._items if item.signature is not signature or item.status != "M"
        ]
        for item in self._items:
            if item.signature is signature:
                item.signature = None
                item.status = "P"

    def _mark_unsigned(self, skipped: int) -> bool:
        """Mark the oldest undecided GOP as not valid; its signature never came.

        When it is the only one, its last `skipped` slices may belong to the signature that
        did come.
        """
        undecided = [
            item
            for item in self._items
            if item.status == "P"
            and item.signature is None
            and not isinstance(item.fact, SignatureFact)
        ]
        starts = [place for place, item in enumerate(undecided) if item.starts_gop]
        # As the reference counts: the GOP ends at the second start and only then is whole;
        # what comes before the first start belongs to it.
        ends = starts[1:]
        first = ends[0] if ends else 0
        if first and (ends[-1] if ends else 0) == first:
            first = max(0, first - skipped)
        for item in undecided[:first]:
            item.status = "N"
        return first > 0

    def _settle(self, signature: _Item, judged_by: _Item | None) -> Outcome:
        counted = [item for item in self._items if judged_by is None or item.signature is not None]
        invalid = sum(item.status == "N" for item in counted) - self._invalid_so_far
        invalid = max(0, invalid)
        self._invalid_so_far += invalid
        has_valid = any(
            item.status == "." and not isinstance(item.fact, SignatureFact) for item in counted
        )
        outcome = Outcome.VALID
        if invalid:
            outcome = Outcome.INVALID
        elif any(item.status == "M" for item in counted):
            outcome = Outcome.VALID_WITH_MISSING
        if not self._has_judged and outcome is not Outcome.VALID and not has_valid:
            # A signature of something before this stream began.
            if judged_by is not None:
                self._release(signature)
            self._next_linked = self._linked
            outcome = Outcome.NOT_FEASIBLE
        self._in_step |= outcome is Outcome.VALID
        if self._in_step:
            self._counter = self._next_counter
            self._lost_signatures = 0
        else:
            self._lost_signatures = self._next_counter - self._counter - 1
        return outcome
