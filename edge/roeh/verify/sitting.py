"""What one verification knows and has found so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from cryptography import x509

from roeh.core.clock import Clock
from roeh.keys.chain import TrustAnchors
from roeh.ledger.note import WitnessKey
from roeh.ledger.records import SegmentRecord
from roeh.verify.anchoring import Anchor, Anchoring, NoteSource
from roeh.verify.ledger_state import LedgerState, SegmentPlace
from roeh.verify.places import Place
from roeh.verify.report import Aspect, FileReport, Finding, StreamReport, Weight
from roeh.verify.signers import SignerJudge


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What the reader brings along.

    Attributes:
        anchors: root certificates and revocation lists; None: nobody is trusted.
        checkpoints: kept elsewhere than in what is verified.
        certificates: PEM files with certificates of log keys.
        identities: texts of files with secret keys of age, for encrypted bundles.
        timestamp_roots: roots of time-stamping authorities.
    """

    anchors: TrustAnchors | None = None
    checkpoints: tuple[NoteSource, ...] = ()
    witnesses: tuple[WitnessKey, ...] = ()
    certificates: tuple[bytes, ...] = ()
    identities: tuple[str, ...] = ()
    timestamp_roots: tuple[x509.Certificate, ...] = ()


class Progress(msgspec.Struct, frozen=True):
    """How far it is. `files` 0: a bundle is being decrypted."""

    files_done: int
    files: int
    bytes_done: int


@dataclass(slots=True)
class Sitting:
    """One verification, from the first file to the verdict.

    Attributes:
        ledger: what was read of it; None where there is none.
        record_at: reads a segment's record again, where the ledger found it.
        unproven: leaves of a part of a ledger whose records are not what it holds there.
        ledger_read_to: the part and offset in it at which reading the ledger first ended.
        required: segments with a record below this leaf have to be among the files `present`.
        unrecorded: camera, number and path of files of which the ledger did not tell yet.
        gops: judged; `proven` by a ledger under a signed checkpoint, `signed` by the stream.
        recorded_files: with a record in the ledger; of these a witness saw `witnessed_files`.
    """

    place: Place
    clock: Clock
    ledger: LedgerState | None
    anchoring: Anchoring
    signers: SignerJudge
    record_at: Callable[[SegmentPlace], SegmentRecord | None] = lambda _place: None
    unproven: set[int] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    files: list[FileReport] = field(default_factory=list)
    streams: list[StreamReport] = field(default_factory=list)
    bytes_read: int = 0
    ledger_read_to: tuple[int, int] = (0, 0)
    required: int = 0
    present: frozenset[tuple[str | None, int | None]] = frozenset()
    unrecorded: list[tuple[str, int, str]] = field(default_factory=list)
    gops: int = 0
    proven: int = 0
    signed: int = 0
    recorded_files: int = 0
    witnessed_files: int = 0
    earliest_witness_us: int | None = None
    latest_witness_us: int | None = None

    def is_proven(self, leaf: int | None) -> bool:
        """Whether a record is under a signed checkpoint: only then what it says proves anything."""
        return leaf is not None and leaf < self.anchoring.signed_size and leaf not in self.unproven

    def witnessed(self, leaf: int | None) -> Anchor | None:
        """The earliest time at which somebody else had seen this record."""
        is_here = leaf is not None and leaf not in self.unproven
        return self.anchoring.witnessed(leaf) if is_here and leaf is not None else None

    def count_recorded(self, leaf: int) -> None:
        """One more file with a record: whether somebody else had seen that, and when."""
        self.recorded_files += 1
        anchor = self.witnessed(leaf)
        if anchor is not None and anchor.t_utc_us is not None:
            self.witnessed_files += 1
            earliest_us = self.earliest_witness_us or anchor.t_utc_us
            self.earliest_witness_us = min(earliest_us, anchor.t_utc_us)
            self.latest_witness_us = max(self.latest_witness_us or 0, anchor.t_utc_us)

    def find(
        self,
        aspect: Aspect,
        weight: Weight,
        what: str,
        detail: str,
        *,
        path: str | None = None,
        gop: int | None = None,
        leaf: int | None = None,
    ) -> None:
        """One more finding."""
        self.findings.append(
            Finding(
                aspect=aspect,
                weight=weight,
                what=what,
                detail=detail,
                path=path,
                gop=gop,
                leaf=leaf,
            )
        )
