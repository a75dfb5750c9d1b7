"""What changed rules gain and lose against those configured. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.tune.judging import Raised

#: Something of no track (a camera, a noise) raised this close together is the same.
_SAME_US = 10_000_000


class RuleComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, by its name in either configuration.

    Attributes:
        kind: in words of the configuration.
        before, after: all that it raised as configured, and as changed.
        kept: pairs of one that was raised and the same that would be.
        gained, lost: only as changed, only as configured.
        held_back_before, held_back_after: by chatter.
    """

    rule: str
    kind: str
    before: tuple[Raised, ...]
    after: tuple[Raised, ...]
    kept: tuple[tuple[Raised, Raised], ...]
    gained: tuple[Raised, ...]
    lost: tuple[Raised, ...]

    @property
    def held_back_before(self) -> int:
        """How many chatter held back, as configured."""
        return sum(one.held_back for one in self.before)

    @property
    def held_back_after(self) -> int:
        """Likewise, as changed."""
        return sum(one.held_back for one in self.after)


def compare(before: Sequence[Raised], after: Sequence[Raised]) -> tuple[RuleComparison, ...]:
    """Each rule that raised anything, in the order of the names.

    Two alerts of a rule are the same when they are about the same track and held at the same
    time, however much sooner or later one of them was raised.
    """
    compared: list[RuleComparison] = []
    for rule in sorted({one.rule for one in (*before, *after)}):
        old = tuple(one for one in before if one.rule == rule)
        new = tuple(one for one in after if one.rule == rule)
        kept = _pairs(old, new)
        same_old = {id(pair[0]) for pair in kept}
        same_new = {id(pair[1]) for pair in kept}
        compared.append(
            RuleComparison(
                rule=rule,
                kind=(*old, *new)[0].kind.value,
                before=old,
                after=new,
                kept=kept,
                gained=tuple(one for one in new if id(one) not in same_new),
                lost=tuple(one for one in old if id(one) not in same_old),
            )
        )
    return tuple(compared)


def _pairs(old: Sequence[Raised], new: Sequence[Raised]) -> tuple[tuple[Raised, Raised], ...]:
    by_name: dict[tuple[str, int | str], list[Raised]] = {}
    for one in new:
        for name in _names(one):
            by_name.setdefault(name, []).append(one)
    taken: set[int] = set()
    pairs: list[tuple[Raised, Raised]] = []
    for one in old:
        alike = [
            other
            for name in _names(one)
            for other in by_name.get(name, ())
            if id(other) not in taken and _held_together(one, other)
        ]
        if alike:
            nearest = min(alike, key=lambda other: abs(other.t_utc_us - one.t_utc_us))
            taken.add(id(nearest))
            pairs.append((one, nearest))
    return tuple(pairs)


def _names(one: Raised) -> list[tuple[str, int | str]]:
    """What may be the same in another: its tracks; where it has none, what was seen."""
    boot_id = one.at.boot_id
    return [(boot_id, track_id) for track_id in one.track_ids] or [(boot_id, one.label)]


def _held_together(one: Raised, other: Raised) -> bool:
    if not one.track_ids:
        return abs(one.t_utc_us - other.t_utc_us) <= _SAME_US
    ends = [2**63 if e.cleared_utc_us is None else e.cleared_utc_us for e in (one, other)]
    return one.t_utc_us <= ends[1] and other.t_utc_us <= ends[0]
