"""Whether the playable videos of a bundle show what its originals hold.

Nothing vouches for a join but this comparison: its pictures have to be those of the segments,
in their order, shown in the same rhythm, and none that was asked for may be left out. Who
swaps only what everybody looks at is found here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from roeh.bitstream.cut import MAX_LATE_GOPS
from roeh.bundle import layout
from roeh.core.clock import Clock
from roeh.core.gop import TICKS_PER_S
from roeh.core.retrieval import ExportRequest
from roeh.ledger.records import SegmentRecord
from roeh.verify.bundles.bag import Bag, FileHash
from roeh.verify.onvif import Tally
from roeh.verify.reading import FileFacts, GopFacts, Unreadable, read_file
from roeh.verify.report import Aspect, Finding, Weight

#: A camera's own rhythm, and pauses too short to be kept in a join.
_PAUSE_TOLERANCE_US = 1_600_000
#: Between the end of a GOP, as the pole has it, and the beginning of the next.
_RHYTHM_US = 600_000


class OriginalSegment(msgspec.Struct, frozen=True):
    """What a proven record says of the segment that GOPs are of.

    `offset_us`: from its boot's monotonic time to UTC. `is_as_recorded`: nothing of it differs.
    """

    number: int
    boot_id: str
    offset_us: int
    codec: str
    width_px: int
    height_px: int
    is_as_recorded: bool


class OriginalGop(msgspec.Struct, frozen=True):
    """A GOP of a segment: its pictures, and what a decoder was told before them.

    Its times are those of its record; None where nothing in the ledger speaks for it.
    """

    segment: int
    pictures_sha256: bytes
    config_sha256: bytes
    recorded: OriginalSegment | None = None
    from_mono_us: int = 0
    to_mono_us: int = 0

    @property
    def from_utc_us(self) -> int:
        """When it began."""
        return self.from_mono_us + (0 if self.recorded is None else self.recorded.offset_us)

    @property
    def to_utc_us(self) -> int:
        """When the next began, or its segment ended."""
        return self.to_mono_us + (0 if self.recorded is None else self.recorded.offset_us)

    def is_asked_for(self, request: ExportRequest) -> bool:
        """By its record, whatever the bundle says."""
        return (
            self.recorded is not None
            and self.from_utc_us < request.to_utc_us
            and request.from_utc_us < self.to_utc_us
        )


def original_gops(
    number: int, facts: FileFacts, record: SegmentRecord | None, is_as_recorded: bool
) -> list[OriginalGop]:
    """The GOPs of a segment that was read.

    Args:
        number: of the segment.
        facts: as it was found.
        record: its proven record.
        is_as_recorded: whether it is, byte for byte.
    """
    if record is None:
        return [OriginalGop(number, gop.pictures_sha256, facts.config_sha256) for gop in facts.gops]
    recorded = OriginalSegment(
        number=number,
        boot_id=record.boot_id,
        offset_us=record.t_utc_us - record.t_first_mono_us,
        codec=record.codec,
        width_px=record.width_px,
        height_px=record.height_px,
        is_as_recorded=is_as_recorded,
    )
    starts = [fragment.t_first_mono_us for fragment in record.fragments]
    starts += [record.t_end_mono_us] * (1 + max(0, len(facts.gops) - len(starts)))
    return [
        OriginalGop(
            number, gop.pictures_sha256, facts.config_sha256, recorded, starts[n], starts[n + 1]
        )
        for n, gop in enumerate(facts.gops)
    ]


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
    number_of_joins = sum(len(camera.joins) for camera in document.cameras)
    for camera in document.cameras:
        match = _CameraMatch(
            camera.camera_id,
            originals.get(camera.camera_id, CameraOriginals()),
            document.request,
        )
        for number, join in enumerate(camera.joins, 1):
            named.add(join.path)
            path = layout.video_file(camera.camera_id, number)
            wanted = (layout.ONLY_VIDEO if number_of_joins == 1 else path, camera.camera_id)
            if (join.path, join.camera_id) != wanted:
                detail = f"stands for {camera.camera_id}, whose it is not by its name"
                findings.append(_finding("video_differs", detail, join.path))
            findings += _credentials(bag, camera.camera_id, number, join, clock)
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
                if told := match.told_otherwise(facts, join):
                    detail = f"{layout.EXPORT} tells of {told}"
                    findings.append(_finding("video_differs", detail, join.path))
        findings += match.left_out(camera)
    for path in bag.contents:
        is_copy = path.startswith(layout.CREDENTIALS_DIRECTORY)
        copies = {join.credentials for camera in document.cameras for join in camera.joins}
        if (_is_video(path) and path not in named) or (is_copy and path not in copies):
            findings.append(_finding("video_untold", "no part of the bundle tells of it", path))
    return JoinResult(tuple(findings), videos, gops, tallies)


def _credentials(
    bag: Bag,
    camera_id: str,
    number: int,
    join: layout.JoinEntry,
    clock: Clock,
) -> list[Finding]:
    """The copy of a join with content credentials, which people will play too."""
    if not join.credentials:
        return []
    content = bag.contents.get(join.credentials)
    if content is None or join.credentials != layout.credentials_file(camera_id, number):
        return [_finding("video_missing", "is named and is not there", join.credentials)]
    facts, video = (
        read_file(each, (), clock, is_brief=True)
        for each in (content, bag.contents.get(join.path, content))
    )
    if (
        isinstance(facts, FileFacts)
        and isinstance(video, FileFacts)
        and facts.damage is None
        and facts.config_sha256 == video.config_sha256
        and _pictures(facts) == _pictures(video)
    ):
        detail = "its pictures are those of the playable video; what stands round them is not ours"
        return [_finding("credentials", detail, join.credentials, weight=Weight.NOTE)]
    detail = f"its pictures are not those of {join.path}"
    return [_finding("video_differs", detail, join.credentials)]


def _pictures(facts: FileFacts) -> list[tuple[bytes, int]]:
    return [(gop.pictures_sha256, gop.first_dts) for gop in facts.gops]


class _CameraMatch:
    """The joins of one camera, each brought to the stretch of originals that it was made of.

    A join is a run of originals without holes, but for what it tells it had to leave out: so
    a camera that sees nothing move, and sends the same pictures again, fools nobody.
    """

    def __init__(
        self,
        camera_id: str,
        originals: CameraOriginals,
        request: ExportRequest,
    ) -> None:
        self._camera_id = camera_id
        self._request = request
        self._gops = originals.gops
        self._is_partly_read = originals.is_partly_read
        self._is_wrong = False
        self._shown: set[int] = set()
        self._last_shown: list[OriginalGop] = []
        self._next = 0
        self._wanted = [index for index, gop in enumerate(self._gops) if gop.is_asked_for(request)]

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
        # What is as it was recorded can be read, so nothing excuses leaving it out.
        recorded = (self._gops[index].recorded for index in missing)
        is_damaged = all(each is None or not each.is_as_recorded for each in recorded)
        if len(missing) <= told and is_damaged:
            detail += ", as the bundle tells"
            return [_finding("video_shorter", detail, path, weight=Weight.NOTE)]
        return [_finding("video_shorter", detail, path)]

    def _differing(  # noqa: PLR0911  # one reason after the other
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
        before: tuple[GopFacts, OriginalGop] | None = None
        self._last_shown = shown = []
        for number, gop in enumerate(facts.gops, 1):
            while may_skip and index < len(self._gops) and not self._is(index, gop, facts):
                index, may_skip = index + 1, may_skip - 1
            if index >= len(self._gops) or not self._is(index, gop, facts):
                known = any(each.pictures_sha256 == gop.pictures_sha256 for each in self._gops)
                why = "is not the one that follows in the originals" if known else "is no original"
                return number, f"this GOP {why}"
            original = self._gops[index]
            if before is not None and not _keeps_pace(before, (gop, original)):
                return number, "the time from the GOP before it is not that of the recording"
            before = gop, original
            shown.append(original)
            self._shown.add(index)
            index += 1
            # What only brings a signature may be asked for in the next join.
            self._next = index if number <= asked else self._next
        late = [gop for gop in shown if not gop.is_asked_for(self._request)]
        if len(late) > MAX_LATE_GOPS or any(gop.recorded is None for gop in late):
            return None, f"{len(late)} GOPs in it were not asked for"
        if not facts.is_plain_join:
            return None, "what stands round its pictures is not what a join of them has there"
        return None, ""

    def told_otherwise(self, facts: FileFacts, join: layout.JoinEntry) -> str:
        """What EXPORT says otherwise of the join taken last, in words; empty: nothing."""
        shown = self._last_shown
        if (join.sha256, join.size_bytes) != (facts.sha256.hex(), facts.size_bytes):
            return "another file"
        if (join.gops, join.codec) != (len(facts.gops), facts.codec):
            return "another number of GOPs, or another format"
        return _times_differ(join, shown[: max(join.gops - join.late_gops, 0)], shown)

    def _is(self, index: int, gop: GopFacts, facts: FileFacts) -> bool:
        original = self._gops[index]
        return (original.pictures_sha256, original.config_sha256) == (
            gop.pictures_sha256,
            facts.config_sha256,
        )


def _keeps_pace(before: tuple[GopFacts, OriginalGop], after: tuple[GopFacts, OriginalGop]) -> bool:
    """Whether two GOPs are as far apart in a join as they were; over a reboot nobody can tell."""
    one, other = before[1], after[1]
    if one.recorded is None or other.recorded is None:
        return True
    if one.recorded.boot_id != other.recorded.boot_id:
        return after[0].first_dts > before[0].first_dts
    apart_us = (after[0].first_dts - before[0].first_dts) * 1_000_000 // TICKS_PER_S
    return abs(apart_us - (other.from_mono_us - one.from_mono_us)) <= _PAUSE_TOLERANCE_US


def _times_differ(
    join: layout.JoinEntry, asked: Sequence[OriginalGop], shown: Sequence[OriginalGop]
) -> str:
    """In words; empty where a join's times and size are those of its originals."""
    first = shown[0].recorded if shown else None
    if first is None or any(gop.recorded is None for gop in shown):
        return ""
    if (join.width_px, join.height_px) != (first.width_px, first.height_px):
        return "another size of its pictures"
    ends = (
        max(gop.to_utc_us for gop in shown),
        max((gop.to_utc_us for gop in asked), default=join.asked_to_utc_us),
    )
    told = join.to_utc_us, join.asked_to_utc_us
    is_apart = any(abs(one - other) > _RHYTHM_US for one, other in zip(told, ends, strict=True))
    if join.from_utc_us != shown[0].from_utc_us or is_apart:
        return "another time than that of its originals"
    return ""


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
