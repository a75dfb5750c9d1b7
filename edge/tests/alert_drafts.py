"""Alerts as a detect would hand them over."""

import hashlib

from roeh.core.clock import SimulatedClock
from roeh.core.ids import ClockIds
from roeh.core.types import (
    AlertDraft,
    AlertPhase,
    ClockState,
    EvidenceReference,
    RuleKind,
    Where,
)

_IDS = ClockIds(SimulatedClock())


def alert_draft(*, thumbnail=None, phase=AlertPhase.RAISED, priority=5, alert_id=None, **changes):
    """One alert message; `changes` are fields of AlertDraft."""
    alert_id = alert_id or _IDS.new()
    fields = {
        "id": alert_id,
        "raised_id": alert_id,
        "site": "harbour",
        "node": "pole-7",
        "boot_id": "8be4df61-93ca-4ad2-9b9b-0242ac120002",
        "phase": phase,
        "priority": priority,
        "rule": "quay",
        "rule_kind": RuleKind.ZONE_ENTRY,
        "zone": "quay",
        "label": "person",
        "confidence": 0.83,
        "where": Where(47.1, 1.2, 12.3, 0.8, 9.0, 8.4, 4.1, 52.1, 4.3),
        "track_ids": (3,),
        "count": 1,
        "dwell_s": 0.6,
        "t_utc_us": 1_760_000_000_000_000,
        "t_mono_us": 42,
        "clock": ClockState(synchronised=True, error_us=2000),
        "evidence": EvidenceReference("north", 10, 16, 0, 42),
        "model_sha256": "a" * 64,
        "thumbnail_sha256": None if thumbnail is None else hashlib.sha256(thumbnail).hexdigest(),
        **changes,
    }
    return AlertDraft(**fields)
