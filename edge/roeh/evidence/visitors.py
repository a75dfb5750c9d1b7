"""Who somebody is and what they may, with a record of each answer.

What retrieve says of a visitor is their certificate alone; everything else is judged here,
against the trust list in force. The table of roles is access/roles.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from roeh.access.judging import judge_person
from roeh.access.people import is_same_person
from roeh.access.refusals import refused
from roeh.access.roles import OWN_ONLY, may, survives_stale
from roeh.core.clock import Clock
from roeh.core.errors import AccessRefused
from roeh.core.retrieval import Action, JudgedVisitor, JudgeVisitor, NoteStranger, Person
from roeh.evidence.looks import Looks
from roeh.evidence.trust_lists import TrustLists
from roeh.ledger.database import NodeDatabase
from roeh.ledger.export_rows import known_export
from roeh.ledger.names import NameBook, numbered
from roeh.ledger.records import AccessRecord, AccessRefusedRecord

#: A stranger's action on record: they came no further.
_AT_THE_DOOR = "enter"
_US_PER_DAY = 86_400_000_000


class VisitorParts(msgspec.Struct, frozen=True):
    """What judging asks."""

    clock: Clock
    database: NodeDatabase
    names: NameBook
    trust: TrustLists
    looks: Looks


class Visitors:
    """Judges persons. Safe to call from several threads."""

    def __init__(self, parts: VisitorParts) -> None:
        self._parts = parts

    def judge(self, request: JudgeVisitor) -> JudgedVisitor:
        """They may, and it is on record; or they may not, and that is.

        Raises:
            AccessRefused: by its first word (access/refusals.py).
            StorageFull, StorageFailed: it is not on record, and must not be done.
        """
        der = request.visitor.certificate_der
        person = self.believed(der, request.action, export_id=request.export_id or "")
        pseudonym = self.pseudonym(person)
        self._parts.looks.look(
            AccessRecord(
                person=pseudonym,
                action=request.action.value,
                detail=request.detail,
                role=person.role.value,
                certificate_sha256=person.certificate_sha256,
                cameras=request.cameras,
                from_utc_us=request.from_utc_us,
                to_utc_us=request.to_utc_us,
                export_id=request.export_id or "",
            )
        )
        return JudgedVisitor(person=person, pseudonym=pseudonym)

    def believed(self, certificate_der: bytes, action: Action, *, export_id: str = "") -> Person:
        """Who it is, if they may do this now; a refusal is on record.

        Raises:
            AccessRefused: they are not believed, or may not.
            EvidenceRefused: there is no such export.
        """
        with self.refusing(action.value, certificate_der, export_id=export_id):
            trust = self._parts.trust.held()
            person = judge_person(certificate_der, trust, self._parts.clock.read())
        pseudonym = self.pseudonym(person)
        with self.refusing(action.value, certificate_der, person=pseudonym, export_id=export_id):
            if not may(person.role, action):
                raise refused("not_this_role", f"{person.role.value}: {action.value}")
            if not survives_stale(action):
                self.check_fresh()
            if action in OWN_ONLY:
                self._check_own(person, export_id)
        return person

    def check_fresh(self) -> None:
        """Refuse where the list may not know who was dismissed.

        Raises:
            AccessRefused: `stale_trust_list`.
        """
        stands = self._parts.trust.stands()
        if stands.is_stale:
            days = None if stands.age_us is None else stands.age_us / _US_PER_DAY
            age = "no clock tells its age" if days is None else f"it is {days:.1f} days old"
            raise refused("stale_trust_list", age)

    def pseudonym(self, person: Person) -> str:
        """Their name in the ledger."""
        return self._parts.names.pseudonym(
            numbered(person.number, f"{person.name} ({person.organisation}, {person.number})")
        )

    def known_as(self, certificate_der: bytes) -> str:
        """The pseudonym of whose certificate it is; empty: nobody who is believed now."""
        try:
            trust = self._parts.trust.held()
            person = judge_person(certificate_der, trust, self._parts.clock.read())
        except AccessRefused:
            return ""
        return self.pseudonym(person)

    def note_stranger(self, request: NoteStranger) -> None:
        """Somebody was turned away at the door."""
        record = AccessRefusedRecord(person="", action=_AT_THE_DOOR, reason=request.reason)
        self._parts.looks.refuse(record)

    @contextmanager
    def refusing(
        self, action: str, certificate_der: bytes, *, person: str = "", export_id: str = ""
    ) -> Iterator[None]:
        """What is refused in the block is on record.

        `person` is a pseudonym; empty: whoever the certificate names, who is not believed.
        """
        try:
            yield
        except AccessRefused as error:
            self._parts.looks.refuse(
                AccessRefusedRecord(
                    person=person,
                    action=action,
                    reason=error.what,
                    certificate_sha256=hashlib.sha256(certificate_der).hexdigest()
                    if certificate_der
                    else "",
                    export_id=export_id,
                )
            )
            raise

    def _check_own(self, person: Person, export_id: str) -> None:
        if not export_id:
            raise refused("not_own", "no export was named")
        with self._parts.database.reading() as connection:
            requester = known_export(connection, export_id).shown.requester
        if not is_same_person(person.number, requester.number):
            raise refused("not_own", f"export {export_id}")
