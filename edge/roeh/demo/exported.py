"""What the demo's police take from its pole: asked by one, agreed to by another, verified.

Over HTTPS, with the same client that `roeh police` is; the pole still runs.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from roeh.bundle.encryption import new_identity
from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EvidenceRefused
from roeh.core.ids import ClockIds
from roeh.core.retrieval import PersonRole
from roeh.demo.city import DemoCity, OfficerFiles
from roeh.keys.chain import trust_anchors
from roeh.keys.safe_files import replace_private
from roeh.keys.signer import NodeName
from roeh.ledger.note import WitnessKey
from roeh.police.answers import Export, Timeline
from roeh.police.asking import (
    Wish,
    made_approval,
    make_request,
    signed_approval,
    signed_request,
)
from roeh.police.city_tls import pole_context
from roeh.police.fetching import fetch
from roeh.police.person import file_person
from roeh.police.pole import Address, Busy, Pole
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect, Check

BUNDLE_FILE = "export.zip.age"
_IDENTITY_FILE = "export.age.key"
_SIGNED = "application/pkcs7-mime"
#: Before the first alert: what led to it.
_BEFORE_US = 3_000_000
#: Around the demo, as a timeline asks for it.
_LOOK_BACK_US = 3_600_000_000
_APPROVED_US = 86_400_000_000
_PATIENCE_S = 90.0
_PAUSE_S = 0.2

_AnswerT = TypeVar("_AnswerT")


class ExportedEvidence(msgspec.Struct, frozen=True):
    """A bundle that left the pole, and the verifier's word on it.

    Attributes:
        file: the encrypted bundle; opened by the key beside it.
        took_s: from the request to its last byte.
        checks: the verifier's answer to each of its questions.
        findings: what it has against it.
    """

    file: str
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


class DemoExport:
    """An investigator and an approver of the demo's city, and what they do at its pole."""

    def __init__(self, city: DemoCity, config: NodeConfig, place: Path, clock: Clock) -> None:
        self._city = city
        self._pole = NodeName(site=config.node.site, node=config.node.name)
        self._cameras = tuple(sensor.name for sensor in config.sensors)
        self._address = Address("127.0.0.1", config.access.port)
        self._place = place
        self._clock = clock
        self._investigator = city.officer("ben", "1001", PersonRole.INVESTIGATOR)
        self._approver = city.officer("dana", "1002", PersonRole.APPROVER)

    def take(self, witness: WitnessKey) -> ExportedEvidence:
        """Ask for the video from the first alert on, agree, fetch, verify.

        Raises:
            RoehError: what the pole refused, or why it could not.
        """
        identity = new_identity()
        replace_private(self._place / _IDENTITY_FILE, f"{identity.secret}\n".encode(), os.geteuid())
        bundle = self._place / BUNDLE_FILE
        bundle.unlink(missing_ok=True)  # of a demo before
        began_ns = self._clock.mono_ns()
        export = self._ask(identity.recipient)
        self._agree(export)
        with self._at_pole(self._investigator) as pole:
            taken = fetch(
                pole,
                export.id,
                bundle,
                timeout_s=_PATIENCE_S,
                clock=self._clock,
                on_state=lambda _export: None,
                is_quiet=True,
            )
        took_s = (self._clock.mono_ns() - began_ns) / NS_PER_S
        revocations_pem = b"".join(path.read_bytes() for path in self._city.revocation_files)
        beliefs = Beliefs(
            anchors=trust_anchors(self._city.root_file.read_bytes(), revocations_pem),
            witnesses=(witness,),
            identities=(identity.secret,),
        )
        report = verify(bundle, beliefs, self._clock)
        return ExportedEvidence(
            file=str(bundle),
            size_bytes=taken.size_bytes,
            took_s=round(took_s, 1),
            checks={one.aspect.value: one.check for one in report.conclusions},
            findings=tuple(
                f"{one.aspect.value}: {reason}"
                for one in report.conclusions
                if one.check is Check.FAIL
                for reason in one.reasons
            ),
        )

    def _ask(self, recipient: str) -> Export:
        with self._at_pole(self._investigator) as pole:
            now_us = self._now_us()
            path = f"/timeline?from_utc_us={now_us - _LOOK_BACK_US}&to_utc_us={now_us}"
            seen = self._patiently(functools.partial(pole.get, path, Timeline))
            ends_us = [bar.to_utc_us for lane in seen.lanes for bar in lane.bars]
            if not seen.alerts or not ends_us:
                raise EvidenceRefused(
                    what="nothing to export: no alert, or no video",
                    which=str(self._pole),
                    remedy="let the demo run longer",
                )
            wish = Wish(
                pole=self._pole,
                case_number="DEMO-1",
                legal_basis="demonstration",
                reason="to show how evidence leaves a pole",
                cameras=self._cameras,
                from_utc_us=min(alert.t_utc_us for alert in seen.alerts) - _BEFORE_US,
                to_utc_us=max(ends_us),
                recipients=(recipient,),
                is_redacted=False,
                regions=(),
            )
            signer = file_person(self._investigator.certificate, self._investigator.key, b"")
            request = make_request(wish, signer.person, ClockIds(self._clock).new(), now_us)
            signed = signed_request(request, signer, now_us)
            return self._patiently(
                functools.partial(pole.post, "/exports", signed, _SIGNED, Export)
            )

    def _agree(self, export: Export) -> None:
        signer = file_person(self._approver.certificate, self._approver.key, b"")
        assert export.request is not None
        now_us = self._now_us()
        approval = made_approval(
            export.request,
            signer.person,
            "approved",
            now_utc_us=now_us,
            expires_utc_us=now_us + _APPROVED_US,
            note="",
        )
        signed = signed_approval(approval, signer, now_us)
        path = f"/exports/{export.id}/approval"
        with self._at_pole(self._approver) as pole:
            self._patiently(functools.partial(pole.post, path, signed, _SIGNED, Export))

    @contextlib.contextmanager
    def _at_pole(self, officer: OfficerFiles) -> Iterator[Pole]:
        context = pole_context(
            self._city.root_file, officer.certificate, officer.key, b"", self._pole
        )
        with contextlib.closing(Pole(self._address, context)) as pole:
            yield pole

    def _patiently(self, ask: Callable[[], _AnswerT]) -> _AnswerT:
        """Ask again while the pole is busy or still starting."""
        deadline_ns = self._clock.mono_ns() + round(_PATIENCE_S * NS_PER_S)
        while True:
            try:
                return ask()
            except Busy as busy:
                if self._clock.mono_ns() > deadline_ns:
                    raise busy.error from None
                self._clock.wait(max(busy.after_s, _PAUSE_S))

    def _now_us(self) -> int:
        return self._clock.read().t_utc_ns // NS_PER_US
