"""Which alerts came together: one event is often told by several rules at once. Pure."""

from __future__ import annotations

from collections import deque

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.types import AlertPhase, GroundPoint, RuleKind
from roeh.vision.rules import Finding
from roeh.vision.rules.geometry import apart_m

#: Alerts raised within this time and distance of one another belong together.
_TOGETHER_S = 10.0
_TOGETHER_M = 10.0
#: These have no place: their alerts stand at the foot of the pole, and so near to whoever is
#: there. What is done to the cameras of a pole is one event, what is heard another.
_PLACELESS = {
    RuleKind.CAMERA_TAMPER: "cameras",
    RuleKind.CAMERA_BLIND: "cameras",
    RuleKind.LOUD_NOISE: "sound",
}


class _Raised(msgspec.Struct, frozen=True):
    """One alert that was raised a moment ago, and the first of its group."""

    t_mono_ns: int
    about: str
    position: GroundPoint
    track_ids: frozenset[int]
    first_id: str


class Groups:
    """Gives each alert the id of the first that came with it."""

    def __init__(self) -> None:
        self._recent: deque[_Raised] = deque()
        self._group_ids: dict[tuple[str, int], str] = {}

    def of(self, finding: Finding, message_id: str, t_mono_ns: int) -> str | None:
        """The group of an alert's message: the same for the alert's whole life.

        Args:
            finding: what the message tells.
            message_id: its id.
            t_mono_ns: of its frame; in order.

        Returns:
            Id of the message that raised the group's first alert; None of the first itself.
        """
        key = (finding.rule, finding.number)
        if finding.phase is AlertPhase.RAISED:
            first_id = self._join(finding, message_id, t_mono_ns)
            if first_id != message_id:
                self._group_ids[key] = first_id
        if finding.phase is AlertPhase.CLEARED:
            return self._group_ids.pop(key, None)
        return self._group_ids.get(key)

    def _join(self, finding: Finding, message_id: str, t_mono_ns: int) -> str:
        while self._recent and t_mono_ns - self._recent[0].t_mono_ns > _TOGETHER_S * NS_PER_S:
            self._recent.popleft()
        about = _PLACELESS.get(finding.rule_kind, "a place")
        track_ids = frozenset(finding.track_ids)
        first_id = next(
            (
                earlier.first_id
                for earlier in self._recent
                if earlier.track_ids & track_ids
                or (
                    earlier.about == about
                    and apart_m(earlier.position, finding.position) <= _TOGETHER_M
                )
            ),
            message_id,
        )
        self._recent.append(_Raised(t_mono_ns, about, finding.position, track_ids, first_id))
        return first_id
