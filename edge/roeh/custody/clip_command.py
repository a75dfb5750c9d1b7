"""The command line of `roeh evidence clip`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from roeh.bundle.choosing import segment_utc
from roeh.core.clock import Clock
from roeh.core.config import load_config
from roeh.core.errors import EvidenceRefused
from roeh.core.moments import utc_argument
from roeh.custody.clip import ClipOrder, make_clip
from roeh.custody.clip_choice import Asked, ask_alert, ask_segments, ask_utc, only_camera
from roeh.custody.clip_times import span_text
from roeh.custody.holdings import Holdings, read_holdings, read_segment, with_deleted
from roeh.custody.link import EvidenceLink
from roeh.custody.showing import find
from roeh.ledger.utc_spans import UtcSpan

TEXT = "A playable file of a span, its signatures intact. Is itself recorded."


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is to be in it, where it goes, and who takes it."""
    parser.add_argument("--camera", metavar="NAME", help="may be left out where there is one")
    parser.add_argument("--from", dest="from_us", type=utc_argument, metavar="UTC", help="a time")
    parser.add_argument("--to", dest="to_us", type=utc_argument, metavar="UTC", help="its end")
    parser.add_argument("--alert", metavar="ALERT_ID", help="or what this alert is about")
    parser.add_argument(
        "--segment",
        type=_segment_number,
        action="append",
        default=[],
        metavar="N",
        help="or a segment; given twice: from the one to the other",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.mp4", help="none is overwritten"
    )
    parser.add_argument("--person", required=True, metavar="NAME", help="who takes it")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; the case's number")
    parser.add_argument("--json", action="store_true", help="one JSON line each")


def run_clip(chosen: argparse.Namespace, link: EvidenceLink, clock: Clock) -> int:
    """Cut it; the exit status: that of ChecksFailed when something stored was damaged.

    Raises:
        RoehError: there is no clip.
    """
    holdings = read_holdings(link)
    asked = _asked(chosen, link, holdings)
    when = _time_of(link, asked)
    return make_clip(
        link,
        load_config(chosen.config),
        asked,
        holdings if when is None else with_deleted(link, holdings, when),
        ClipOrder(final=chosen.out, person=chosen.person, reason=chosen.reason),
        clock=clock,
        as_json=chosen.json,
        out=sys.stdout,
    )


def _time_of(link: EvidenceLink, asked: Asked) -> UtcSpan | None:
    """When the video asked for was taken; None when nothing tells."""
    if asked.numbers is None:
        return asked.utc
    known = [read_segment(link, asked.camera_id, number) for number in asked.numbers]
    times = [segment_utc(segment) for segment in known if segment is not None]
    if not times:
        return None
    return UtcSpan(min(when.from_us for when in times), max(when.to_us for when in times))


def _segment_number(text: str) -> int:
    """As files are named: eight digits at the most."""
    if not text.isascii() or not text.isdecimal() or len(text) > 8:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a segment")
    return int(text)


def _asked(chosen: argparse.Namespace, link: EvidenceLink, holdings: Holdings) -> Asked:
    by_time = chosen.from_us is not None and chosen.to_us is not None
    has_time = chosen.from_us is not None or chosen.to_us is not None
    ways = (by_time, chosen.alert is not None, 0 < len(chosen.segment) <= 2)
    if sum(ways) != 1 or has_time != by_time or len(chosen.segment) > 2:
        raise EvidenceRefused(
            what="not clear what is to be in the clip",
            which="roeh evidence clip",
            remedy="give --from and --to, or --alert, or --segment once or twice",
        )
    if by_time and chosen.to_us <= chosen.from_us:
        raise EvidenceRefused(
            what="the end is not after the start",
            which=span_text(UtcSpan(chosen.from_us, chosen.to_us)),
            remedy="give --from and --to the other way round",
        )
    if chosen.alert is not None:
        locks = find(link, holdings, chosen.alert).locks
        return ask_alert(chosen.alert, locks, holdings, chosen.camera)
    camera_id = chosen.camera or only_camera(holdings)
    if by_time:
        return ask_utc(camera_id, UtcSpan(chosen.from_us, chosen.to_us))
    return ask_segments(camera_id, chosen.segment)
