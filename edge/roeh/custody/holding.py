"""`roeh evidence hold` and `release`: kept by one person, let go by two."""

from __future__ import annotations

from typing import IO

import msgspec

from roeh.core.clock import Clock
from roeh.core.custody import HoldRow, HoldState, PlaceHold, ReleaseHold, Span
from roeh.core.errors import EvidenceRefused
from roeh.core.ids import ClockIds
from roeh.core.moments import length_text, utc_text
from roeh.core.peers import Verb
from roeh.custody.holdings import Holdings, span_utc, spans_of
from roeh.custody.link import EvidenceLink
from roeh.custody.showing import find
from roeh.ledger.utc_spans import UtcSpan

#: Of one hold (core/custody.py).
_MAX_SPANS = 256


def place_by_alert(
    link: EvidenceLink, holdings: Holdings, alert_id: str, *, person: str, reason: str, clock: Clock
) -> HoldRow:
    """Keep what an alert locked, also when its lock has ended.

    Raises:
        EvidenceRefused: no such alert, or it never locked anything.
    """
    spans = tuple(lock.span for lock in find(link, holdings, alert_id).locks)
    if not spans:
        raise EvidenceRefused(
            what="this alert never locked any video",
            which=alert_id,
            remedy="give --from and --to instead",
        )
    return _place(link, spans, person=person, reason=reason, clock=clock)


def place_by_utc(
    link: EvidenceLink,
    holdings: Holdings,
    wanted: UtcSpan,
    camera_id: str | None,
    *,
    person: str,
    reason: str,
    clock: Clock,
) -> HoldRow:
    """Keep a stretch of UTC, of one camera or all.

    Raises:
        EvidenceRefused: nothing was recorded then, or there is no such camera.
    """
    cameras = sorted({segment.camera_id for segment in holdings.segments})
    if camera_id is not None and camera_id not in cameras:
        raise EvidenceRefused(
            what="no video of such a camera",
            which=camera_id,
            remedy=f"there is video of {', '.join(cameras) or 'none'}",
        )
    spans = spans_of(wanted, holdings.segments, camera_id)
    if not spans or len(spans) > _MAX_SPANS:
        raise EvidenceRefused(
            what="nothing is recorded then" if not spans else "that is in too many pieces",
            which=f"{utc_text(wanted.from_us)} to {utc_text(wanted.to_us)}",
            remedy="see roeh evidence list for what is there; hold it in smaller parts",
        )
    return _place(link, spans, person=person, reason=reason, clock=clock)


def release(link: EvidenceLink, hold_id: str, *, person: str, reason: str) -> HoldRow:
    """Ask for the end of a hold, or confirm what another person asked for.

    Raises:
        HoldRefused: no such hold, or the same person again.
    """
    request = ReleaseHold(hold_id=hold_id, person=person, reason=reason)
    return link.call(Verb.HOLD_RELEASE, request, HoldState).hold


def print_hold(hold: HoldRow, holdings: Holdings, *, as_json: bool, out: IO[str]) -> None:
    """What is held now, and what is still needed to let it go."""
    if as_json:
        print(msgspec.json.encode(hold).decode(), file=out)
        return
    print(f"hold {hold.hold_id}: {_STATES[hold.state]}", file=out)
    for span in hold.spans:
        when = span_utc(span, holdings.segments)
        if when is not None:
            print(f"  {span.camera_id}  {_when(when)}", file=out)


_STATES = {
    "active": "kept until two persons let it go",
    "release_asked": "kept until another person confirms its release",
    "released": "let go; the ring may delete it",
}


def _when(when: UtcSpan) -> str:
    text = f"{utc_text(when.from_us)} to {utc_text(when.to_us)}"
    if when.synchronised:
        return text
    return f"{text}; the clock was not synchronised, off by {length_text(when.error_us)} or more"


def _place(
    link: EvidenceLink, spans: tuple[Span, ...], *, person: str, reason: str, clock: Clock
) -> HoldRow:
    request = PlaceHold(hold_id=ClockIds(clock).new(), person=person, reason=reason, spans=spans)
    return link.call(Verb.HOLD_PLACE, request, HoldState).hold
