"""What the demo's pole recorded, judged by the offline verifier as anybody could."""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EvidenceRefused
from roeh.core.paths import keys_dir
from roeh.keys.chain import TrustAnchors
from roeh.keys.key_pem import certificates_in
from roeh.keys.revocation import revocation_lists
from roeh.ledger.note import WitnessKey
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect, Check, Report

_ASKED = (Aspect.BYTES, Aspect.SIGNER, Aspect.COMPLETE)


class RecordedEvidence(msgspec.Struct, frozen=True):
    """The recorded video and the verifier's word on it.

    The signer is judged by the root that the demo's pole made for itself: a city has its own.
    `time_anchored` concerns what the demo's witness had seen by the end.
    """

    segments: int
    gops: int
    video_bytes: int
    gaps: int
    bytes_intact: Check
    signer_trusted: Check
    complete: Check
    time_anchored: Check
    findings: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the verifier has nothing against it."""
        return (self.bytes_intact, self.signer_trusted, self.complete) == (Check.OK,) * 3


def recorded_evidence(
    config: NodeConfig, witness: WitnessKey, clock: Clock
) -> RecordedEvidence | None:
    """Verify what is in the node's data_dir; None when nothing was recorded."""
    roots = [
        certificate
        for path in sorted(keys_dir(config).rglob("anchors.pem"))
        for certificate in certificates_in(path.read_bytes())
    ]
    anchors = TrustAnchors(tuple(roots), revocation_lists(b""))
    beliefs = Beliefs(anchors=anchors, witnesses=(witness,))
    try:
        report = verify(Path(config.paths.data_dir), beliefs, clock)
    except EvidenceRefused:
        return None
    return _summary(report) if report.files else None


def _summary(report: Report) -> RecordedEvidence:
    said = {conclusion.aspect: conclusion for conclusion in report.conclusions}
    return RecordedEvidence(
        segments=len(report.files),
        gops=sum(len(file.gops) for file in report.files),
        video_bytes=sum(file.size_bytes for file in report.files),
        gaps=report.ledger.gaps if report.ledger is not None else 0,
        bytes_intact=said[Aspect.BYTES].check,
        signer_trusted=said[Aspect.SIGNER].check,
        complete=said[Aspect.COMPLETE].check,
        time_anchored=said[Aspect.TIME].check,
        findings=tuple(
            f"{aspect.value}: {reason}"
            for aspect in _ASKED
            if said[aspect].check is not Check.OK
            for reason in said[aspect].reasons
        ),
    )
