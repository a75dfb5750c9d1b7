"""Requests for an export: judged, held and on record.

Order: 1. who asks is believed; 2. in one transaction: the hold on the span, the record, the row.
The same request again is answered as it stands.
"""

from __future__ import annotations

import hashlib
import sqlite3

from roeh.access.refusals import refused
from roeh.access.requests import check_requester, read_request, read_signed_request
from roeh.core.clock import NS_PER_US
from roeh.core.custody import PlaceHold, Span
from roeh.core.errors import EvidenceRefused
from roeh.core.moments import utc_text
from roeh.core.retrieval import Action, ExportRequest, ExportRow, Person, RequestExport
from roeh.evidence.export_parts import ExportParts
from roeh.ledger import export_rows as rows
from roeh.ledger.export_segments import MAX_SEGMENTS, ExportSegments
from roeh.ledger.names import case
from roeh.ledger.records import ExportRequestRecord
from roeh.ledger.utc_spans import UtcSpan, recorded_spans

#: Of one hold (core/custody.py).
_MAX_SPANS = 256


class ExportRequests:
    """The verb EXPORT_REQUEST. Safe to call from several threads."""

    def __init__(self, parts: ExportParts) -> None:
        self._parts = parts

    def take(self, asked: RequestExport) -> ExportRow:
        """Take a request; the same one again is answered as it stands.

        Raises:
            AccessRefused: who asks is not believed or may not, or it is not a request.
            EvidenceRefused: another request has this id, or nothing is recorded then.
        """
        visitors, signed = self._parts.visitors, b"" if _is_said(asked) else asked.request
        with visitors.refusing("request_export", b""):
            if asked.visitor is not None and not signed:
                certificate_der, content = asked.visitor.certificate_der, asked.request
                request = read_request(content)
            else:
                read = read_signed_request(asked.request)
                certificate_der, content, request = read.signer_der, read.content, read.request
        action = Action.REQUEST_EXPORT if request.kind == "full" else Action.REQUEST_REDACTED
        if asked.visitor is not None and signed:
            self._check_asker(request, asked.visitor.certificate_der, action)
        known = self._known_signed(request.id, signed)
        if known is not None:
            return known
        person, pseudonym = self._check_asker(request, certificate_der, action)
        with visitors.refusing(action.value, certificate_der, person=pseudonym):
            if (request.site, request.node) != (self._parts.site, self._parts.node):
                raise refused("another_pole", f"{request.site}/{request.node}")
        return self._take(request, content, signed, person, pseudonym)

    def _check_asker(
        self, request: ExportRequest, certificate_der: bytes, action: Action
    ) -> tuple[Person, str]:
        """Who asks, by name and by pseudonym: they may, and speak for themselves."""
        visitors = self._parts.visitors
        person = visitors.believed(certificate_der, action)
        pseudonym = visitors.pseudonym(person)
        with visitors.refusing(action.value, certificate_der, person=pseudonym):
            check_requester(request, person)
        return person, pseudonym

    def _known_signed(self, export_id: str, signed: bytes) -> ExportRow | None:
        """The very same signed request, taken before: whoever carries it again sees how it goes."""
        if not signed:
            return None
        with self._parts.database.reading() as connection:
            found = rows.find_export(connection, export_id)
        return found.shown if found is not None and found.shown.request_p7m == signed else None

    def _take(
        self,
        request: ExportRequest,
        content: bytes,
        signed: bytes,
        person: Person,
        pseudonym: str,
    ) -> ExportRow:
        parts = self._parts
        request_sha256 = hashlib.sha256(content).hexdigest()
        with parts.database.reading() as connection:
            # Before the case has a name: what is refused leaves none behind.
            if rows.find_export(connection, request.id) is None:
                rows.check_few_wait(connection, pseudonym, is_signed=bool(signed))
                self._spans(connection, request)
                self._check_segments(request)
        case_pseudonym = parts.names.pseudonym(case(request.case_number))
        with parts.database.writing() as connection:
            known = rows.find_export(connection, request.id)
            if known is not None:
                if known.shown.request_sha256 != request_sha256:
                    raise EvidenceRefused(
                        what="another request has this id",
                        which=request.id,
                        remedy="give every request an id of its own",
                    )
                return known.shown
            spans = self._spans(connection, request)
            hold = PlaceHold(
                hold_id=request.id,  # so that it is placed once, whatever is rebuilt
                person=pseudonym,
                reason=f"export {request.id}",
                spans=spans,
            )
            parts.holds.place_within(connection, hold)
            parts.log.append(
                connection,
                ExportRequestRecord(
                    export_id=request.id,
                    request_sha256=request_sha256,
                    person=pseudonym,
                    case=case_pseudonym,
                    export_kind=request.kind,
                    cameras=request.cameras,
                    from_utc_us=request.from_utc_us,
                    to_utc_us=request.to_utc_us,
                    hold_id=hold.hold_id,
                    is_signed=bool(signed),
                ),
            )
            rows.insert_export(
                connection,
                rows.NewExport(
                    id=request.id,
                    request=content,
                    request_sha256=request_sha256,
                    request_p7m=signed,
                    requester=person,
                    requester_pseudonym=pseudonym,
                    case_pseudonym=case_pseudonym,
                    hold_id=hold.hold_id,
                    t_utc_us=parts.clock.read().t_utc_ns // NS_PER_US,
                    asked_age_us=parts.age_us(),
                ),
            )
            return rows.known_export(connection, request.id).shown

    def _spans(self, connection: sqlite3.Connection, request: ExportRequest) -> tuple[Span, ...]:
        now = self._parts.clock.read()
        if request.to_utc_us > (now.t_utc_ns + now.utc_error_ns) // NS_PER_US:
            raise EvidenceRefused(
                what="the span is not over yet",
                which=f"until {utc_text(request.to_utc_us)}",
                remedy="ask for what was recorded; hold what is to come",
            )
        unknown = [
            camera
            for camera in request.cameras
            if camera not in self._parts.cameras and not _was_recorded(connection, camera)
        ]
        if unknown:
            raise EvidenceRefused(
                what="the pole has no such camera",
                which=", ".join(unknown),
                remedy=f"it has {', '.join(sorted(self._parts.cameras))}",
            )
        wanted = UtcSpan(request.from_utc_us, request.to_utc_us)
        spans = recorded_spans(connection, wanted, request.cameras)
        if spans and len(spans) <= _MAX_SPANS:
            return spans
        when = f"{utc_text(request.from_utc_us)} to {utc_text(request.to_utc_us)}"
        raise EvidenceRefused(
            what="that is in too many pieces" if spans else "nothing is recorded then",
            which=f"{', '.join(request.cameras)}, {when}",
            remedy="ask for less at once" if spans else _what_there_is(connection),
        )

    def _check_segments(self, request: ExportRequest) -> None:
        found = ExportSegments(self._parts.database).numbers(request)
        segments = sum(numbers.count for numbers in found)
        if segments > MAX_SEGMENTS:
            raise EvidenceRefused(
                what=f"that is {segments} segments, more than the {MAX_SEGMENTS} of one export",
                which=f"{len(request.cameras)} cameras from {utc_text(request.from_utc_us)} to"
                f" {utc_text(request.to_utc_us)}",
                remedy="ask for fewer cameras or a shorter span at once",
            )


def _is_said(asked: RequestExport) -> bool:
    """Over TLS, as JSON; whoever visits may bring a request under their own signature too."""
    return asked.visitor is not None and asked.request.startswith(b"{")


def _was_recorded(connection: sqlite3.Connection, camera_id: str) -> bool:
    found = connection.execute("SELECT 1 FROM segment WHERE camera_id = ? LIMIT 1", (camera_id,))
    return found.fetchone() is not None


def _what_there_is(connection: sqlite3.Connection) -> str:
    """What could be asked for instead, in words."""
    first, last = connection.execute(
        "SELECT MIN(t_utc_us), MAX(t_utc_us + t_end_mono_us - t_first_mono_us) FROM segment"
        " WHERE state IN ('open', 'closed')"
    ).fetchone()
    if first is None:
        return "there is no video here at all"
    return f"there is video from {utc_text(first)} to {utc_text(last)}, with gaps"
