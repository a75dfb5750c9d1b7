"""What a pole says of its health, as far as a run of Ansible judges it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Conditions of a process that does its work; publish has to be well, or nobody hears of alerts.
_WORKING = ("ok", "degraded")


def unwell(health: Mapping[str, Any]) -> list[str]:
    """Processes that do not work, a line each, out of /health.json."""
    return [
        f"{process['process']} is {process['condition']}: {process['detail']}"
        for process in health.get("processes", ())
        if process["condition"]
        not in (_WORKING[:1] if process["process"] == "publish" else _WORKING)
    ]


def failed_findings(told: str, accepted: Sequence[str]) -> list[str]:
    """What `roeh doctor --json` found wrong and nobody accepted, a line each."""
    findings = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    return [
        f"{finding['code']}: {finding['what']} -> {finding['remedy']}"
        for finding in findings
        if finding["verdict"] == "FAIL" and finding["code"] not in accepted
    ]
