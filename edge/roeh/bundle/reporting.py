"""The report of a bundle: what it is made of, and what could not be made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from roeh.bundle.joining import CameraPlan
from roeh.bundle.layout import ExportDocument
from roeh.bundle.report.digest import Digest
from roeh.core.retrieval import ExportBegun


class ReportFile(msgspec.Struct, frozen=True):
    """A file of the report, by its path in the bag."""

    path: str
    content: bytes


class Reported(msgspec.Struct, frozen=True):
    """What there is of a report; `notes`: what could not be made, a line each."""

    files: tuple[ReportFile, ...] = ()
    notes: tuple[str, ...] = ()


class Reporter(Protocol):
    """Makes the report; what goes wrong is told, not raised."""

    def report(
        self,
        document: ExportDocument,
        digest: Digest,
        begun: ExportBegun,
        plans: Sequence[CameraPlan],
    ) -> Reported:
        """All of its files."""
        ...


class NoReport:
    """Makes none."""

    def report(
        self,
        _document: ExportDocument,
        _digest: Digest,
        _begun: ExportBegun,
        _plans: Sequence[CameraPlan],
    ) -> Reported:
        """Nothing, and says so."""
        return Reported(notes=("no report was made",))
