"""Whether the playable videos of a bundle show what its originals hold.

Nothing vouches for a join but this comparison: its pictures have to be those of the segments,
in their order, shown in the same rhythm, and none that was asked for may be left out. Who
swaps only what everybody looks at is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from roeh.bundle import layout
from roeh.core.clock import Clock
from roeh.verify.bag import Bag, FileHash
from roeh.verify.onvif import Tally
from roeh.verify.reading import FileFacts, GopFacts, Unreadable, read_file
from roeh.verify.report import Aspect, Finding, Weight


class OriginalGop(msgspec.Struct, frozen=True):
    """A GOP of a segment: its pictures, and what a decoder was told before them."""

    segment: int
    pictures_sha256: bytes
    config_sha256: bytes


@dataclass(slots=True)
class CameraOriginals:
    """A camera's GOPs in order; `is_partly_read`: some stand behind damage in their segment."""

    gops: list[OriginalGop] = field(default_factory=list)
    is_partly_read: bool = False


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
    originals: Mapping[str, CameraOriginals],
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
        match = _CameraMatch(
            camera.camera_id, originals.get(camera.camera_id, CameraOriginals()), asked
        )
        for join in camera.joins:
            named.add(join.path)
            content = bag.contents.get(join.path)
            if content is None:
                findings.append(_finding("video_missing", "is named and is not there", join.path))
                continue
            facts = read_file(content, (), clock, is_brief=True)
            if isinstance(facts, FileFacts):
                hashes[join.path] = FileHash(facts.sha256.hex(), facts.size_bytes)
                if facts.tally is not None:
                    tallies[join.path] = facts.tally
            wrong = match.take(facts, join)
            if wrong is not None:
                findings.append(wrong)
            elif isinstance(facts, FileFacts):
                videos += 1
                gops += len(facts.gops)
        findings += match.left_out(camera)
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


class _CameraMatch:
    """The joins of one camera, each brought to the stretch of originals that it was made of.

    A join is a run of originals without holes, but for what it tells it had to leave out: so
    a camera that sees nothing move, and sends the same pictures again, fools nobody.
    """

    def __init__(
        self,
        camera_id: str,
        originals: CameraOriginals,
        asked: Mapping[tuple[str, int], tuple[bool, ...]],
    ) -> None:
        self._camera_id = camera_id
        self._gops = originals.gops
        self._is_partly_read = originals.is_partly_read
        self._is_wrong = False
        self._wanted: list[int] = []
        self._shown: set[int] = set()
        self._next = 0
        places: dict[int, int] = {}
        for index, gop in enumerate(self._gops):
            place = places.get(gop.segment, 0)
            places[gop.segment] = place + 1
            if asked.get((camera_id, gop.segment), ())[place : place + 1] == (True,):
                self._wanted.append(index)

    def take(self, facts: FileFacts | Unreadable, join: layout.JoinEntry) -> Finding | None:
        """What is wrong with the next join; None when it is what it should be."""
        gop, why = self._differing(facts, join)
        if not why:
            return None
        self._is_wrong = True
        if self._is_partly_read:
            why += "; of a damaged segment not all GOPs could be read, so that it may be of those"
        weight = Weight.NOT_CHECKED if self._is_partly_read else Weight.FAIL
        return _finding("video_differs", why, join.path, gop, weight=weight)

    def left_out(self, camera: layout.CameraEntry) -> list[Finding]:
        """GOPs that were asked for, are in the originals, and are in no join."""
        missing = [index for index in self._wanted if index not in self._shown]
        if not missing or self._is_wrong:
            return []
        path = layout.segment_file(self._camera_id, self._gops[missing[0]].segment)
        detail = f"{len(missing)} of {len(self._wanted)} GOPs asked for are in no playable video"
        told = sum(join.gops_left_out for join in camera.joins)
        if len(missing) <= told:
            detail += ", as the bundle tells"
            return [_finding("video_shorter", detail, path, weight=Weight.NOTE)]
        return [_finding("video_shorter", detail, path)]

    def _differing(
        self, facts: FileFacts | Unreadable, join: layout.JoinEntry
    ) -> tuple[int | None, str]:
        """The first GOP (from 1) that is not the original's, and why; an empty why: none."""
        if isinstance(facts, Unreadable):
            return None, f"cannot be read: {facts.why}"
        if facts.damage is not None:
            return len(facts.gops) + 1, f"cannot be read to its end: {facts.damage}"
        if facts.config_sha256 not in {each.config_sha256 for each in self._gops}:
            return None, "its decoder is told something else than that of any original"
        may_skip = join.gops_left_out
        index = next((each for each in self._wanted if each >= self._next), len(self._gops))
        asked = len(facts.gops) - join.late_gops
        for number, gop in enumerate(facts.gops, 1):
            while may_skip and index < len(self._gops) and not self._is(index, gop, facts):
                index, may_skip = index + 1, may_skip - 1
            if index >= len(self._gops) or not self._is(index, gop, facts):
                known = any(each.pictures_sha256 == gop.pictures_sha256 for each in self._gops)
                why = "is not the one that follows in the originals" if known else "is no original"
                return number, f"this GOP {why}"
            self._shown.add(index)
            index += 1
            # What only brings a signature may be asked for in the next join.
            self._next = index if number <= asked else self._next
        return None, ""

    def _is(self, index: int, gop: GopFacts, facts: FileFacts) -> bool:
        original = self._gops[index]
        return (original.pictures_sha256, original.config_sha256) == (
            gop.pictures_sha256,
            facts.config_sha256,
        )


def _is_video(path: str) -> bool:
    return path == layout.ONLY_VIDEO or path.startswith(layout.VIDEO_DIRECTORY)


def _finding(
    what: str,
    detail: str,
    path: str,
    gop: int | None = None,
    *,
    weight: Weight = Weight.FAIL,
) -> Finding:
    return Finding(
        aspect=Aspect.BYTES,
        weight=weight,
        what=what,
        detail=detail,
        path=path,
        gop=gop,
    )
