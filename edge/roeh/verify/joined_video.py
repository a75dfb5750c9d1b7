"""Whether the playable videos of a bundle show what its originals hold.

Nothing vouches for a join but this comparison: its pictures have to be those of the segments,
in their order, shown in the same rhythm, and none that was asked for may be left out. Who
swaps only what everybody looks at is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from roeh.bundle import layout
from roeh.core.clock import Clock
from roeh.verify.bag import Bag, FileHash
from roeh.verify.onvif import Tally
from roeh.verify.reading import FileFacts, Unreadable, read_file
from roeh.verify.report import Aspect, Finding, Weight


class OriginalGop(msgspec.Struct, frozen=True):
    """A GOP of a segment: its pictures, and what a decoder was told before them."""

    segment: int
    pictures_sha256: bytes
    config_sha256: bytes


class JoinResult(msgspec.Struct, frozen=True):
    """What came of the comparison.

    `gops` of `videos` are those of the originals; `tallies` count as the ONVIF reference does.
    """

    findings: tuple[Finding, ...]
    videos: int = 0
    gops: int = 0
    tallies: dict[str, Tally] = {}


def check_joins(
    bag: Bag,
    document: layout.ExportDocument,
    originals: Mapping[str, Sequence[OriginalGop]],
    clock: Clock,
    hashes: dict[str, FileHash],
) -> JoinResult:
    """Every playable video against the segments of its camera.

    Args:
        bag: the bundle.
        document: which videos it names.
        originals: GOPs of each camera's segments, in order.
        clock: for the time that reading may take.
        hashes: gets that of each video that was read.
    """
    findings: list[Finding] = []
    videos = gops = 0
    named: set[str] = set()
    tallies: dict[str, Tally] = {}
    asked = asked_for(bag)
    for camera in document.cameras:
        shown: list[bytes] = []
        for join in camera.joins:
            named.add(join.path)
            content = bag.contents.get(join.path)
            if content is None:
                findings.append(_finding("video_missing", "is named and is not there", join.path))
                continue
            facts = read_file(content, (), clock, is_brief=True)
            wrong = _wrong_join(facts, originals.get(camera.camera_id, ()))
            if isinstance(facts, FileFacts):
                hashes[join.path] = FileHash(facts.sha256.hex(), facts.size_bytes)
                if facts.tally is not None:
                    tallies[join.path] = facts.tally
                shown += [gop.pictures_sha256 for gop in facts.gops]
            if wrong is not None:
                findings.append(_finding("video_differs", wrong[1], join.path, wrong[0]))
            elif isinstance(facts, FileFacts):
                videos += 1
                gops += len(facts.gops)
        findings += _left_out(camera, asked, originals.get(camera.camera_id, ()), shown)
    for path in bag.contents:
        if _is_video(path) and path not in named:
            findings.append(_finding("video_untold", "no part of the bundle tells of it", path))
    return JoinResult(tuple(findings), videos, gops, tallies)


def asked_for(bag: Bag) -> dict[tuple[str, int], tuple[bool, ...]]:
    """Which GOPs of each segment were asked for, by the bundle's own word."""
    found: dict[tuple[str, int], tuple[bool, ...]] = {}
    for entry in segment_entries(bag):
        found[entry.camera_id, entry.segment] = tuple(gop.is_asked_for for gop in entry.gops)
    return found


def segment_entries(bag: Bag) -> Iterator[layout.SegmentEntry]:
    """The lines of SEGMENT_LINES that can be read."""
    for line, _ in bag.lines(layout.SEGMENT_LINES):
        try:
            yield msgspec.json.decode(line, type=layout.SegmentEntry)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _wrong_join(
    facts: FileFacts | Unreadable, originals: Sequence[OriginalGop]
) -> tuple[int | None, str] | None:
    """The first GOP (from 1) that is not the originals', and why; None: all are."""
    if isinstance(facts, Unreadable):
        return None, f"cannot be read: {facts.why}"
    if facts.damage is not None:
        return len(facts.gops) + 1, f"cannot be read to its end: {facts.damage}"
    configs = {each.config_sha256 for each in originals}
    if facts.config_sha256 not in configs:
        return None, "its decoder is told something else than that of any original"
    at = 0
    for number, gop in enumerate(facts.gops, 1):
        before = at
        while at < len(originals) and originals[at].pictures_sha256 != gop.pictures_sha256:
            at += 1
        if at == len(originals) or originals[at].config_sha256 != facts.config_sha256:
            known = any(each.pictures_sha256 == gop.pictures_sha256 for each in originals[:before])
            why = "stands in another order than in the originals" if known else "is in no original"
            return number, f"this GOP {why}"
        at += 1
    return None


def _left_out(
    camera: layout.CameraEntry,
    asked: Mapping[tuple[str, int], tuple[bool, ...]],
    originals: Sequence[OriginalGop],
    shown: Sequence[bytes],
) -> list[Finding]:
    """GOPs that were asked for, are in the originals, and are in no video of the camera."""
    wanted: list[OriginalGop] = []
    place: dict[int, int] = {}
    for gop in originals:
        number = place.get(gop.segment, 0)
        place[gop.segment] = number + 1
        flags = asked.get((camera.camera_id, gop.segment), ())
        if number < len(flags) and flags[number]:
            wanted.append(gop)
    at = 0
    missing = 0
    first: OriginalGop | None = None
    for gop in wanted:
        ahead = at
        while ahead < len(shown) and shown[ahead] != gop.pictures_sha256:
            ahead += 1
        if ahead == len(shown):
            missing += 1
            first = first or gop
        else:
            at = ahead + 1
    told = sum(join.gops_left_out for join in camera.joins)
    if first is None:
        return []
    path = layout.segment_file(camera.camera_id, first.segment)
    detail = f"{missing} of {len(wanted)} GOPs that were asked for are in no playable video"
    if missing <= told:
        return [_finding("video_shorter", f"{detail}, as the bundle tells", path, is_note=True)]
    return [_finding("video_shorter", detail, path)]


def _is_video(path: str) -> bool:
    return path == layout.ONLY_VIDEO or path.startswith(layout.VIDEO_DIRECTORY)


def _finding(
    what: str, detail: str, path: str, gop: int | None = None, *, is_note: bool = False
) -> Finding:
    return Finding(
        aspect=Aspect.BYTES,
        weight=Weight.NOTE if is_note else Weight.FAIL,
        what=what,
        detail=detail,
        path=path,
        gop=gop,
    )
