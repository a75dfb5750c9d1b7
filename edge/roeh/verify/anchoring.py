"""Checkpoints against the ledger: whose they are, what they prove, and from when.

A checkpoint that left the pole holds the ledger to what it was then. Pure.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence

import msgspec

from roeh.core.errors import EvidenceRefused
from roeh.ledger.note import (
    Checkpoint,
    SignatureState,
    WitnessKey,
    cosignatures,
    ecdsa_key_id,
    log_signature_state,
    parse_checkpoint,
    parse_note,
)
from roeh.verify.report import Aspect, Finding, Weight
from roeh.verify.roots import KnownRoots

_US_PER_S = 1_000_000


class NoteSource(msgspec.Struct, frozen=True):
    """A signed note and where it came from.

    `is_own`: out of the store that is verified; others were kept elsewhere, and prove more.
    """

    name: str
    written: str
    is_own: bool


class LogKey(msgspec.Struct, frozen=True):
    """A log key: its public key and the chain that vouches for it."""

    spki_der: bytes
    chain_pem: bytes


class Anchor(msgspec.Struct, frozen=True):
    """A checkpoint that agrees with the ledger.

    `witness` and `t_utc_us` are None when nobody but the pole signed it; `is_time_stamp`: an
    authority stamped it, which is no witness of the ledger's growth.
    """

    name: str
    size: int
    log_key: LogKey | None
    witness: str | None
    t_utc_us: int | None
    is_time_stamp: bool = False


class Anchoring(msgspec.Struct, frozen=True):
    """What the checkpoints came to.

    Attributes:
        signed_size: records under the largest checkpoint whose signature is right.
        log_keys: the keys that signed those.
    """

    anchors: tuple[Anchor, ...]
    findings: tuple[Finding, ...]
    signed_size: int
    log_keys: tuple[LogKey, ...]

    def witnessed(self, leaf: int) -> Anchor | None:
        """The earliest time at which a witness had seen this leaf."""
        seen = [a for a in self.anchors if a.t_utc_us is not None and a.size > leaf]
        return min(seen, key=lambda a: a.t_utc_us or 0, default=None)

    @property
    def witnessed_size(self) -> int:
        """Records that some witness had seen."""
        return max((a.size for a in self.anchors if a.t_utc_us is not None), default=0)


def sizes_of(sources: Sequence[NoteSource]) -> frozenset[int]:
    """The tree sizes that these notes speak of, believed or not."""
    sizes: set[int] = set()
    for source in sources:
        # One that cannot be read is told when it is checked.
        with contextlib.suppress(EvidenceRefused):
            sizes.add(parse_checkpoint(parse_note(source.written).text).size)
    return frozenset(sizes)


class _Read(msgspec.Struct, frozen=True):
    """A note taken apart: what it says, and whose signatures on it are right."""

    source: NoteSource
    checkpoint: Checkpoint
    log_key: LogKey | None
    witness: str | None
    t_utc_us: int | None


def check_checkpoints(
    roots: KnownRoots,
    origin: str,
    sources: Sequence[NoteSource],
    log_keys: Sequence[LogKey],
    witnesses: Sequence[WitnessKey],
) -> Anchoring:
    """Hold the ledger against every checkpoint.

    Args:
        roots: of the records as they are, at the sizes of `sizes_of`.
        origin: the name that the ledger's own records give it.
        sources: the checkpoints, the store's own and others.
        log_keys: public keys that may have signed, trusted or not.
        witnesses: whose cosignatures count.
    """
    findings: list[Finding] = []
    read = [
        each
        for source in sources
        if (each := _read(source, origin, log_keys, witnesses, findings)) is not None
    ]
    agreeing = [each for each in read if roots.at(each.checkpoint.size) == each.checkpoint.root]
    sound_to = max((each.checkpoint.size for each in agreeing), default=0)
    findings += [_disagreement(roots.size, each, agreeing) for each in read if each not in agreeing]
    signed = [each for each in agreeing if each.log_key is not None]
    keys = {each.log_key.spki_der: each.log_key for each in signed if each.log_key is not None}
    signed_size = max((each.checkpoint.size for each in signed), default=0)
    if sound_to and not signed:
        findings.append(
            _finding(
                Weight.NOT_CHECKED,
                "checkpoint_key_unknown",
                "the ledger agrees with its checkpoint, whose signature cannot be checked without"
                " the certificate of the log key",
            )
        )
    elif not sources:
        findings.append(
            _finding(
                Weight.NOT_CHECKED, "no_checkpoint", "no checkpoint holds the ledger to anything"
            )
        )
    return Anchoring(
        anchors=tuple(
            Anchor(e.source.name, e.checkpoint.size, e.log_key, e.witness, e.t_utc_us)
            for e in agreeing
        ),
        findings=tuple(findings),
        signed_size=signed_size,
        log_keys=tuple(keys.values()),
    )


def _read(
    source: NoteSource,
    origin: str,
    log_keys: Sequence[LogKey],
    witnesses: Sequence[WitnessKey],
    findings: list[Finding],
) -> _Read | None:
    """A note whose signatures are not wrong; None, with a finding, for any other."""
    try:
        note = parse_note(source.written)
        checkpoint = parse_checkpoint(note.text)
    except EvidenceRefused as error:
        findings.append(_bad_note(source, error.what))
        return None
    if checkpoint.origin != origin:
        findings.append(
            _bad_note(source, f"it is a checkpoint of {checkpoint.origin}, not of {origin}")
        )
        return None
    key: LogKey | None = None
    for candidate in log_keys:
        state = log_signature_state(note, name=origin, spki_der=candidate.spki_der)
        if state is SignatureState.WRONG:
            findings.append(_bad_note(source, "the log key did not sign it as it is"))
            return None
        if state is SignatureState.VALID:
            key = candidate
    seen = cosignatures(note, witnesses)
    wrong = [each.witness for each in seen if each.state is SignatureState.WRONG]
    if wrong:
        findings.append(_bad_note(source, f"the cosignature of {wrong[0]} is wrong"))
        return None
    valid = [each for each in seen if each.t_utc_s is not None]
    earliest = min(valid, key=lambda each: each.t_utc_s or 0, default=None)
    if key is None and log_keys and earliest is None:
        known = ", ".join(ecdsa_key_id(each.spki_der).hex() for each in log_keys)
        findings.append(_bad_note(source, f"none of the log keys known ({known}) signed it"))
        return None
    return _Read(
        source=source,
        checkpoint=checkpoint,
        log_key=key,
        witness=None if earliest is None else earliest.witness,
        t_utc_us=None
        if earliest is None or earliest.t_utc_s is None
        else earliest.t_utc_s * _US_PER_S,
    )


def _disagreement(records: int, each: _Read, agreeing: Sequence[_Read]) -> Finding:
    size = each.checkpoint.size
    smaller = [a.checkpoint.size for a in agreeing if a.checkpoint.size < size]
    sound_to = max(smaller, default=0)
    if size > records:
        last = "" if size - 1 == records else f" to {size - 1}"
        return _finding(
            Weight.FAIL,
            "tail_cut",
            f"{each.source.name} is over {size} records; leaf {records}{last} was cut off",
            leaf=records,
        )
    where = f"in leaf {sound_to}" if sound_to == size - 1 else f"in leaves {sound_to} to {size - 1}"
    signer = "the pole" if each.log_key is not None else "somebody whose key is not known here"
    return _finding(
        Weight.FAIL,
        "ledger_changed" if each.source.is_own else "ledger_forked",
        f"differs from {each.source.name}, signed by {signer} over {size} records: what was"
        f" changed lies {where}",
        leaf=sound_to,
    )


def spki_sha256(key: LogKey) -> str:
    """How a key record names this key."""
    return hashlib.sha256(key.spki_der).hexdigest()


def _bad_note(source: NoteSource, why: str) -> Finding:
    weight = Weight.FAIL if source.is_own else Weight.NOT_CHECKED
    return _finding(weight, "checkpoint_refused", f"{source.name}: {why}")


def _finding(weight: Weight, what: str, detail: str, leaf: int | None = None) -> Finding:
    return Finding(aspect=Aspect.COMPLETE, weight=weight, what=what, detail=detail, leaf=leaf)
