"""What the verifier says: conclusions, findings and where each was found."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from roeh.verify.bundles.custody_words import CustodyLine
from roeh.verify.placing import GopState

#: Bits of the exit status (edge/docs/verify.md). 0: everything was checked and is right.
EXIT_NOT_CHECKED = 32
EXIT_FAILED = 64


class Aspect(enum.Enum):
    """What is asked of evidence. The value is its name; `bit` its place in the exit status."""

    BYTES = "bytes intact"
    SIGNER = "signer trusted"
    COMPLETE = "complete"
    TIME = "time anchored"
    CUSTODY = "custody"

    @property
    def bit(self) -> int:
        """1 for BYTES, 2 for SIGNER, 4, 8, 16."""
        return 1 << list(Aspect).index(self)


class Check(enum.Enum):
    """The answer."""

    OK = "OK"
    FAIL = "FAIL"
    NOT_CHECKED = "NOT CHECKED"


class Weight(enum.Enum):
    """What a finding does to its aspect; a note does nothing."""

    FAIL = "fail"
    NOT_CHECKED = "not checked"
    NOTE = "note"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was found, and where.

    Attributes:
        what: a stable word for programs (edge/docs/verify.md lists them).
        detail: the same in a sentence.
        path: the file, below what was verified.
        gop: its number in that file, from 1.
        pictures: numbers of pictures in that GOP, from 1.
        leaf: the record of the ledger.
    """

    aspect: Aspect
    weight: Weight
    what: str
    detail: str
    path: str | None = None
    gop: int | None = None
    pictures: tuple[int, ...] = ()
    leaf: int | None = None

    @property
    def place(self) -> str:
        """Where, in words; empty for the whole."""
        parts = [] if self.path is None else [self.path]
        if self.gop is not None:
            parts.append(f"GOP {self.gop}")
        if self.leaf is not None:
            parts.append(f"ledger leaf {self.leaf}")
        return ", ".join(parts)


class GopLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One GOP of a file.

    `hash_matches_ledger` is None where no ledger names the fragment.
    """

    gop: int
    stream_signature: GopState
    counter: int | None = None
    hash_matches_ledger: bool | None = None


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `segment_leaf` is its record in the ledger, if there is one."""

    path: str
    camera_id: str | None
    size_bytes: int
    sha256: str
    codec: str | None
    segment_leaf: int | None
    gops: tuple[GopLine, ...]


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of ONVIF Media Signing over one stream, in the reference's own counts.

    `video` is valid, valid_with_missing, invalid or no_complete_gop; `key` valid, not_valid
    or not_validated.
    """

    stream: str
    files: int
    video: str
    key: str
    valid: int
    valid_with_missing: int
    invalid: int
    without_signature: int
    received_frames: int
    validated_frames: int
    pending_frames: int


class LedgerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger as it was read. Sizes are records."""

    origin: str
    size: int
    root: str
    checkpoint_size: int | None
    witnessed_size: int
    witnessed_utc_us: int | None
    segments: int
    pruned: int
    gaps: int


class BundleReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is for. Names are as far as they are known.

    Attributes:
        form: what it came in.
        timestamps: times of the time-stamps that count, by path, microseconds of UTC.
    """

    form: str
    export_id: str
    kind: str
    pole: str
    case_number: str
    legal_basis: str
    reason: str
    cameras: tuple[str, ...]
    from_utc_us: int
    to_utc_us: int
    requester: str
    approver: str
    files: int
    timestamps: dict[str, int]


class Conclusion(msgspec.Struct, frozen=True):
    """The answer to one question, with its reasons."""

    aspect: Aspect
    check: Check
    reasons: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that the verifier says. `bundle` and `custody` are of bundles alone."""

    schema: str = "roeh/verify/1"
    path: str
    conclusions: tuple[Conclusion, ...]
    findings: tuple[Finding, ...]
    files: tuple[FileReport, ...]
    streams: tuple[StreamReport, ...]
    ledger: LedgerReport | None
    exit_status: int
    bundle: BundleReport | None = None
    custody: tuple[CustodyLine, ...] = ()


def conclude(findings: Iterable[Finding], grounds: dict[Aspect, str]) -> tuple[Conclusion, ...]:
    """An answer to each question.

    Args:
        findings: everything that was found.
        grounds: why an aspect is OK where nothing was found against it; one without any was
            not checked.
    """
    found = list(findings)
    conclusions: list[Conclusion] = []
    for aspect in Aspect:
        failed = _reasons(found, aspect, Weight.FAIL)
        unchecked = _reasons(found, aspect, Weight.NOT_CHECKED)
        if failed:
            conclusions.append(Conclusion(aspect, Check.FAIL, failed + unchecked))
        elif unchecked or aspect not in grounds:
            conclusions.append(Conclusion(aspect, Check.NOT_CHECKED, unchecked))
        else:
            conclusions.append(Conclusion(aspect, Check.OK, (grounds[aspect],)))
    return tuple(conclusions)


def exit_status(conclusions: Iterable[Conclusion], *, counts_custody: bool = False) -> int:
    """The conclusions as a bit field; custody is asked of bundles alone."""
    status = 0
    for conclusion in conclusions:
        if conclusion.check is Check.FAIL:
            status |= EXIT_FAILED | conclusion.aspect.bit
        elif conclusion.check is Check.NOT_CHECKED:
            is_asked = counts_custody or conclusion.aspect is not Aspect.CUSTODY
            status |= EXIT_NOT_CHECKED if is_asked else 0
    return status


def _reasons(findings: list[Finding], aspect: Aspect, weight: Weight) -> tuple[str, ...]:
    """One line for each kind of finding: the first of them, and how many more there are."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.aspect is aspect and finding.weight is weight:
            kinds.setdefault(finding.what, []).append(finding)
    return tuple(_reason(each) for each in kinds.values())


def _reason(findings: list[Finding]) -> str:
    first = findings[0]
    place = f"{first.place}: " if first.place else ""
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{place}{first.detail}{more}"
