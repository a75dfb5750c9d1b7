"""What stands in the history of a ledger, and what follows from it. Pure.

A history is a file of lines that only grows; each line names the hash of the one before, so
that nothing can be taken out of its middle. What a witness knows of a ledger is what its
lines say, one after the other, and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
from collections import OrderedDict

import msgspec

from roeh.core.errors import EvidenceRefused
from roeh.core.types import Sha256
from roeh.desk.witness.judging import Tree, tree_of
from roeh.desk.witness.trust import LogKey, Standing

#: What stands in the place of the line before the first.
BEGINNING = "0" * 64
#: How many of the last trees of a ledger are in memory; older ones are looked up in its file.
MAX_RECENT_TREES = 256


class WitnessTime(msgspec.Struct, frozen=True):
    """The witness's own clock: UTC, the bound of its error, and whether it could know."""

    t_utc_us: int
    error_us: int
    synchronised: bool


class _Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every line has. `before`: SHA-256 of the line before, its newline included."""

    before: Sha256
    time: WitnessTime


class BeganEntry(_Entry, frozen=True, kw_only=True, tag="began"):
    """The first line: whose ledger, and which witness."""

    origin: str
    witness: str


class KeyEntry(_Entry, frozen=True, kw_only=True, tag="key"):
    """The ledger's key from here on. `spki`: SubjectPublicKeyInfo, DER in base64."""

    spki: str
    chain_pem: str
    standing: Standing
    reason: str


class SeenEntry(_Entry, frozen=True, kw_only=True, tag="seen"):
    """A tree that continues all that was seen before.

    `note` is the checkpoint as the ledger's key signed it; `cosigned_s` the time of the
    cosignature, None when the witness did not know the time.
    """

    size: int
    root: Sha256
    note: str
    cosigned_s: int | None


class HeardEntry(_Entry, frozen=True, kw_only=True, tag="heard"):
    """A signed tree that nothing was known to prove; never cosigned."""

    size: int
    root: Sha256
    note: str


class AlarmKind(enum.Enum):
    """What a witness is alarmed by."""

    TWO_ROOTS = "two_roots"
    NOT_CONTINUED = "not_continued"
    SHRUNK = "shrunk"
    KEY_CHANGED = "key_changed"
    UNPROVEN = "unproven"
    STATE_DAMAGED = "state_damaged"


#: After these nothing is cosigned until a person has said which tree counts.
STOPPING = frozenset({AlarmKind.TWO_ROOTS, AlarmKind.NOT_CONTINUED, AlarmKind.SHRUNK})


class AlarmEntry(_Entry, frozen=True, kw_only=True, tag="alarm"):
    """An alarm that stands until a person accepts.

    Attributes:
        kept: the note that was seen before and is contradicted; empty when a key changed.
        claimed: the note that contradicts it.
        from_size: of the proof that came with it.
        hashes: of that proof, base64.
        chain_pem: of the key that signed `claimed`.
    """

    alarm: AlarmKind
    kept: str
    claimed: str
    from_size: int
    hashes: tuple[str, ...]
    chain_pem: str
    detail: str


class AcceptedEntry(_Entry, frozen=True, kw_only=True, tag="accepted"):
    """A person's word on which tree counts from here on; it ends the alarms that stood.

    `note` is what the ledger's key signed for it.
    """

    size: int
    root: Sha256
    note: str
    person: str
    reason: str


class KeyAcceptedEntry(_Entry, frozen=True, kw_only=True, tag="key_accepted"):
    """A person's word that this key signs the ledger from here on."""

    spki: str
    chain_pem: str
    person: str
    reason: str


Entry = (
    BeganEntry | KeyEntry | SeenEntry | HeardEntry | AlarmEntry | AcceptedEntry | KeyAcceptedEntry
)

_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class SeenTree(msgspec.Struct, frozen=True):
    """The tree that counts now; what `SeenEntry` says of it."""

    tree: Tree
    note: str
    cosigned_s: int | None
    t_utc_us: int


