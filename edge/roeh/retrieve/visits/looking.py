"""What people look at: the timeline, pictures and short previews, holds. Judged first, always."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from roeh.bundle.rendering import Renderer
from roeh.core.config import NodeConfig
from roeh.core.custody import (
    LONGEST_SEGMENT_US,
    GapsPage,
    HoldRow,
    HoldsPage,
    HoldState,
    PageRequest,
    RecordsPage,
    RecordsRequest,
    SegmentRow,
    SegmentsPage,
    SegmentsRequest,
)
from roeh.core.errors import RenderFailed
from roeh.core.moments import utc_text
from roeh.core.paths import segments_dir
from roeh.core.peers import Verb
from roeh.core.rendering import (
    DEWARPED_WORDS,
    MAX_PREVIEW_US,
    Dewarp,
    FragmentInput,
    Masks,
    PreviewOrder,
    SegmentInput,
    StillOrder,
    dewarp_of,
    looks_to_deg,
)
from roeh.core.retrieval import (
    Action,
    Thumbnail,
    ThumbnailRequest,
    VisitorHold,
    VisitorRelease,
)
from roeh.core.views import ViewChoice
from roeh.ledger.records import Record, SegmentRecord
from roeh.retrieve.api.answers import Hold, Holds, Timeline
from roeh.retrieve.api.questions import MAX_TIMELINE_US, HoldBody, ViewQuestion
from roeh.retrieve.door.problems import HttpProblem, malformed, not_there
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.visits.judging import Judge
from roeh.retrieve.visits.laying import Layout, alert_marks
from roeh.retrieve.visits.ledger_reading import first_leaf_at, records_between
from roeh.retrieve.visits.visit import Visit

#: Of one answer.
_MAX_ALERTS = 1000
_MAX_GAP_PAGES = 10
_MAX_HOLD_PAGES = 10
_MAX_PREVIEW_BYTES = 16 * 1024 * 1024
#: That are made or sent: each is in memory.
_MAX_PREVIEWS = 4
#: Who may wait for a picture while another one is made, and how long.
_MAX_WAITING = 8
_PATIENCE_S = 20.0
_BUSY_S = 5


#: The camera's own picture.
AS_RECORDED = ViewQuestion()


class PictureSize(msgspec.Struct, frozen=True):
    """Of recorded video."""

    width_px: int
    height_px: int


class Looking:
    """Looks at what is held for people who may."""

    def __init__(
        self, config: NodeConfig, link: EvidenceLink, judge: Judge, renderer: Renderer
    ) -> None:
        self._config = config
        self._link = link
        self._judge = judge
        self._renderer = renderer
        self._rendering = asyncio.Lock()
        self._waiting = 0
        self._previews = asyncio.Semaphore(_MAX_PREVIEWS)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Of the configuration, by name."""
        return tuple(sensor.name for sensor in self._config.sensors)

    def is_fisheye(self, camera_id: str) -> bool:
        """Whether its picture has to be bent for people to read it."""
        return any(
            sensor.name == camera_id and sensor.lens.is_fisheye for sensor in self._config.sensors
        )

    async def timeline(
        self, visit: Visit, from_utc_us: int, to_utc_us: int, camera_id: str | None = None
    ) -> Timeline:
        """What is held of a stretch of UTC, a day at the most.

        Raises:
            HttpProblem: no stretch, or too long a one.
            RoehError: refused, or evidence cannot answer.
        """
        _check_span(from_utc_us, to_utc_us, MAX_TIMELINE_US)
        cameras = self.cameras if camera_id is None else (camera_id,)
        await self._judge.judge(
            visit,
            Action.SEE_TIMELINE,
            _of(camera_id or "all cameras", from_utc_us, to_utc_us),
            cameras=cameras[:16],
            from_utc_us=from_utc_us,
            to_utc_us=to_utc_us,
        )
        layout = Layout(from_utc_us, to_utc_us, camera_id)
        async for page in self._segments(from_utc_us, to_utc_us):
            layout.add_segments(page)
        leaf = await first_leaf_at(self._link, from_utc_us)
        has_all_gaps = await self._add_gaps(layout, leaf, to_utc_us)
        async for hold in self._all_holds():
            layout.add_hold(hold)
        kept = await records_between(
            self._link,
            ("alert", "lock"),
            from_utc_us,
            to_utc_us,
            first=leaf,
            at_most=_MAX_ALERTS,
        )
        marks = alert_marks(kept.records)
        return Timeline(
            from_utc_us=from_utc_us,
            to_utc_us=to_utc_us,
            lanes=layout.lanes(),
            alerts=tuple(m for m in marks if camera_id is None or camera_id in m.cameras),
            is_complete=kept.is_complete and has_all_gaps,
        )

    async def thumbnail(self, visit: Visit, alert_id: str) -> bytes:
        """The picture of an alert, JPEG or WebP.

        Raises:
            HttpProblem: there is none.
            RoehError: refused, or evidence cannot answer.
        """
        await self._judge.judge(visit, Action.SEE_THUMBNAIL, f"alert {alert_id}")
        thumbnail = await self._link.ask(Verb.THUMBNAIL_READ, ThumbnailRequest(alert_id), Thumbnail)
        if not thumbnail.picture:
            raise not_there("a picture of this alert")
        return thumbnail.picture

    async def still(
        self,
        visit: Visit,
        camera_id: str,
        at_utc_us: int,
        view: ViewQuestion = AS_RECORDED,
    ) -> bytes:
        """One picture of a camera, JPEG.

        Raises:
            HttpProblem: nothing is recorded there, or another picture is being made.
            RoehError: refused, or it cannot be made.
        """
        await self._judge.judge(
            visit,
            Action.SEE_PREVIEW,
            f"a picture of {camera_id} at {utc_text(at_utc_us)}{_as_view(view)}",
            cameras=(camera_id,),
            from_utc_us=at_utc_us,
            to_utc_us=at_utc_us + 1,
        )
        async with self._turn():
            rows = await self._recorded(camera_id, at_utc_us, at_utc_us + 1)
            with self._opened(rows) as descriptors:
                order = StillOrder(
                    segments=tuple(_input(row) for row in rows),
                    at_utc_us=at_utc_us,
                    masks=self._masks(camera_id),
                    view=self._dewarp(camera_id, view),
                )
                rendered = await asyncio.to_thread(self._renderer.still, order, descriptors)
        return rendered.content

    @contextlib.asynccontextmanager
    async def preview(
        self,
        visit: Visit,
        camera_id: str,
        span_utc_us: tuple[int, int],
        view: ViewQuestion = AS_RECORDED,
    ) -> AsyncIterator[bytes]:
        """A minute of video at the most, MP4; a few are kept at a time until they are let go.

        Raises:
            HttpProblem: as `still`, or too long a stretch.
            RoehError: refused, or it cannot be made.
        """
        from_utc_us, to_utc_us = span_utc_us
        _check_span(from_utc_us, to_utc_us, MAX_PREVIEW_US)
        await self._judge.judge(
            visit,
            Action.SEE_PREVIEW,
            f"{_of(camera_id, from_utc_us, to_utc_us)}{_as_view(view)}",
            cameras=(camera_id,),
            from_utc_us=from_utc_us,
            to_utc_us=to_utc_us,
        )
        async with contextlib.AsyncExitStack() as kept:
            async with self._turn():
                if self._previews.locked():
                    raise _busy()
                await kept.enter_async_context(self._previews)
                rows = await self._recorded(camera_id, from_utc_us, to_utc_us)
                with self._opened(rows) as descriptors:
                    order = PreviewOrder(
                        segments=tuple(_input(row) for row in rows),
                        from_utc_us=from_utc_us,
                        to_utc_us=to_utc_us,
                        masks=self._masks(camera_id),
                        view=self._dewarp(camera_id, view),
                    )
                    video = await asyncio.to_thread(self._preview, order, descriptors)
            # Whoever takes it slowly keeps memory, but nobody's turn.
            yield video

    async def recorded_size(self, camera_id: str, at_utc_us: int) -> PictureSize | None:
        """How large the pictures of a camera are that were recorded then.

        None: nothing is recorded, or its segment is still written and not in the ledger yet.

        Raises:
            RoehError: evidence cannot answer.
        """
        try:
            rows = await self._recorded(camera_id, at_utc_us, at_utc_us + 1)
        except HttpProblem:
            return None
        leaf = rows[0].leaf
        if leaf is None:
            return None
        asked = RecordsRequest(after=leaf - 1, limit=1)
        page = await self._link.ask(Verb.RECORDS_PAGE, asked, RecordsPage)
        body = msgspec.json.decode(page.records[0], type=Record).body
        assert isinstance(body, SegmentRecord), "the index names the segment's own record"
        return PictureSize(body.width_px, body.height_px)

    async def holds(self, visit: Visit, after: int) -> Holds:
        """A page of holds.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        await self._judge.judge(visit, Action.SEE_TIMELINE, "holds")
        page = await self._link.ask(Verb.HOLDS_PAGE, PageRequest(after=after), HoldsPage)
        last = page.holds[-1].row if page.holds else None
        return Holds(holds=tuple(_hold(row) for row in page.holds), after=last)

    async def hold(self, visit: Visit, body: HoldBody) -> Hold:
        """Keep a stretch; judged and put on record by evidence.

        Raises:
            RoehError: refused, or nothing is recorded there.
        """
        _check_span(body.from_utc_us, body.to_utc_us, None)
        wanted = VisitorHold(
            visitor=visit.visitor,
            hold_id=body.hold_id,
            cameras=body.cameras,
            from_utc_us=body.from_utc_us,
            to_utc_us=body.to_utc_us,
            reason=body.reason,
        )
        return _hold((await self._link.ask(Verb.VISITOR_HOLD, wanted, HoldState)).hold)

    async def release(self, visit: Visit, hold_id: str, reason: str) -> Hold:
        """Ask for the end of a hold, or confirm what another person asked for.

        Raises:
            RoehError: refused, or there is no such hold.
        """
        release = VisitorRelease(visit.visitor, hold_id, reason)
        return _hold((await self._link.ask(Verb.VISITOR_RELEASE, release, HoldState)).hold)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One picture is made at a time; a few wait for theirs, and not for long."""
        if self._waiting >= _MAX_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            await asyncio.wait_for(self._rendering.acquire(), _PATIENCE_S)
        except asyncio.TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._rendering.release()

    def _preview(self, order: PreviewOrder, descriptors: list[int]) -> bytes:
        video = bytearray()
        with contextlib.closing(self._renderer.preview(order, descriptors)) as pieces:
            for piece in pieces:
                video += piece
                if len(video) > _MAX_PREVIEW_BYTES:
                    raise RenderFailed(
                        what="the preview became too large",
                        which=f"more than {_MAX_PREVIEW_BYTES} bytes",
                        remedy="ask for a shorter stretch",
                    )
        return bytes(video)

    async def _recorded(self, camera_id: str, from_utc_us: int, to_utc_us: int) -> list[SegmentRow]:
        """Segments of a camera in a stretch of UTC that are there."""
        rows = [
            row
            async for page in self._segments(from_utc_us, to_utc_us, with_deleted=False)
            for row in page
            if row.camera_id == camera_id
            and row.fragments
            and row.t_utc_us < to_utc_us
            and from_utc_us < row.t_utc_us + row.t_end_mono_us - row.t_first_mono_us
        ]
        if not rows:
            raise not_there("video of this camera at this time")
        return sorted(rows, key=lambda row: row.t_utc_us)

    @contextlib.contextmanager
    def _opened(self, rows: list[SegmentRow]) -> Iterator[list[int]]:
        """Descriptors of the segments' files, read only; the child gets them and no names."""
        with contextlib.ExitStack() as closing:
            descriptors = []
            for row in rows:
                path = segments_dir(self._config) / Path(row.path)
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                except OSError as error:
                    # Deleted by rule meanwhile.
                    raise not_there("video of this camera at this time any more") from error
                closing.callback(os.close, descriptor)
                descriptors.append(descriptor)
            yield descriptors

    def _masks(self, camera_id: str) -> Masks | None:
        sensor = next((one for one in self._config.sensors if one.name == camera_id), None)
        if sensor is None or not sensor.masks:
            return None
        return Masks(
            width_px=sensor.lens.width_px,
            height_px=sensor.lens.height_px,
            polygons_px=tuple(mask.polygon_px for mask in sensor.masks),
        )

    def _dewarp(self, camera_id: str, view: ViewQuestion) -> Dewarp | None:
        sensor = next((one for one in self._config.sensors if one.name == camera_id), None)
        if sensor is None or view.layout == "picture":
            return None
        heading_deg = self._config.node.heading_deg
        bearing_deg = view.bearing_deg
        choice = ViewChoice(
            layout=view.layout,
            bearing_deg=looks_to_deg(sensor, heading_deg) if bearing_deg is None else bearing_deg,
            elevation_deg=-view.below_horizon_deg,
            fov_deg=view.fov_deg,
        )
        return dewarp_of(sensor, heading_deg, choice, DEWARPED_WORDS)

    async def _segments(
        self, from_utc_us: int, to_utc_us: int, *, with_deleted: bool = True
    ) -> AsyncIterator[tuple[SegmentRow, ...]]:
        """Segments that may lie in a stretch of UTC, page by page; deleted ones first."""
        for which in ("deleted", "present") if with_deleted else ("present",):
            request = SegmentsRequest(
                which="deleted" if which == "deleted" else "present",
                since_utc_us=from_utc_us - LONGEST_SEGMENT_US,
                until_utc_us=to_utc_us,
            )
            while True:
                page = await self._link.ask(Verb.SEGMENTS_PAGE, request, SegmentsPage)
                if not page.segments:
                    break
                yield page.segments
                request = msgspec.structs.replace(request, after=page.segments[-1].row)

    async def _add_gaps(self, layout: Layout, leaf: int, to_utc_us: int) -> bool:
        """Gaps that ended from a leaf on; whether that were all that matter."""
        after = leaf - 1
        for _ in range(_MAX_GAP_PAGES):
            page = await self._link.ask(Verb.GAPS_PAGE, PageRequest(after=after), GapsPage)
            if not page.gaps:
                return True
            for row in page.gaps:
                layout.add_gap(row)
            after = page.gaps[-1].row
        return page.gaps[-1].from_utc_us > to_utc_us

    async def _all_holds(self) -> AsyncIterator[HoldRow]:
        after = -1
        for _ in range(_MAX_HOLD_PAGES):
            page = await self._link.ask(Verb.HOLDS_PAGE, PageRequest(after=after), HoldsPage)
            if not page.holds:
                return
            for row in page.holds:
                yield row
            after = page.holds[-1].row


