"""Templates filled from views: every value is escaped and made visible, whoever wrote it."""

from __future__ import annotations

import functools
import urllib.parse
import zoneinfo
from collections.abc import Iterable
from pathlib import Path

import jinja2
from markupsafe import Markup

from roeh.retrieve.pages.forms import FIELD_WORDS, Form
from roeh.retrieve.pages.static_files import static_files
from roeh.retrieve.pages.timeline_view import KINDS, SPANS_S, Stretch
from roeh.retrieve.pages.times import Times, utc_text
from roeh.retrieve.pages.views import SCHEMES, SIGHTS, Frame
from roeh.retrieve.pages.wording import LANGUAGES, Words, latin, visible

_DIRECTORY = Path(__file__).parent / "templates"
_US_PER_S = 1_000_000
#: A preview of a moment: this long before an alert, and in all.
_BEFORE_ALERT_US = 5 * _US_PER_S
MOMENT_US = 20 * _US_PER_S


def rendered(
    template: str,
    frame: Frame,
    zone: zoneinfo.ZoneInfo,
    *,
    view: object = None,
    form: Form | None = None,
    cameras: tuple[str, ...] = (),
) -> str:
    """A page as HTML."""
    words = Words(frame.language)
    return (
        _environment()
        .get_template(template)
        .render(
            frame=frame,
            w=words,
            times=Times(zone, words),
            view=view,
            form=form or Form(),
            cameras=cameras,
        )
    )


def span_path(path: str, span_utc_us: tuple[int, int], cameras: Iterable[str] = ()) -> str:
    """The address of a page about a span; times in UTC, so that no hour stands for two."""
    named = [("from", utc_text(span_utc_us[0])), ("to", utc_text(span_utc_us[1]))]
    return f"{path}?{urllib.parse.urlencode([*named, *(('camera', name) for name in cameras)])}"


def moment_path(stretch: Stretch) -> str:
    """The address of the page that shows the beginning of a recording, or an alert."""
    if stretch.kind != "alert":
        to_us = min(stretch.to_utc_us, stretch.from_utc_us + MOMENT_US)
        return span_path("/moment", (stretch.from_utc_us, to_us), [stretch.camera_id])
    from_us = max(0, stretch.from_utc_us - _BEFORE_ALERT_US)
    path = span_path("/moment", (from_us, from_us + MOMENT_US), [stretch.camera_id])
    return f"{path}&{urllib.parse.urlencode({'alert': stretch.id})}" if stretch.id else path


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_DIRECTORY),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_shown,
    )
    environment.globals.update(
        languages=LANGUAGES,
        schemes=SCHEMES,
        kinds=KINDS,
        sights=SIGHTS,
        spans_us=tuple(span_s * _US_PER_S for span_s in SPANS_S),
        static=lambda name: static_files()[name].path,
        latin=latin,
        field_words=FIELD_WORDS,
        span_path=span_path,
        moment_path=moment_path,
    )
    return environment


def _shown(value: object) -> Markup | str:
    return "" if value is None else visible(value)
