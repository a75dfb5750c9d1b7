"""The seal of a bundle: who signed its manifest, and that the ledger names it."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Collection

import msgspec

from roeh.bundle import layout
from roeh.core.errors import EvidenceRefused, KeyRefused
from roeh.keys.certificates import certificate_pem
from roeh.keys.chain import Witness
from roeh.keys.cms import read_signed
from roeh.keys.key_pem import UNPARSABLE, certificates_in
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
from roeh.verify.bundles.bag import Bag
from roeh.verify.bundles.proven_part import ProvenPart, consistency_in
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
        self._checkpoint_key: LogKey | None = None
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

    def check_log_key(self, judge: SignerJudge) -> None:
        """That the reader believes the log key under whose checkpoint the seal stands."""
        key, record = self._checkpoint_key, self.record
        if key is None or record is None or key in self._part.anchoring.log_keys:
            return  # those that signed the bundle's own checkpoints are judged with them
        time = ClaimedTime(record.t_utc_us, record.utc_error_us, is_set=record.synchronised)
        verdict = judge.judge_log(key, time, None)
        if verdict is not None and not verdict.is_trusted:
            self._find("log_key_not_trusted", verdict.reason, layout.SEAL_CHECKPOINT, Aspect.SIGNER)

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
        signers = [
            key
            for key in self._log_keys
            if log_signature_state(note, name=checkpoint.origin, spki_der=key.spki_der)
            is SignatureState.VALID
        ]
        if not signers:
            return "the log key did not sign it as it is"
        self._checkpoint_key = signers[0]
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


def check_certificates(bag: Bag, media_keys: Collection[str]) -> list[Finding]:
    """The files of certificates, which nobody signs: nothing else stands in them.

    What an expert checks by them with other tools is what was checked here.

    Args:
        bag: the bundle.
        media_keys: those that the ledger names for stream signatures, as SHA-256.
    """
    found: list[Finding] = []
    for usage, path in layout.CERTIFICATES.items():
        content = bag.read(path, _MAX_BYTES)
        if content is None:
            continue
        try:
            is_plain = certificate_pem(*certificates_in(content)) == content
        except UNPARSABLE:
            is_plain = False
        why = "" if is_plain else "has something else in it than certificates"
        key = spki_sha256_of(content)
        if is_plain and usage == "media" and media_keys and key not in media_keys:
            why = "is of a key that this node's ledger never named"
        if why:
            found.append(
                Finding(
                    aspect=Aspect.SIGNER,
                    weight=Weight.FAIL,
                    what="certificate_differs",
                    detail=why,
                    path=path,
                )
            )
    return found