def _as_view(view: ViewQuestion) -> str:
    """What a record of it says besides."""
    if view.layout == "picture":
        return ""
    return f", as {view.layout.replace('_', ' ')}"


def _busy() -> HttpProblem:
    return HttpProblem(
        503,
        code="RENDER_FAILED",
        what="too many pictures and previews are asked for",
        which="this pole makes one at a time",
        remedy=f"ask again in {_BUSY_S} s",
        headers=(("Retry-After", str(_BUSY_S)),),
    )


def _check_span(from_utc_us: int, to_utc_us: int, longest_us: int | None) -> None:
    if from_utc_us >= to_utc_us:
        raise malformed("ends before it begins", "from_utc_us and to_utc_us")
    if longest_us is not None and to_utc_us - from_utc_us > longest_us:
        raise malformed(f"is longer than {longest_us // 1_000_000} s", "from_utc_us and to_utc_us")


def _of(camera: str, from_utc_us: int, to_utc_us: int) -> str:
    return f"{camera} {utc_text(from_utc_us)} to {utc_text(to_utc_us)}"


def _input(row: SegmentRow) -> SegmentInput:
    offset_us = row.t_utc_us - row.t_first_mono_us
    return SegmentInput(
        tuple(
            FragmentInput(
                offset_bytes=fragment.offset_bytes,
                size_bytes=fragment.size_bytes,
                t_first_utc_us=fragment.t_first_mono_us + offset_us,
                t_end_utc_us=fragment.t_end_mono_us + offset_us,
            )
            for fragment in row.fragments
        )
    )


def _hold(row: HoldRow) -> Hold:
    return Hold(
        row=row.row,
        hold_id=row.hold_id,
        person=row.person,
        reason=row.reason,
        spans=row.spans,
        t_utc_us=row.t_utc_us,
        state=row.state,
        release_asked_by=row.release_asked_by,
    )
