"""The seal of a bundle: who signed its manifest, and that the ledger names it."""

from __future__ import annotations

import binascii
import hashlib

import msgspec

from roeh.bundle import layout
from roeh.core.errors import EvidenceRefused, KeyRefused
from roeh.keys.chain import Witness
from roeh.keys.cms import read_signed
from roeh.ledger import records
from roeh.ledger.merkle import is_consistent, is_included, leaf_hash
from roeh.ledger.note import (
    Checkpoint,
    SignatureState,
    log_signature_state,
    parse_checkpoint,
    parse_note,
)
from roeh.verify.anchoring import LogKey
from roeh.verify.bag import Bag
from roeh.verify.proven_part import ProvenPart, consistency_in
from roeh.verify.report import Aspect, Finding, Weight
from roeh.verify.signers import ClaimedTime, SignerJudge, spki_sha256_of

_MAX_BYTES = 256 << 10
_MAX_SIGNATURE_BYTES = 256 << 10


class SealCheck:
    """Of one bundle.

    Attributes:
        record: the ledger's record of the seal, if it is proven.
    """

    def __init__(
        self, bag: Bag, manifest: bytes, part: ProvenPart, log_keys: tuple[LogKey, ...]
    ) -> None:
        self._bag = bag
        self._manifest = manifest
        self._part = part
        self._log_keys = log_keys
        self.record: records.Record | None = None
        self.findings: list[Finding] = []

    def check_record(self, export_id: str, files: int) -> None:
        """The ledger's own record of this manifest, and that it is in the ledger."""
        line = (self._bag.read(layout.SEAL_RECORD, _MAX_BYTES) or b"").removesuffix(b"\n")
        try:
            record = msgspec.json.decode(line, type=records.Record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._find("seal_missing", "no record of the ledger seals it", layout.SEAL_RECORD)
            return
        body = record.body
        sha256 = hashlib.sha256(self._manifest).hexdigest()
        if (
            not isinstance(body, records.ExportRecord)
            or (body.export_id, body.step, body.sha256) != (export_id, "sealed", sha256)
            or body.files != files
            or (record.site, record.node) != (self._part.state.site, self._part.state.node)
        ):
            self._find(
                "seal_differs",
                f"seals something else than this {layout.MANIFEST}",
                layout.SEAL_RECORD,
                leaf=record.leaf,
            )
            return
        wrong = self._wrong_tree(record.leaf, line)
        if wrong:
            self._find("seal_not_proven", wrong, layout.SEAL_CHECKPOINT, leaf=record.leaf)
            return
        self.record = record

    def check_signature(self, judge: SignerJudge, witness: Witness | None) -> None:
        """The pole's manifest key signed the manifest, and the reader believes it."""
        signature = self._bag.read(layout.MANIFEST_SIGNATURE, _MAX_SIGNATURE_BYTES)
        if signature is None:
            self._find(
                "manifest_unsigned", "nobody signed it", layout.MANIFEST_SIGNATURE, Aspect.SIGNER
            )
            return
        try:
            signed = read_signed(signature, self._manifest)
        except KeyRefused as error:
            self._find(
                "manifest_signature_wrong",
                f"is not one of {layout.MANIFEST} as it is: {error.what}",
                layout.MANIFEST_SIGNATURE,
                Aspect.BYTES,
            )
            return
        certificates = self._bag.read(layout.CERTIFICATES["manifest"], _MAX_BYTES) or b""
        key = spki_sha256_of(signed.chain_pem)
        if spki_sha256_of(certificates) != key:
            self._find(
                "certificate_differs",
                "is not of the key that signed the manifest",
                layout.CERTIFICATES["manifest"],
                Aspect.SIGNER,
            )
        known = self._part.state.manifest_keys
        if known and key not in known:
            self._find(
                "key_not_recorded",
                "signed by a key that this node's ledger never named",
                layout.MANIFEST_SIGNATURE,
                Aspect.SIGNER,
            )
        time = ClaimedTime(signed.signing_time_utc_us)
        if self.record is not None:
            # Written at most seconds after; its bound is that of the same clock.
            record = self.record
            apart_us = abs(record.t_utc_us - signed.signing_time_utc_us)
            error_us = record.utc_error_us + min(apart_us, 60_000_000)
            time = ClaimedTime(signed.signing_time_utc_us, error_us, is_set=record.synchronised)
        verdict = judge.judge_manifest(signed.chain_pem, time, witness)
        if verdict is not None and not verdict.is_trusted:
            self._find(
                "manifest_key_not_trusted",
                verdict.reason,
                layout.MANIFEST_SIGNATURE,
                Aspect.SIGNER,
            )

    def _wrong_tree(self, leaf: int, line: bytes) -> str:
        """Why the record is not shown to be in the ledger; empty when it is."""
        written = self._bag.read(layout.SEAL_CHECKPOINT, _MAX_BYTES)
        proof_line = self._bag.read(layout.SEAL_INCLUSION, _MAX_BYTES)
        try:
            note = parse_note((written or b"").decode("utf-8", "replace"))
            checkpoint = parse_checkpoint(note.text)
            proof = msgspec.json.decode(proof_line or b"", type=layout.InclusionLine)
            hashes = tuple(binascii.unhexlify(each) for each in proof.proof)
        except (EvidenceRefused, msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return "its checkpoint or its proof cannot be read"
        if checkpoint.origin != self._part.origin:
            return f"it is a checkpoint of {checkpoint.origin}"
        states = [
            log_signature_state(note, name=checkpoint.origin, spki_der=key.spki_der)
            for key in self._log_keys
        ]
        if SignatureState.VALID not in states:
            return "the log key did not sign it as it is"
        if not (
            (proof.leaf, proof.size) == (leaf, checkpoint.size)
            and is_included(leaf, proof.size, leaf_hash(line), hashes, checkpoint.root)
        ):
            return "the record is not in the tree that it is over"
        return self._wrong_continuation(checkpoint)

    def _wrong_continuation(self, checkpoint: Checkpoint) -> str:
        """That the seal's tree goes on from the one that the records are proven in."""
        before = self._part.checkpoint
        if before is None:
            return ""
        if checkpoint.size < before.size:
            return "it is over fewer records than the checkpoint of the bundle"
        if layout.SEAL_CONSISTENCY not in self._bag:
            self._find(
                "seal_apart",
                "the same key signed it and the bundle's checkpoint; that one tree continues the"
                " other is not shown",
                layout.SEAL_CHECKPOINT,
                weight=Weight.NOTE,
            )
            return ""
        proof = consistency_in(self._bag, layout.SEAL_CONSISTENCY)
        try:
            hashes = tuple(binascii.unhexlify(each) for each in proof.proof) if proof else None
        except ValueError:
            hashes = None
        if (
            proof is None
            or hashes is None
            or (proof.from_size, proof.to_size) != (before.size, checkpoint.size)
            or not is_consistent(before.size, before.root, checkpoint.size, checkpoint.root, hashes)
        ):
            return "it is not shown that its tree continues that of the bundle's checkpoint"
        return ""

    def _find(
        self,
        what: str,
        detail: str,
        path: str,
        aspect: Aspect = Aspect.CUSTODY,
        *,
        weight: Weight = Weight.FAIL,
        leaf: int | None = None,
    ) -> None:
        self.findings.append(
            Finding(aspect=aspect, weight=weight, what=what, detail=detail, path=path, leaf=leaf)
        )
