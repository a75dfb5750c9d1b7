"""The page of a try: tables, hours as bars, and a picture of what is gained and lost.

One file without anything from elsewhere, so that it can be handed on as it is.
"""

from __future__ import annotations

import base64
import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from roeh.core.config import NodeConfig
from roeh.core.errors import OutputRefused, one_line
from roeh.core.moments import length_text
from roeh.tune.comparison import RuleComparison
from roeh.tune.judging import Raised
from roeh.tune.local_time import hour_text, local_text
from roeh.tune.outcome import Outcome
from roeh.tune.telling import figure_rows, place_text, rule_cells

PAGE_FILE = "tune.html"
#: Of each rule, gained and lost: a page that a person can look through.
_PICTURES = 12

PictureOf = Callable[[Raised], bytes | None]
"""A thumbnail (JPEG) of what would have been raised; None where there is none."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 24px auto; max-width: 1080px;
  padding: 0 16px; color: #1c2329; background: #fff; }
h1 { font-size: 22px; margin: 0 0 4px } h2 { font-size: 17px; margin: 28px 0 8px }
p { margin: 4px 0 } .quiet { color: #57626b }
table { border-collapse: collapse; margin: 8px 0 } th, td { padding: 4px 12px; text-align: right }
th { border-bottom: 1px solid #b9c2c9; font-weight: 600 } tr > :first-child { text-align: left }
.bar { display: inline-block; height: 9px; vertical-align: middle }
.before { background: #8a97a3 } .after { background: #0b6e99 }
.grid { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0; width: 240px }
figure img, figure div { width: 240px; height: 135px; display: block; background: #e7ebee;
  border-top: 4px solid } figcaption { font-size: 13px }
.gained img, .gained div { border-color: #0b6e99 } .lost img, .lost div { border-color: #b4541a }
"""


def write_page(
    directory: Path, outcome: Outcome, config: NodeConfig, picture_of: PictureOf
) -> Path:
    """Write the page into a directory; where it is.

    Raises:
        OutputRefused: it cannot be written.
    """
    path = directory / PAGE_FILE
    text = "".join(_page(outcome, config.node.time_zone, picture_of))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Pictures of persons: a file of its own, which nobody else may read from the first byte
        # on, whatever an older page allowed.
        with (
            tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=directory, prefix=f".{PAGE_FILE}-", delete=False
            ) as file,
            contextlib.ExitStack() as stack,
        ):
            stack.callback(Path(file.name).unlink, missing_ok=True)
            file.write(text)
            file.flush()
            Path(file.name).replace(path)
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be written ({error.strerror})",
            which=str(path),
            remedy="name a directory that this user can write with --out",
        ) from None
    return path


def _page(outcome: Outcome, zone: str, picture_of: PictureOf) -> Iterator[str]:
    when = outcome.when
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>Rules tried: {_text(outcome.node)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>Changed rules on {_text(outcome.node)}</h1>"
    yield (
        f'<p class="quiet">{local_text(when.from_us, zone)} to {local_text(when.to_us, zone)}'
        f" ({_text(zone)}), {length_text(when.to_us - when.from_us)}:"
        f" {_text(', '.join(outcome.cameras))}, {outcome.scenes} pictures judged</p>"
    )
    titles = ("rule", "kind", "then", "as configured", "as changed", "same", "gained", "lost")
    rows = [rule_cells(rule, outcome) for rule in outcome.rules]
    yield _table((*titles, "held back"), rows)
    yield "<h2>For one operator</h2>"
    yield _table(("", "then", "as configured", "as changed"), figure_rows(outcome))
    if outcome.hours:
        yield "<h2>By hour</h2>"
        yield from _hours(outcome, zone)
    for rule in outcome.rules:
        yield from _rule(rule, zone, picture_of)
    for line in (*outcome.remarks, *(f"damaged: {one}" for one in outcome.damages)):
        yield f"<p>{_text(line)}</p>"
    yield "</body></html>\n"


def _hours(outcome: Outcome, zone: str) -> Iterator[str]:
    most = max(max(one.before, one.after) for one in outcome.hours)
    yield "<table><tr><th>hour</th><th>as configured</th><th>as changed</th><th></th></tr>"
    for one in outcome.hours:
        bars = "".join(
            f'<span class="bar {name}" style="width:{max(1, round(320 * count / most))}px"></span>'
            "<br>"
            for name, count in (("before", one.before), ("after", one.after))
            if count
        )
        hour = _text(hour_text(one.begin_us, zone))
        yield f"<tr><td>{hour}</td><td>{one.before}</td><td>{one.after}</td>"
        yield f'<td style="text-align:left;line-height:10px">{bars}</td></tr>'
    yield "</table>"


def _rule(rule: RuleComparison, zone: str, picture_of: PictureOf) -> Iterator[str]:
    for word, raised in (("gained", rule.gained), ("lost", rule.lost)):
        if not raised:
            continue
        yield f'<h2>{_text(rule.rule)}: {len(raised)} {word}</h2><div class="grid {word}">'
        for one in raised[:_PICTURES]:
            yield _figure(one, zone, picture_of(one))
        yield "</div>"
        if len(raised) > _PICTURES:
            yield f'<p class="quiet">and {len(raised) - _PICTURES} more</p>'


def _figure(one: Raised, zone: str, picture: bytes | None) -> str:
    many = f" x{one.count}" if one.count > 1 else ""
    what = f"{one.label}{many} at {place_text(one)}, {one.camera_id}"
    shown = "<div></div>"
    if picture is not None:
        source = base64.b64encode(picture).decode("ascii")
        shown = f'<img alt="{_text(what)}" src="data:image/jpeg;base64,{source}">'
    caption = f"{local_text(one.t_utc_us, zone)}<br>{_text(what)}"
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(title)}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _text(text: str) -> str:
    return escape(one_line(text))
