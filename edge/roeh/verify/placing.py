"""Which GOP of a stream is sound and what is wrong with the others.

A signature names its pictures: the first hash in its list is that of the GOP's first
slice, and the linked hash is that of the GOP before. So each is brought to the GOP that it
speaks of, wherever that stands; what is left over, doubled or out of its order is said at
the place where it is seen. `onvif` says what the standard's own procedure makes of it.

Pure, and bounded: GOPs are settled when `WINDOW_GOPS` have come after them.
"""

from __future__ import annotations

import enum
import hashlib
from collections import deque
from collections.abc import Container, Iterable, Iterator

import msgspec

from roeh.verify.differing import Difference, difference
from roeh.verify.facts import DamagedSignature, SignatureFact, SliceFact, SliceHasher, StreamFact

#: How far apart a GOP and its signature, or a GOP and its right place, are still brought together.
WINDOW_GOPS = 128
#: A signature may come this much later than its GOP.
_LATE_GOPS = 64

_NO_HASH = bytes(32)


class GopState(enum.Enum):
    """What the stream signature says of one GOP."""

    VALID = "valid"
    VALID_WITH_MISSING = "valid_with_missing"
    INVALID = "invalid"
    WITHOUT_SIGNATURE = "without_signature"
    PENDING = "pending"
    NOT_CHECKED = "not_checked"


class GopPlace(msgspec.Struct, frozen=True):
    """A GOP of a file: its number from 1, and where its bytes begin."""

    path: str
    gop: int
    offset_bytes: int


class GopVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one GOP.

    Attributes:
        counter: of the chain, as its signature says; None without one.
        pictures: numbers (from 1) of the pictures that `detail` is about, in this GOP.
        t_first_utc_us: when its signature says that it began; None without one.
        chain_sha256: which certificates signed it; see `StreamPlacer.chains`.
    """

    place: GopPlace
    state: GopState
    counter: int | None = None
    detail: str = ""
    pictures: tuple[int, ...] = ()
    t_first_utc_us: int | None = None
    chain_sha256: str | None = None


class OrderFinding(msgspec.Struct, frozen=True):
    """Something between GOPs, found at the one behind it.

    `what` is gops_missing, gop_moved, not_linked, chain_begins, foreign_first or
    damaged_signature.
    """

    what: str
    place: GopPlace
    detail: str


class SigningChain(msgspec.Struct, frozen=True):
    """Certificates that signed GOPs, and the times those GOPs claim."""

    chain_pem: bytes
    serial_number: str
    t_first_utc_us: int
    t_last_utc_us: int
    gops: int
    first: GopPlace


class _Gop:
    """A GOP on its way to its verdict."""

    __slots__ = ("counter", "difference", "hashes", "numbers", "order", "place", "signature")

    def __init__(
        self, place: GopPlace, order: int, facts: Iterable[SliceFact], counter: int | None
    ) -> None:
        self.place = place
        self.order = order
        self.counter = counter
        hasher = SliceHasher()
        self.hashes: list[bytes] = []
        self.numbers: list[int] = []
        for fact in facts:
            self.hashes.append(hasher.hash_of(fact))
            self.numbers.append((self.numbers[-1] if self.numbers else 0) + fact.starts_picture)
        self.signature: SignatureFact | None = None
        self.difference: Difference | None = None

    @property
    def anchor(self) -> bytes:
        return self.hashes[0] if self.hashes else b""

    @property
    def signed_anchor(self) -> bytes:
        """What the next GOP is linked to if nothing was changed."""
        listed = self.signature.hash_list if self.signature is not None else ()
        return listed[0] if listed else self.anchor


class StreamPlacer:
    """Takes the GOPs of one stream in order, over any number of files.

    `verdicts` and `findings` are taken out by whoever asks; they come in stream order.

    Args:
        pruned: counters of GOPs that were deleted by rule: nobody misses them.
    """

    def __init__(self, pruned: Container[int] = ()) -> None:
        self._pruned = pruned
        self.verdicts: list[GopVerdict] = []
        self.findings: list[OrderFinding] = []
        self.chains: dict[str, SigningChain] = {}
        self._gops: deque[_Gop] = deque()
        self._settled: _Gop | None = None
        self._left_over: list[tuple[SignatureFact, GopPlace]] = []
        self._order = 0
        self._unsigned_since = 0
        self._has_signature = False
        # Of GOPs that are settled: what the next has to be linked to, and what is not missing.
        self._last_anchor = b""
        self._last_place: GopPlace | None = None
        self._counters: deque[int] = deque(maxlen=2 * WINDOW_GOPS)

    def take(
        self, place: GopPlace, facts: Iterable[StreamFact], counter: int | None = None
    ) -> None:
        """One GOP: the signatures that stand before its first slice, and its slices.

        `counter` is the one that a record of these very bytes names: where the same pictures
        come again and again, no other signature is then taken for that of this GOP.
        """
        slices: list[SliceFact] = []
        for fact in facts:
            if isinstance(fact, SliceFact):
                slices.append(fact)
            elif isinstance(fact, SignatureFact):
                self._has_signature = True
                self._take_signature(fact, place)
            elif isinstance(fact, DamagedSignature):
                self._has_signature = True
                self._find("damaged_signature", place, f"before this GOP stands {fact.why}")
        gop = _Gop(place, self._order, slices, counter)
        self._order += 1
        self._gops.append(gop)
        while len(self._gops) > WINDOW_GOPS:
            self._claim_left_over(self._order - _LATE_GOPS)
            self._settle()

    def finish(self) -> None:
        """The stream ends here: everything that is left gets its verdict."""
        self._claim_left_over(self._order)
        while self._gops:
            self._settle()
        for signature, carried_by in self._left_over:
            self._report_left_over(signature, carried_by)
        self._left_over.clear()

    def _take_signature(self, signature: SignatureFact, carried_by: GopPlace) -> None:
        if not self._gops and self._settled is None:
            self._find(
                "foreign_first",
                carried_by,
                f"begins with the signature of GOP {signature.counter} of the recording, which is"
                " not here: this is a piece of something longer, to be verified with what comes"
                " before it",
            )
            return
        gop = self._gop_of(signature)
        if gop is not None:
            self._sign(gop, signature)
            return
        self._left_over.append((signature, carried_by))
        if len(self._left_over) > WINDOW_GOPS:
            self._report_left_over(*self._left_over.pop(0))

    def _gop_of(self, signature: SignatureFact) -> _Gop | None:
        """The GOP that a signature speaks of, changed or not; None when it is not here.

        A camera that sees nothing move can send the same GOP again, so where several have
        these hashes the counter decides.
        """
        waiting = [gop for gop in self._gops if gop.signature is None and _may_be(gop, signature)]
        expected = self._expected_counters()
        same = [gop for gop in waiting if _is_of(gop, signature)]
        if same:
            fitting = [gop for gop in same if expected.get(gop.order) == signature.counter]
            return (fitting or same)[0]
        before = {gop.order for gop in self._gops if gop.anchor == signature.linked_hash}
        behind = [gop for gop in waiting if gop.order - 1 in before]
        for gop in behind if before else waiting:
            if expected.get(gop.order, signature.counter if before else None) == signature.counter:
                return gop
        if before or not waiting or waiting[-1].order in expected:
            return None
        return waiting[-1]

    def _claim_left_over(self, before_order: int) -> None:
        """Bring signatures that came before their GOP to it: the GOP was moved back."""
        for gop in self._gops:
            if gop.signature is not None or gop.order >= before_order:
                continue
            for each in self._left_over:
                if _is_of(gop, each[0]) and _may_be(gop, each[0]):
                    self._left_over.remove(each)
                    self._sign(gop, each[0])
                    break

    def _expected_counters(self) -> dict[int, int]:
        """The counter that each GOP should have after the signed one before it."""
        expected: dict[int, int] = {}
        known: _Gop | None = self._settled
        for gop in self._gops:
            if known is not None and known.signature is not None:
                expected[gop.order] = known.signature.counter + gop.order - known.order
            if gop.signature is not None:
                known = gop
        return expected

    def _sign(self, gop: _Gop, signature: SignatureFact) -> None:
        gop.signature = signature
        if _joined(gop) != signature.gop_hash:
            gop.difference = difference(gop.hashes, gop.numbers, signature)
        if not signature.is_sound:
            return
        name = hashlib.sha256(signature.chain_pem).hexdigest()
        seen = self.chains.get(name)
        self.chains[name] = SigningChain(
            chain_pem=signature.chain_pem,
            serial_number=signature.serial_number,
            t_first_utc_us=min(signature.t_first_utc_us, seen.t_first_utc_us)
            if seen
            else signature.t_first_utc_us,
            t_last_utc_us=max(signature.t_end_utc_us, seen.t_last_utc_us)
            if seen
            else signature.t_end_utc_us,
            gops=seen.gops + 1 if seen else 1,
            first=seen.first if seen else gop.place,
        )

    def _settle(self) -> None:
        gop = self._gops.popleft()
        self.verdicts.append(self._verdict(gop))
        self._check_order(gop)
        # One without a signature still is what the next is linked to.
        if gop.signature is None:
            self._unsigned_since += 1
        else:
            self._settled = gop
            self._unsigned_since = 0
            self._counters.append(gop.signature.counter)
        self._last_anchor, self._last_place = gop.signed_anchor, gop.place

    def _verdict(self, gop: _Gop) -> GopVerdict:
        signature = gop.signature
        if signature is None:
            return self._unsigned(gop)
        state, detail = GopState.VALID, ""
        pictures: tuple[int, ...] = ()
        if not signature.is_sound:
            state, detail = GopState.INVALID, f"its signature is unsound: {signature.why_unsound}"
        elif gop.difference is not None:
            detail, pictures = gop.difference.detail, gop.difference.pictures
            only_missing = gop.difference.only_missing
            state = GopState.VALID_WITH_MISSING if only_missing else GopState.INVALID
        return GopVerdict(
            place=gop.place,
            state=state,
            counter=signature.counter,
            detail=detail,
            pictures=pictures,
            t_first_utc_us=signature.t_first_utc_us,
            chain_sha256=hashlib.sha256(signature.chain_pem).hexdigest(),
        )

    def _unsigned(self, gop: _Gop) -> GopVerdict:
        if not self._has_signature:
            return GopVerdict(place=gop.place, state=GopState.NOT_CHECKED)
        if all(later.signature is None for later in self._gops):
            return GopVerdict(place=gop.place, state=GopState.PENDING)
        detail = "has no stream signature, though others round it have"
        if gop.anchor and gop.anchor == self._last_anchor and self._last_place is not None:
            detail = f"is {_named(self._last_place)} once more, and has no signature of its own"
        return GopVerdict(place=gop.place, state=GopState.WITHOUT_SIGNATURE, detail=detail)

    def _check_order(self, gop: _Gop) -> None:
        signature, before = gop.signature, self._settled
        if signature is None or not signature.is_sound or before is None:
            return
        known = before.signature
        assert known is not None
        step = signature.counter - known.counter
        if signature.linked_hash == _NO_HASH:
            self._find("chain_begins", gop.place, "a new chain of signatures begins here")
        elif step <= 0:
            self._find(
                "gop_moved",
                gop.place,
                f"was recorded before {_named(before.place)}, and stands behind it",
            )
        else:
            between = set(range(known.counter + 1, signature.counter)) if step < 10**6 else set()
            elsewhere = between & {
                *self._counters,
                *(other.signature.counter for other in self._gops if other.signature is not None),
            }
            pruned = {counter for counter in between if counter in self._pruned}
            missing = step - 1 - self._unsigned_since - len(elsewhere | pruned)
            if missing > 0:
                self._report_missing(gop, before, missing, between)
            elif not elsewhere and not pruned and signature.linked_hash != self._last_anchor:
                self._find(
                    "not_linked",
                    gop.place,
                    "its signature names another GOP before it than the one that stands there",
                )

    def _report_missing(self, gop: _Gop, before: _Gop, count: int, counters: set[int]) -> None:
        self._left_over = [each for each in self._left_over if each[0].counter not in counters]
        noun = "GOP is" if count == 1 else "GOPs are"
        behind = _named(self._last_place or before.place)
        self._find(
            "gops_missing",
            gop.place,
            f"{count} {noun} missing between this one and {behind}",
        )

    def _report_left_over(self, signature: SignatureFact, carried_by: GopPlace) -> None:
        if signature.counter in self._pruned:
            return
        self._find(
            "gops_missing",
            carried_by,
            f"before this GOP stands the signature of GOP {signature.counter} of the recording,"
            " whose pictures are not here",
        )

    def _find(self, what: str, place: GopPlace, detail: str) -> None:
        self.findings.append(OrderFinding(what, place, detail))


def taken(placer: StreamPlacer) -> Iterator[GopVerdict]:
    """The verdicts that have come so far, taken out."""
    verdicts, placer.verdicts = placer.verdicts, []
    yield from verdicts


def _is_of(gop: _Gop, signature: SignatureFact) -> bool:
    """Whether a signature names this very GOP, or at least its first slice."""
    return bool(gop.hashes) and (
        signature.hash_list[:1] == (gop.anchor,) or signature.gop_hash == _joined(gop)
    )


def _may_be(gop: _Gop, signature: SignatureFact) -> bool:
    """Whether nothing that is known of the GOP says that the signature is another one's."""
    return gop.counter is None or gop.counter == signature.counter


def _joined(gop: _Gop) -> bytes:
    return hashlib.sha256(b"".join(gop.hashes)).digest()


def _named(place: GopPlace) -> str:
    return f"GOP {place.gop} of {place.path}"
