"""Prometheus' text format 0.0.4 out of a process's counters. Pure."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping

from roeh.core.metrics.table import METRICS, Metric

_PLACE = re.compile(r"\{(\w+)\}")
#: Of what a label stands for in a counter's name: no underscore, which parts the words there.
_VALUE = r"(?P<{}>[A-Za-z0-9.+-]+)"
_ESCAPED_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_ESCAPED_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposition(process: str, counters: Mapping[str, float], labels: Mapping[str, str]) -> str:
    """What a process shows.

    Args:
        process: its name in the table.
        counters: as in its report; those that the table does not know are left out.
        labels: for every line.
    """
    found: dict[str, list[str]] = {}
    for name, value in sorted(counters.items()):
        for metric, pattern in _patterns(process):
            match = pattern.fullmatch(name)
            if match is None or math.isnan(value):
                continue
            written = _labels({**labels, **match.groupdict()})
            line = f"{metric.name}{written} {_number(value * metric.scale)}\n"
            found.setdefault(metric.name, []).append(line)
            break
    text = ""
    for metric in METRICS:
        if metric.name in found:
            text += f"# HELP {metric.name} {metric.help.translate(_ESCAPED_HELP)}\n"
            text += f"# TYPE {metric.name} {metric.kind.value}\n"
            text += "".join(found.pop(metric.name))
    return text


def unknown(process: str, counters: Mapping[str, float]) -> list[str]:
    """Counters of a process that the table does not know."""
    return [
        name
        for name in counters
        if not any(pattern.fullmatch(name) for _, pattern in _patterns(process))
    ]


@functools.cache
def _patterns(process: str) -> tuple[tuple[Metric, re.Pattern[str]], ...]:
    """Rows of a process; those that name one counter before those that name many."""
    rows = [metric for metric in METRICS if metric.process in ("*", process)]
    rows.sort(key=lambda metric: (_PLACE.search(metric.source) is not None, -len(metric.source)))
    return tuple((metric, _pattern(metric.source)) for metric in rows)


def _pattern(source: str) -> re.Pattern[str]:
    parts = _PLACE.split(source)
    return re.compile(
        "".join(
            _VALUE.format(part) if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        )
    )


def _labels(labels: Mapping[str, str]) -> str:
    written = (f'{name}="{value.translate(_ESCAPED_LABEL)}"' for name, value in labels.items())
    return "{" + ",".join(written) + "}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
