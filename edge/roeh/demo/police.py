"""Two officers of the demo's city, and what they do at its pole with the client of the police."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import ExportFailed
from roeh.core.ids import ClockIds
from roeh.core.retrieval import PersonRole
from roeh.demo.city import DemoCity, OfficerFiles
from roeh.keys.signer import NodeName
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

_SIGNED = "application/pkcs7-mime"
_APPROVED_US = 86_400_000_000
_PATIENCE_S = 90.0
_PAUSE_S = 0.2
#: Slower than the pole's limit of requests a minute.
_POLL_S = 0.5

_AnswerT = TypeVar("_AnswerT")


class Span(msgspec.Struct, frozen=True):
    """A stretch of UTC, [from, to)."""

    from_utc_us: int
    to_utc_us: int


class DemoPolice:
    """An investigator and an approver, and the pole that they know."""

    def __init__(self, city: DemoCity, config: NodeConfig, clock: Clock) -> None:
        self._root_file = city.root_file
        self._pole = NodeName(site=config.node.site, node=config.node.name)
        self._cameras = tuple(sensor.name for sensor in config.sensors)
        self._address = Address("127.0.0.1", config.access.port)
        self._clock = clock
        self._investigator = city.officer("ben", "1001", PersonRole.INVESTIGATOR)
        self._approver = city.officer("dana", "1002", PersonRole.APPROVER)

    def timeline(self, span: Span) -> Timeline:
        """What the pole holds.

        Raises:
            RoehError: it refuses, or cannot be reached.
        """
        path = f"/timeline?from_utc_us={span.from_utc_us}&to_utc_us={span.to_utc_us}"
        with self._at_pole(self._investigator) as pole:
            return self._patiently(functools.partial(pole.get, path, Timeline))

    def ask(self, span: Span, recipient: str) -> Export:
        """The investigator asks for all cameras' video of a span, signed.

        Raises:
            RoehError: the pole refuses, or cannot be reached.
        """
        wish = Wish(
            pole=self._pole,
            case_number="DEMO-1",
            legal_basis="demonstration",
            reason="to show how evidence leaves a pole",
            cameras=self._cameras,
            from_utc_us=span.from_utc_us,
            to_utc_us=span.to_utc_us,
            recipients=(recipient,),
            is_redacted=False,
            regions=(),
        )
        now_us = self._now_us()
        signer = file_person(self._investigator.certificate, self._investigator.key, b"")
        request = make_request(wish, signer.person, ClockIds(self._clock).new(), now_us)
        signed = signed_request(request, signer, now_us)
        with self._at_pole(self._investigator) as pole:
            return self._patiently(
                functools.partial(pole.post, "/exports", signed, _SIGNED, Export)
            )

    def agree(self, export: Export) -> None:
        """The approver agrees.

        Raises:
            RoehError: the pole refuses, or cannot be reached.
        """
        assert export.request is not None, "an export that was just asked for has its request"
        signer = file_person(self._approver.certificate, self._approver.key, b"")
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

    def begin(self, span: Span, recipient: str) -> Export:
        """One asks, the other agrees: the pole begins to build.

        Raises:
            RoehError: the pole refuses, or cannot be reached.
        """
        export = self.ask(span, recipient)
        self.agree(export)
        return export

    def is_ready(self, export: Export) -> bool:
        """Whether the pole has built the bundle.

        Raises:
            ExportFailed: the export is over.
            RoehError: the pole refuses, or cannot be reached.
        """
        with self._at_pole(self._investigator) as pole:
            now = self._patiently(functools.partial(pole.get, f"/exports/{export.id}", Export))
        if now.state not in ("approved", "building", "ready", "taken"):
            raise ExportFailed(
                what=f"the export is {now.state}: {now.detail}",
                which=export.id,
                remedy="see the lines of retrieve above",
            )
        return now.state in ("ready", "taken")

    def wait_until_ready(self, export: Export) -> None:
        """Until it has.

        Raises:
            ExportFailed: the export is over.
            RoehError: the pole refuses, or cannot be reached.
        """
        while not self.is_ready(export):
            self._clock.wait(_POLL_S)

    def fetch(self, export: Export, bundle: Path) -> Export:
        """The investigator fetches the bundle into a new file, once it is ready.

        Raises:
            RoehError: the export failed, or the bundle did not come whole.
        """
        with self._at_pole(self._investigator) as pole:
            return fetch(
                pole,
                export.id,
                bundle,
                timeout_s=_PATIENCE_S,
                clock=self._clock,
                on_state=lambda _export: None,
                is_quiet=True,
            )

    @contextlib.contextmanager
    def _at_pole(self, officer: OfficerFiles) -> Iterator[Pole]:
        context = pole_context(self._root_file, officer.certificate, officer.key, b"", self._pole)
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
