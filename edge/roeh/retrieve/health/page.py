"""The health page as HTML: one file, no script, nothing from elsewhere. Pure."""

from __future__ import annotations

import base64
import datetime
import hashlib
from html import escape

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.retrieve.health.node_health import Condition, HealthUnknown, NodeHealth, ProcessHealth

_US_PER_S = NS_PER_S // NS_PER_US
_BYTES_PER_MIB = 1 << 20

_WORDS: dict[Condition, str] = {
    "ok": "OK",
    "starting": "starting",
    "degraded": "degraded",
    "stopped": "stopped",
    "silent": "silent",
    "blind": "blind: nothing is watched",
}

# Both schemes reach a contrast of 7:1 for text (WCAG 2.2, AAA). A state is told by its
# word; the bar beside it repeats it in colour.
STYLE = """
:root{color-scheme:light dark;--ground:#fff;--ink:#16191d;--soft:#454d56;--line:#c5ccd3;
--ok:#17662f;--warn:#7a4b00;--bad:#9c1313}
@media (prefers-color-scheme:dark){:root{--ground:#14171a;--ink:#eef1f4;--soft:#b8c0c8;
--line:#3d454d;--ok:#6fdc8c;--warn:#f2b54a;--bad:#ff9d9d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:56rem;padding:1.5rem 1rem;background:var(--ground);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
h1{margin:0;font-size:1.5rem}
h2{margin:2rem 0 .5rem;font-size:1.125rem}
p{margin:.25rem 0}
.soft{color:var(--soft)}
.state{margin:1rem 0;padding:.5rem .75rem;border-left:.375rem solid;font-size:1.25rem}
.state,td.state{font-weight:600}
td.state{margin:0;padding:.375rem .75rem;font-size:1rem}
.ok{color:var(--ok)}.starting,.degraded{color:var(--warn)}
.stopped,.silent,.blind{color:var(--bad)}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse}
th,td{padding:.375rem .75rem;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top}
td:last-child{overflow-wrap:anywhere;min-width:12rem}
thead th{color:var(--soft);font-weight:600}
a{color:inherit}
a:focus-visible,.scroll:focus-visible{outline:.1875rem solid;outline-offset:.125rem}
""".strip()

_STYLE_SHA256 = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

#: Nothing may be loaded or run but the page's own style.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def health_page(health: NodeHealth) -> str:
    """The page while evidence answers."""
    rows = "\n".join(_process_row(process) for process in health.processes)
    outbox = health.outbox
    facts = "\n".join(
        _fact_row(name, value)
        for name, value in (
            ("Alerts stored", f"{health.alerts_stored}"),
            ("Store", health.storage_state),
            ("Waiting for the broker", f"{outbox.rows} messages, {_size(outbox.bytes)}"),
            ("Oldest of them", _age(outbox.oldest_age_us) if outbox.rows else "none waits"),
            ("Evicted for want of room", f"{outbox.evicted}"),
            ("Refused by the broker", f"{outbox.refused}"),
            ("Clock", _clock(health)),
            ("Software", f"roeh {health.software}"),
            ("Boot", health.boot_id),
        )
    )
    body = f"""<p class="state {health.condition}">{escape(_headline(health))}</p>
<h2 id="processes">Processes</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="processes"><table>
<thead><tr><th scope="col">Process</th><th scope="col">State</th><th scope="col">Heard</th>\
<th scope="col">What it says</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>
<h2 id="node">Node</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="node"><table><tbody>
{facts}
</tbody></table></div>
<p class="soft">As of {_instant(health.t_utc_us)}. Reload for the newest;
<a href="/health.json">the same as JSON</a>.</p>"""
    return _document(f"{health.site}/{health.node}", _WORDS[health.condition], body)


def unknown_page(unknown: HealthUnknown) -> str:
    """The page while evidence does not answer."""
    body = f"""<p class="state silent">not known</p>
<p>{escape(unknown.what)}.</p>
<p>{escape(unknown.remedy)}.</p>"""
    return _document(f"{unknown.site}/{unknown.node}", "not known", body)


def _document(name: str, state: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}: {escape(state)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{escape(name)}</h1><p class="soft">A pole of Roeh, and how it is.</p></header>
<main>
{body}
</main>
</body>
</html>
"""


def _headline(health: NodeHealth) -> str:
    word = _WORDS[health.condition]
    if health.condition == "ok":
        return word
    worst = [item.process for item in health.processes if item.condition == health.condition]
    return f"{word} ({', '.join(worst)})"


def _process_row(process: ProcessHealth) -> str:
    heard = "never" if process.last_heard_us is None else f"{_age(process.last_heard_us)} ago"
    return (
        f'<tr><th scope="row">{escape(process.process)}</th>'
        f'<td class="state {process.condition}">{_WORDS[process.condition]}</td>'
        f"<td>{heard}</td><td>{escape(process.detail)}</td></tr>"
    )


def _fact_row(name: str, value: str) -> str:
    return f'<tr><th scope="row">{name}</th><td>{escape(value)}</td></tr>'


def _clock(health: NodeHealth) -> str:
    if not health.clock.synchronised:
        return "not synchronised: times of alerts are not to be relied on"
    return f"synchronised, at most {health.clock.error_us / 1000:.1f} ms off"


def _age(age_us: int) -> str:
    seconds = age_us // _US_PER_S
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size_s:
            return f"{seconds // size_s} {unit}"
    return f"{seconds} s"


def _size(size_bytes: int) -> str:
    if size_bytes < _BYTES_PER_MIB:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / _BYTES_PER_MIB:.1f} MiB"


def _instant(t_utc_us: int) -> str:
    instant = datetime.datetime.fromtimestamp(t_utc_us // _US_PER_S, datetime.timezone.utc)
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
