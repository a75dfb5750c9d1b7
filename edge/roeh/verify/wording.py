"""The report for people: what was asked, what the answer is, and where something is wrong."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TextIO

from roeh.core.errors import one_line
from roeh.core.moments import utc_text
from roeh.verify.bundles.custody_words import CustodyLine
from roeh.verify.placing import GopState
from roeh.verify.report import (
    Aspect,
    BundleReport,
    FileReport,
    Finding,
    LedgerReport,
    Report,
    StreamReport,
    Weight,
)

_QUESTIONS = {
    Aspect.BYTES: "Are the recorded bytes unchanged?",
    Aspect.SIGNER: "Were they signed by somebody you trust?",
    Aspect.COMPLETE: "Is anything missing, added or out of order?",
    Aspect.TIME: "Did a witness see this at the time?",
    Aspect.CUSTODY: "Who asked, who agreed, who looked?",
}
_VIDEO = {
    "valid": "video is valid",
    "valid_with_missing": "video is valid, but pictures are missing",
    "invalid": "video is INVALID",
    "no_complete_gop": "no complete signed GOP",
}
_KEY = {
    "valid": "the key is valid",
    "not_valid": "the key is NOT valid under the given roots",
    "not_validated": "the key was not validated",
}
#: More lines than this are a matter for --json.
_MAX_FINDINGS = 40
_MAX_FILES = 20
_MAX_CUSTODY = 40


def write_report(report: Report, out: TextIO) -> None:
    """Print a report."""
    lines = [f"Verification of {report.path}", ""]
    if report.bundle is not None:
        lines += _bundle(report.bundle)
    lines += _files(report.files, report.findings)
    lines += [_stream(stream) for stream in report.streams]
    if report.ledger is not None:
        lines.append(_ledger(report.ledger, is_part=report.bundle is not None))
    lines += _findings(report.findings)
    lines += _custody(report.custody)
    lines += ["", "Verdict"]
    for conclusion in report.conclusions:
        question = _QUESTIONS[conclusion.aspect]
        if conclusion.aspect is Aspect.CUSTODY and report.bundle is None:
            question += " (bundles only)"
        lines.append(f"  {conclusion.aspect.value:15} {conclusion.check.value:12} {question}")
        lines += [f"    {reason}" for reason in conclusion.reasons]
    lines += ["", f"Exit status {report.exit_status} (edge/docs/verify.md tells what it means)."]
    out.write("".join(f"{one_line(line)}\n" for line in lines))


def _bundle(bundle: BundleReport) -> list[str]:
    """What it is for, in the words of its request."""
    span = f"{utc_text(bundle.from_utc_us)} to {utc_text(bundle.to_utc_us)}"
    lines = [
        f"Export {bundle.export_id} ({bundle.kind}) from pole {bundle.pole}: {bundle.files} files",
        f"  asked for  {', '.join(bundle.cameras)}, {span}",
        f"  case       {bundle.case_number}: {bundle.reason}",
        f"  basis      {bundle.legal_basis}",
        f"  asked by   {bundle.requester}",
        f"  agreed by  {bundle.approver or 'nobody who is believed here'}",
    ]
    lines += [
        f"  stamped    {path} at {utc_text(t_utc_us)}"
        for path, t_utc_us in bundle.timestamps.items()
    ]
    return [*lines, ""]


def _custody(custody: tuple[CustodyLine, ...]) -> list[str]:
    """The chain of custody, a record a line, by the pole's clock."""
    if not custody:
        return []
    lines = ["", "Custody, by the pole's clock; who the persons are is the pole's word"]
    lines += [
        f"  {utc_text(line.t_utc_us)}  leaf {line.leaf}: {line.text}"
        for line in custody[-_MAX_CUSTODY:]
    ]
    if len(custody) > _MAX_CUSTODY:
        lines.append(f"  ... and {len(custody) - _MAX_CUSTODY} before (--json shows all)")
    return lines


def _files(files: tuple[FileReport, ...], findings: tuple[Finding, ...]) -> list[str]:
    """A row a file; of many only those with findings."""
    concerned = {f.path for f in findings if f.weight is not Weight.NOTE}
    shown = files if len(files) <= _MAX_FILES else [f for f in files if f.path in concerned]
    if not files:
        return []
    width = max((len(file.path) for file in shown), default=4)
    lines = [f"{'file':{width}}  {'MB':>7}  GOPs  by signature  by ledger  state"]
    for file in shown[:_MAX_FILES]:
        valid = sum(line.stream_signature is GopState.VALID for line in file.gops)
        proven = [line.hash_matches_ledger for line in file.gops]
        by_ledger = "-" if all(each is None for each in proven) else str(proven.count(True))
        state = "see below" if file.path in concerned else "no objection"
        lines.append(
            f"{file.path:{width}}  {file.size_bytes / 1e6:7.2f}  {len(file.gops):4d}"
            f"  {valid:12d}  {by_ledger:>9}  {state}"
        )
    hidden = len(files) - len(shown[:_MAX_FILES])
    if hidden:
        lines.append(f"... and {hidden} more files (--json shows all)")
    return [*lines, ""]


def _stream(stream: StreamReport) -> str:
    return (
        f"Media signing of {stream.stream}, as the ONVIF reference counts: {_VIDEO[stream.video]};"
        f" {_KEY[stream.key]}. Judgements: {stream.valid} valid,"
        f" {stream.valid_with_missing} with missing pictures, {stream.invalid} invalid,"
        f" {stream.without_signature} without signature. Pictures: {stream.received_frames},"
        f" {stream.validated_frames} judged, {stream.pending_frames} pending."
    )


def _ledger(ledger: LedgerReport, *, is_part: bool) -> str:
    signed = "no checked checkpoint"
    if ledger.checkpoint_size is not None:
        signed = f"{ledger.checkpoint_size} under a signed checkpoint"
    seen = "none witnessed"
    if ledger.witnessed_utc_us is not None:
        seen = f"{ledger.witnessed_size} witnessed, first at {_instant(ledger.witnessed_utc_us)}"
    return (
        f"Ledger {ledger.origin}: {ledger.size} records, {signed}, {seen};"
        f" {'in this bundle ' if is_part else ''}{ledger.segments} segments closed,"
        f" {ledger.pruned} deleted by rule, {ledger.gaps} gaps. Root {ledger.root}."
    )


def _findings(findings: Iterable[Finding]) -> list[str]:
    shown = sorted(findings, key=lambda f: list(Weight).index(f.weight))
    if not shown:
        return []
    lines = ["", "Findings"]
    for finding in shown[:_MAX_FINDINGS]:
        place = finding.place or "the whole"
        lines.append(
            f"  {finding.weight.value.upper():12} {finding.aspect.value:15} {place}:"
            f" {finding.detail} [{finding.what}]"
        )
    if len(shown) > _MAX_FINDINGS:
        lines.append(f"  ... and {len(shown) - _MAX_FINDINGS} more (--json shows all)")
    return lines


def _instant(t_utc_us: int) -> str:
    instant = datetime.datetime.fromtimestamp(t_utc_us / 1e6, datetime.timezone.utc)
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
