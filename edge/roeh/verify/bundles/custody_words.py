"""The chain of custody as sentences: who asked, who agreed, who looked, and when. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from roeh.core.moments import utc_text
from roeh.ledger import records


class CustodyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One record of custody. `t_utc_us` is by the pole's clock."""

    leaf: int
    t_utc_us: int
    kind: str
    text: str


def custody_line(record: records.Record, names: Mapping[str, str]) -> CustodyLine | None:
    """A record in words; None when it is not one of custody.

    Args:
        record: of the ledger.
        names: who the pseudonyms are, by the word of the pole.
    """
    text = _text(record.body, names)
    if text is None:
        return None
    return CustodyLine(
        leaf=record.leaf,
        t_utc_us=record.t_utc_us,
        kind=str(type(record.body).__struct_config__.tag),
        text=text,
    )


def _text(body: records.RecordBody, names: Mapping[str, str]) -> str | None:  # noqa: PLR0911  # a kind a line
    def who(pseudonym: str) -> str:
        return names.get(pseudonym, pseudonym) or "somebody unknown"

    if isinstance(body, records.HoldRecord):
        stretches = "a stretch" if len(body.spans) == 1 else f"{len(body.spans)} stretches"
        return f"{who(body.person)} held {stretches} of video: {body.reason}"
    if isinstance(body, records.ReleaseRecord):
        step = {"asked": "asked for the end of a hold", "released": "ended a hold"}
        person = who(body.person) if body.person else "the end of the export"
        return f"{person} {step.get(body.step, 'ended a hold')}: {body.reason}"
    if isinstance(body, records.AccessRecord):
        role = f" ({body.role})" if body.role else ""
        return f"{who(body.person)}{role}: {body.action} {body.detail}".rstrip()
    if isinstance(body, records.AccessRefusedRecord):
        count = f", {body.count} times" if body.count > 1 else ""
        return f"{who(body.person)} was refused {body.action}{count}: {body.reason}"
    if isinstance(body, records.ExportRequestRecord):
        how = "signed" if body.is_signed else "said over TLS"
        span = f"{utc_text(body.from_utc_us)} to {utc_text(body.to_utc_us)}"
        return (
            f"{who(body.person)} asked for {', '.join(body.cameras)}, {span}, in case"
            f" {who(body.case)} ({how})"
        )
    if isinstance(body, records.ApprovalRecord):
        by = f"by trust list {body.trust_list_version}"
        return f"{who(body.person)} {body.verdict} the request ({by})"
    if isinstance(body, records.ExportRecord):
        person = f" by {who(body.person)}" if body.person else ""
        return f"export {body.step}{person} {body.detail}".rstrip()
    if isinstance(body, records.TrustListRecord):
        return f"trust list {body.version} in force, by {body.via}"
    if isinstance(body, records.ErasureRecord):
        return f"who {body.pseudonym} is was forgotten: {body.reason}"
    return None
