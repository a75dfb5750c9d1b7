"""From the service's answers to what the templates show. Pure."""

from __future__ import annotations

import shlex
import urllib.parse
from collections.abc import Iterable

import msgspec
from markupsafe import Markup

from roeh.core.retrieval import Action
from roeh.ledger.records import Record
from roeh.retrieve.api.answers import Custody, Export, NodeAnswer, Timeline
from roeh.retrieve.api.routes import API
from roeh.retrieve.pages.custody_view import Step, step_of
from roeh.retrieve.pages.timeline_view import Stretch
from roeh.retrieve.pages.views import COMPASS, Banner, DetailView, OverviewView
from roeh.retrieve.pages.wording import Words

_KIB = 1024
#: States in which an export goes on by itself.
_MOVING = ("approved", "building")


def banners_of(node: NodeAnswer) -> tuple[Banner, ...]:
    """What a visitor should know before anything else."""
    found: list[Banner] = []
    if not node.trust.version:
        found.append(Banner("no_list", "bad"))
    elif node.trust.is_stale:
        found.append(Banner("stale", "warning"))
    if not node.clock.synchronised:
        found.append(Banner("clock", "warning"))
    found += [Banner("alarms", "bad", {"what": line}) for line in node.alarms]
    return tuple(found)


def overview_of(
    node: NodeAnswer, exports: Iterable[Export], older_before: int | None
) -> OverviewView:
    """The first page."""
    return OverviewView(
        condition=node.condition,
        troubled=tuple(one for one in node.processes if one.condition != "ok"),
        exports_waiting=node.exports_waiting,
        exports=tuple(exports),
        older_before=older_before,
    )


def stretches_of(timeline: Timeline) -> list[Stretch]:
    """Everything in a timeline, one after the other."""
    found: list[Stretch] = []
    for lane in timeline.lanes:
        for bar in lane.bars:
            recorded = Stretch(
                kind="deleted" if bar.keep == "deleted" else "recorded",
                camera_id=lane.camera_id,
                from_utc_us=bar.from_utc_us,
                to_utc_us=bar.to_utc_us,
                error_us=bar.error_us,
                synchronised=bar.synchronised,
                is_written=bar.is_written,
            )
            found.append(recorded)
            if bar.keep == "locked":
                found.append(msgspec.structs.replace(recorded, kind="locked", is_written=False))
        found += [
            Stretch(
                kind="gap",
                camera_id=lane.camera_id,
                from_utc_us=gap.from_utc_us,
                to_utc_us=gap.to_utc_us,
                detail=gap.reason,
            )
            for gap in lane.gaps
        ]
        found += [
            Stretch(
                kind="held",
                camera_id=lane.camera_id,
                from_utc_us=hold.from_utc_us,
                to_utc_us=hold.to_utc_us,
                id=hold.hold_id,
            )
            for hold in lane.holds
        ]
    for alert in timeline.alerts:
        found += [
            Stretch(
                kind="alert",
                camera_id=camera_id,
                from_utc_us=alert.t_utc_us,
                to_utc_us=alert.t_utc_us,
                detail=alert.rule,
                id=alert.alert_id if alert.has_thumbnail else "",
                priority=alert.priority,
            )
            for camera_id in alert.cameras
        ]
    return found


def first_recorded(timeline: Timeline) -> dict[str, int]:
    """When the first picture of a span was taken that is still there, by camera."""
    return {
        lane.camera_id: max(timeline.from_utc_us, min(bar.from_utc_us for bar in present))
        for lane in timeline.lanes
        if (present := [bar for bar in lane.bars if bar.keep != "deleted"])
    }


def detail_of(
    export: Export,
    custody: Custody | None,
    words: Words,
    *,
    node: NodeAnswer,
    host: str,
    is_trust_stale: bool,
) -> DetailView:
    """One export, for this visitor."""
    pole = f"{node.site}/{node.node}"
    fetch = ("roeh", "police", "fetch", f"https://{host}", export.id, "--pole", pole)
    approve = ("roeh", "police", "approve", f"request-{export.id}.json")
    return DetailView(
        row=export,
        request=export.request,
        is_moving=export.state in _MOVING,
        verdict="refused" if export.state == "refused" else "approved",
        progress_words=progress_words(export, words),
        size_words=size_words(export.size_bytes, words),
        may_fetch=export.is_own and Action.FETCH in node.may,
        bundle_path=f"{API}/exports/{export.id}/bundle",
        fetch_command=shlex.join(
            [*fetch, "--root", "root.pem", "--key", "person.pem", "--out", f"{export.id}.zip.age"]
        ),
        approve_command=shlex.join(
            [*approve, "--key", "person.pem", "--out", f"approval-{export.id}.p7m"]
        ),
        approval_block=_approval_block(export, node, is_trust_stale=is_trust_stale),
        steps=None if custody is None else steps_of(custody),
        names={} if custody is None else custody.names,
    )


def steps_of(custody: Custody) -> tuple[Step, ...]:
    """The steps of a page of the log, in its order."""
    records = (msgspec.json.decode(raw, type=Record) for raw in custody.records)
    return tuple(step for step in map(step_of, records) if step is not None)


def progress_words(export: Export, words: Words) -> Markup:
    """How far an export is, without elements."""
    if export.state != "building":
        return words.plain("detail.waits")
    done = size_words(export.bytes_done, words)
    if not export.bytes_total:
        return words.plain("detail.done", done=done)
    total = size_words(export.bytes_total, words)
    percent = f"{100 * export.bytes_done // export.bytes_total}"
    return words.plain("detail.done_of", done=done, total=total, percent=percent)


def size_words(size_bytes: int, words: Words) -> Markup:
    """A size in the largest unit of which there is one, without elements."""
    if size_bytes < _KIB:
        return words.plain("size.bytes", n=size_bytes)
    size = size_bytes / _KIB
    for unit in ("kib", "mib"):
        if size < _KIB:
            return words.plain(f"size.{unit}", n=f"{size:.1f}")
        size /= _KIB
    return words.plain("size.gib", n=f"{size:.1f}")


def still_path(camera_id: str, at_utc_us: int, sight: str = "picture") -> str:
    """The address of a still."""
    asked = urllib.parse.urlencode({"at_utc_us": at_utc_us, **_view_asked(sight)})
    return f"{API}/stills/{urllib.parse.quote(camera_id)}?{asked}"


def preview_path(camera_id: str, from_utc_us: int, to_utc_us: int, sight: str = "picture") -> str:
    """The address of a preview."""
    times = {"from_utc_us": from_utc_us, "to_utc_us": to_utc_us}
    span = urllib.parse.urlencode({**times, **_view_asked(sight)})
    return f"{API}/previews/{urllib.parse.quote(camera_id)}?{span}"


def _view_asked(sight: str) -> dict[str, str | int]:
    """The parameters of one of `SIGHTS`."""
    if sight == "picture":
        return {}
    if sight in COMPASS:
        return {"layout": "ptz", "bearing_deg": COMPASS.index(sight) * 360 // len(COMPASS)}
    return {"layout": sight}


def thumbnail_path(alert_id: str) -> str:
    """The address of an alert's picture."""
    return f"{API}/thumbnails/{urllib.parse.quote(alert_id)}"


def _approval_block(export: Export, node: NodeAnswer, *, is_trust_stale: bool) -> str:
    if export.is_own:
        return "own"
    if Action.APPROVE not in node.may:
        return "role"
    return "stale" if is_trust_stale else ""
