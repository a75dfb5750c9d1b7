"""Who is told of an alert: pure, from the alert and the desk's configuration alone.

A sector is poles, or a range of bearings of what they see; a range may run over north. An
alert that moves out of a sector's range is told there once more, without its position, so
that it does not stand for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.core.config import DeskConfig, JointAudience, ParentAudience, PlaceSection, SectorSection
from roeh.core.types import Alert, AlertPhase


class JointShare(msgspec.Struct, frozen=True):
    """A joint patrol's sector that is to be told; `in_sector` False: it was there before."""

    audience: str
    sector: str
    in_sector: bool


class ParentShare(msgspec.Struct, frozen=True):
    """A parent patrol's place that may be told, later."""

    audience: str
    place: str
    shown_as: str
    delay_s: float
    expire_s: float


def joint_shares(
    config: DeskConfig, alert: Alert, earlier_bearings_deg: Sequence[float] = ()
) -> tuple[JointShare, ...]:
    """The sectors that are told of this message.

    Args:
        config: the desk's.
        alert: the message.
        earlier_bearings_deg: where the earlier messages of the same alert were, oldest first.
    """
    sectors = {sector.name: sector for sector in config.sectors}
    shares = []
    for audience in config.audiences:
        if not isinstance(audience, JointAudience) or alert.priority < audience.min_priority:
            continue
        for name in audience.sectors:
            if f"{alert.site}/{alert.node}" not in sectors[name].poles:
                continue
            is_in = in_range(sectors[name], alert.where.bearing_deg)
            if is_in or _was_told(sectors[name], alert, earlier_bearings_deg):
                shares.append(JointShare(audience.name, name, is_in))
    return tuple(shares)


def has_ranges(config: DeskConfig, site: str, node: str) -> bool:
    """Whether a sector is only a part of what this pole sees."""
    return any(
        sector.bearing_from_deg is not None and f"{site}/{node}" in sector.poles
        for sector in config.sectors
    )


def parent_shares(config: DeskConfig, alert: Alert) -> tuple[ParentShare, ...]:
    """The places that may be told of this alert once their delay is over."""
    pole = f"{alert.site}/{alert.node}"
    places = {place.name: place for place in config.places}
    return tuple(
        ParentShare(audience.name, name, places[name].shown_as, audience.delay_s, audience.expire_s)
        for audience in config.audiences
        if isinstance(audience, ParentAudience) and _wants(audience, alert)
        for name in audience.places
        if pole in places[name].poles
    )


def places_of(config: DeskConfig, site: str, node: str) -> tuple[str, ...]:
    """What a pole sees, by the names that everybody knows."""
    return tuple(place.shown_as for place in config.places if _sees(place, f"{site}/{node}"))


def in_range(sector: SectorSection, bearing_deg: float) -> bool:
    """Whether a bearing lies in a sector, clockwise from its first edge to its second.

    Two equal edges mean all round, as in a zone.
    """
    first, last = sector.bearing_from_deg, sector.bearing_to_deg
    if first is None or last is None or first == last:
        return True
    if first < last:
        return first <= bearing_deg <= last
    return bearing_deg >= first or bearing_deg <= last


def _was_told(sector: SectorSection, alert: Alert, earlier_bearings_deg: Sequence[float]) -> bool:
    """Whether a sector that it is not in has to know: it left just now, or is over."""
    looked_at = earlier_bearings_deg
    if alert.phase is not AlertPhase.CLEARED:
        looked_at = earlier_bearings_deg[-1:]
    return any(in_range(sector, bearing_deg) for bearing_deg in looked_at)


def _wants(audience: ParentAudience, alert: Alert) -> bool:
    if alert.priority < audience.min_priority:
        return False
    return not audience.rule_kinds or alert.rule_kind.value in audience.rule_kinds


def _sees(place: PlaceSection, pole: str) -> bool:
    return pole in place.poles