class Known:
    """What the lines so far say of one ledger.

    Attributes:
        origin: the ledger; empty before the first line.
        key: who signs it; None before the first checkpoint.
        last: the tree that counts; None likewise.
        alarms: those that stand.
        newest: hash of the last line.
        lines: how many there are.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.key: LogKey | None = None
        self.last: SeenTree | None = None
        self.alarms: tuple[AlarmEntry, ...] = ()
        self.newest = BEGINNING
        self.lines = 0
        self._recent: OrderedDict[tuple[int, bytes], None] = OrderedDict()

    @property
    def is_stopped(self) -> bool:
        """Whether two histories were seen, and nobody has said yet which one counts."""
        return any(alarm.alarm in STOPPING for alarm in self.alarms)

    def recent(self, size: int) -> tuple[Tree, ...]:
        """Trees of this size among the last ones."""
        return tuple(Tree(found, root) for found, root in self._recent if found == size)

    def take(self, entry: Entry, line: bytes) -> None:
        """Let the next line be known.

        Raises:
            ValueError: it does not follow the line before, or cannot be meant.
        """
        if entry.before != self.newest:
            raise ValueError("it does not name the line before it")
        if isinstance(entry, BeganEntry) == bool(self.lines):
            raise ValueError("the first line, and no other, says whose ledger it is")
        self._apply(entry)
        self.newest = hashlib.sha256(line).hexdigest()
        self.lines += 1

    def check_last(self) -> None:
        """See that the tree that counts is that of its note.

        Of lines behind it the hashes speak; nothing speaks yet of the last one.

        Raises:
            ValueError: it is not.
        """
        if self.last is None:
            return
        try:
            noted = tree_of(self.last.note)
        except EvidenceRefused as error:
            raise ValueError(error.what) from None
        if noted != self.last.tree:
            raise ValueError("size and root are not those of its note")

    def _apply(self, entry: Entry) -> None:
        if isinstance(entry, BeganEntry):
            self.origin = entry.origin
        elif isinstance(entry, KeyEntry):
            self.key = LogKey(_der(entry.spki), entry.chain_pem, entry.standing)
        elif isinstance(entry, KeyAcceptedEntry):
            self.key = LogKey(_der(entry.spki), entry.chain_pem, Standing.ACCEPTED)
            self._end_alarms(AlarmKind.KEY_CHANGED)
        elif isinstance(entry, HeardEntry):
            self._remember(_tree(entry))
        elif isinstance(entry, SeenEntry):
            tree = _tree(entry)
            self._remember(tree)
            self.last = SeenTree(tree, entry.note, entry.cosigned_s, entry.time.t_utc_us)
        elif isinstance(entry, AcceptedEntry):
            # What was seen of the other history stays in the file and counts no more.
            self._recent.clear()
            tree = _tree(entry)
            self._remember(tree)
            self.last = SeenTree(tree, entry.note, None, entry.time.t_utc_us)
            self._end_alarms(*STOPPING)
        else:
            self.alarms = (*self.alarms, entry)

    def _remember(self, tree: Tree) -> None:
        self._recent[tree.size, tree.root] = None
        if len(self._recent) > MAX_RECENT_TREES:
            self._recent.popitem(last=False)

    def _end_alarms(self, *kinds: AlarmKind) -> None:
        self.alarms = tuple(alarm for alarm in self.alarms if alarm.alarm not in kinds)


def line_of(entry: Entry) -> bytes:
    """An entry as its line."""
    return msgspec.json.encode(entry) + b"\n"


def parse_line(line: bytes) -> Entry:
    """An entry from its line.

    Raises:
        ValueError: it is not one.
    """
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def tree_in(line: bytes, size: int) -> Tree | None:
    """The tree of this size that a line tells of, if it does."""
    # Most lines are of another size, and that is seen without taking them apart.
    if b'"size":%d,' % size not in line:
        return None
    entry = parse_line(line)
    if isinstance(entry, SeenEntry | HeardEntry | AcceptedEntry) and entry.size == size:
        return Tree(entry.size, bytes.fromhex(entry.root))
    return None


def _tree(entry: SeenEntry | HeardEntry | AcceptedEntry) -> Tree:
    return Tree(entry.size, bytes.fromhex(entry.root))


def _der(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("the key is not base64") from None
