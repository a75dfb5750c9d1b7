"""What the demo's police take from its pole: asked by one, agreed to by another, verified.

Over HTTPS, with the same client that `roeh police` is; the pole still runs.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import msgspec

from roeh.bundle.encryption import new_identity
from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.errors import EvidenceRefused
from roeh.demo.city import DemoCity
from roeh.demo.police import DemoPolice, Span
from roeh.keys.chain import trust_anchors
from roeh.keys.safe_files import replace_private, replace_public
from roeh.ledger.note import WitnessKey, witness_verifier_key
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect, Check, Report

BUNDLE_FILE = "export.zip.age"
#: What opens it and what it is verified against; the demo's city is gone when it ends.
_IDENTITY_FILE = "export.age.key"
_ROOT_FILE = "export.root.pem"
_WITNESS_FILE = "export.witness"
_OPENED_DIR = "opened"
#: Before the first alert: what led to it.
_BEFORE_US = 3_000_000
#: Around the demo, as a timeline asks for it.
_LOOK_BACK_US = 3_600_000_000


class ExportedEvidence(msgspec.Struct, frozen=True):
    """A bundle that left the pole, and the verifier's word on it.

    Attributes:
        file: the encrypted bundle.
        opening: the command that verifies and unpacks it, with the files beside it.
        took_s: from the request to its last byte.
        checks: the verifier's answer to each of its questions.
        findings: what it has against it.
    """

    file: str
    opening: str
    size_bytes: int
    took_s: float
    checks: dict[str, Check]
    findings: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the verifier has nothing against it; a witness may have seen less than all."""
        return all(
            check is Check.OK for name, check in self.checks.items() if name != Aspect.TIME.value
        )


def export_from_first_alert(
    police: DemoPolice, city: DemoCity, place: Path, witness: WitnessKey, clock: Clock
) -> ExportedEvidence:
    """Ask for the video from the first alert on, agree, fetch into `place`, verify.

    Raises:
        EvidenceRefused: there is no alert or no video.
        RoehError: what the pole refused, or why it could not.
    """
    identity = new_identity()
    replace_private(place / _IDENTITY_FILE, f"{identity.secret}\n".encode(), os.geteuid())
    replace_public(place / _ROOT_FILE, city.root_file.read_bytes())
    replace_public(place / _WITNESS_FILE, f"{witness_verifier_key(witness)}\n".encode())
    bundle = place / BUNDLE_FILE
    bundle.unlink(missing_ok=True)  # of a demo before
    began_ns = clock.mono_ns()
    export = police.begin(_span(police, clock), identity.recipient)
    taken = police.fetch(export, bundle)
    took_s = (clock.mono_ns() - began_ns) / NS_PER_S
    report = verify(bundle, beliefs_of(city, witness, identity.secret), clock)
    return ExportedEvidence(
        file=str(bundle),
        opening=_opening(place),
        size_bytes=taken.size_bytes,
        took_s=round(took_s, 1),
        checks={one.aspect.value: one.check for one in report.conclusions},
        findings=_against(report),
    )


def _opening(place: Path) -> str:
    """What a person types next, from where they are."""
    here = Path.cwd()
    shown = place.relative_to(here) if place.is_relative_to(here) else place
    program = Path(sys.argv[0])  # as they called us
    called = program.relative_to(here) if program.is_relative_to(here) else program
    return shlex.join(
        [
            str(called) if program.name == "roeh" else "roeh",
            *("police", "open", str(shown / BUNDLE_FILE)),
            *("--identity", str(shown / _IDENTITY_FILE)),
            *("--trust", str(shown / _ROOT_FILE)),
            *("--witness", str(shown / _WITNESS_FILE)),
            *("--out", str(shown / _OPENED_DIR)),
        ]
    )


def beliefs_of(city: DemoCity, witness: WitnessKey | None, identity: str) -> Beliefs:
    """What somebody brings along who knows the demo's city."""
    revocations_pem = b"".join(path.read_bytes() for path in city.revocation_files)
    return Beliefs(
        anchors=trust_anchors(city.root_file.read_bytes(), revocations_pem),
        witnesses=() if witness is None else (witness,),
        identities=(identity,),
    )


def _span(police: DemoPolice, clock: Clock) -> Span:
    now_us = clock.read().t_utc_ns // NS_PER_US
    seen = police.timeline(Span(now_us - _LOOK_BACK_US, now_us))
    ends_us = [bar.to_utc_us for lane in seen.lanes for bar in lane.bars]
    if not seen.alerts or not ends_us:
        raise EvidenceRefused(
            what="no alert, or no video",
            which="the demo's pole",
            remedy="let the demo run longer",
        )
    return Span(min(alert.t_utc_us for alert in seen.alerts) - _BEFORE_US, max(ends_us))


def _against(report: Report) -> tuple[str, ...]:
    return tuple(
        f"{one.aspect.value}: {reason}"
        for one in report.conclusions
        if one.check is Check.FAIL
        for reason in one.reasons
    )
