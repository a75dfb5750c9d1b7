"""The verbs of retrieval: who asks is judged, what is asked is held, built and sealed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from roeh.core.clock import Clock
from roeh.core.custody import HoldRow, HoldState, PlaceHold, ReleaseHold
from roeh.core.errors import EvidenceRefused, RoehError
from roeh.core.log import log_error, log_for
from roeh.core.moments import utc_text
from roeh.core.peers import Done, Verb
from roeh.core.retrieval import (
    Action,
    ExportHeld,
    ExportsPage,
    ExportsRequest,
    JudgeVisitor,
    NoteStranger,
    OfferTrustList,
    RequestExport,
    Thumbnail,
    ThumbnailRequest,
    TrustHeld,
    VisitorHold,
    VisitorRelease,
)
from roeh.evidence.answerers import Answerer
from roeh.evidence.export_building import BuildingParts, ExportBuilding
from roeh.evidence.export_parts import ExportParts
from roeh.evidence.export_requests import ExportRequests
from roeh.evidence.exports import Exports
from roeh.evidence.looks import Looks
from roeh.evidence.visitors import VisitorParts, Visitors
from roeh.ledger.export_rows import exports_after
from roeh.ledger.holds import check_few_held
from roeh.ledger.utc_spans import UtcSpan, newest_segments, recorded_spans

#: Of one hold (core/custody.py).
_MAX_SPANS = 256
_SETTLE_S = 2.0
_CLOSE_TIMEOUT_S = 2.0

_log = log_for("evidence")


class RetrievalParts(msgspec.Struct, frozen=True):
    """What retrieval asks of the rest of evidence.

    Attributes:
        named: the same holds with persons by name.
    """

    visitors: VisitorParts
    exports: ExportParts
    building: BuildingParts
    named: Callable[..., tuple[HoldRow, ...]]


class Retrieval:
    """The verbs of Role.RETRIEVE and Role.USB. Safe to call from several threads."""

    def __init__(self, parts: RetrievalParts) -> None:
        self._parts = parts
        self._clock: Clock = parts.visitors.clock
        self._trust = parts.visitors.trust
        self._looks: Looks = parts.visitors.looks
        self._visitors: Visitors = parts.exports.visitors
        self._requests = ExportRequests(parts.exports)
        self._exports = Exports(parts.exports)
        self._building = ExportBuilding(parts.building)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._settle_on, name="looks", daemon=True)
        self.answerers: dict[Verb, Answerer] = {
            Verb.VISITOR_JUDGE: self._visitors.judge,
            Verb.STRANGER_NOTE: self._note_stranger,
            Verb.VISITOR_HOLD: self._hold,
            Verb.VISITOR_RELEASE: self._release,
            Verb.TRUST_OFFER: self._offer,
            Verb.TRUST_HELD: lambda _: self._trust.shown(),
            Verb.THUMBNAIL_READ: self._thumbnail,
            Verb.EXPORT_REQUEST: self._request,
            Verb.EXPORT_APPROVE: self._exports.approve,
            Verb.EXPORTS_PAGE: self._page,
            Verb.EXPORT_BEGIN: self._building.begin,
            Verb.EXPORT_PROOFS: self._building.proofs,
            Verb.EXPORT_FILES: self._building.add_files,
            Verb.EXPORT_SEAL: self._building.seal,
            Verb.EXPORT_NOTE: self._exports.note,
        }

    def begin(self) -> None:
        """From now on what was only counted comes on record, and what waits too long ends."""
        self._thread.start()

    def alarms(self) -> tuple[str, ...]:
        """What a person should know, a line each."""
        return (*self._trust.alarms(), *self._parts.visitors.names.alarms())

    def counters(self) -> dict[str, float]:
        """Refusals since this process started, and how many exports wait where."""
        waiting = self._exports.waiting()
        return {
            "access_refused": float(self._looks.refused),
            **{f"exports_{state}": float(count) for state, count in waiting.items()},
        }

    def close(self) -> None:
        """Put on record what was only counted."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_TIMEOUT_S)
        self._try_to_settle(is_last=True)

    def _note_stranger(self, request: NoteStranger) -> Done:
        self._visitors.note_stranger(request)
        return Done()

    def _offer(self, request: OfferTrustList) -> TrustHeld:
        """Whoever brings it: what counts is the signature, and its version."""
        der = b"" if request.visitor is None else request.visitor.certificate_der
        if request.visitor is not None:
            self._visitors.judge(JudgeVisitor(request.visitor, Action.OFFER_TRUST_LIST))
        with self._visitors.refusing(Action.OFFER_TRUST_LIST.value, der):
            return self._trust.offer(request.signed, request.via)

    def _request(self, request: RequestExport) -> ExportHeld:
        return ExportHeld(self._exports.shown(self._requests.take(request)))

    def _page(self, request: ExportsRequest) -> ExportsPage:
        with self._parts.exports.database.reading() as connection:
            found = exports_after(connection, request)
        return ExportsPage(tuple(self._exports.shown(row) for row in found))

    def _thumbnail(self, request: ThumbnailRequest) -> Thumbnail:
        with self._parts.exports.database.reading() as connection:
            found = connection.execute(
                "SELECT picture FROM thumbnail JOIN alert ON alert.seq = thumbnail.seq"
                " WHERE alert.id = ?",
                (request.alert_id,),
            ).fetchone()
        return Thumbnail(b"" if found is None else bytes(found[0]))

    def _hold(self, request: VisitorHold) -> HoldState:
        judged = self._visitors.judge(
            JudgeVisitor(
                request.visitor,
                Action.HOLD,
                detail=request.hold_id,
                cameras=request.cameras,
                from_utc_us=request.from_utc_us,
                to_utc_us=request.to_utc_us,
            )
        )
        holds = self._parts.exports.holds
        known = holds.find(request.hold_id)
        if known is not None and (known.person, known.reason) == (
            judged.pseudonym,
            request.reason,
        ):
            return HoldState(*self._parts.named(known))
        wanted = PlaceHold(
            hold_id=request.hold_id,
            person=judged.pseudonym,
            reason=request.reason,
            spans=(),
        )
        with self._parts.exports.database.writing() as connection:
            check_few_held(connection, judged.pseudonym)
            now = self._clock.read()
            spans = recorded_spans(
                connection,
                UtcSpan(request.from_utc_us, request.to_utc_us),
                request.cameras,
                going_on=newest_segments(connection, now.boot_id, request.cameras),
            )
            if not spans or len(spans) > _MAX_SPANS:
                when = f"{utc_text(request.from_utc_us)} to {utc_text(request.to_utc_us)}"
                raise EvidenceRefused(
                    what="that is in too many pieces" if spans else "nothing is recorded then",
                    which=f"{', '.join(request.cameras)}, {when}",
                    remedy="see the timeline for what is there; hold it in smaller parts",
                )
            held = holds.place_within(connection, msgspec.structs.replace(wanted, spans=spans))
        return HoldState(*self._parts.named(held))

    def _release(self, request: VisitorRelease) -> HoldState:
        judged = self._visitors.judge(
            JudgeVisitor(request.visitor, Action.RELEASE_HOLD, detail=request.hold_id)
        )
        wanted = ReleaseHold(
            hold_id=request.hold_id, person=judged.pseudonym, reason=request.reason
        )
        return HoldState(*self._parts.named(self._parts.exports.holds.release(wanted)))

    def _settle_on(self) -> None:
        self._try_to_settle()
        while not self._clock.wait(_SETTLE_S, self._stop):
            self._try_to_settle()

    def _try_to_settle(self, *, is_last: bool = False) -> None:
        try:
            self._looks.settle(is_last=is_last)
            if not is_last:
                self._exports.settle()
                self._trust.held()  # a trust_file that changed is taken though nobody comes
        except RoehError as error:
            log_error(_log, error)
