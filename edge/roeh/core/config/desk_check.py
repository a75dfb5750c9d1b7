"""What no single field of desk.toml can say of itself."""

from __future__ import annotations

from collections.abc import Iterable

from roeh.core.config.desk_schema import DeskConfig, JointAudience
from roeh.core.errors import ConfigError

#: Branches under roeh/view/v1 that are no audience's.
_BRANCHES = ("control", "onvif")
_TAKEN_TOPICS = ("roeh/v1", "roeh/desk", "roeh/view/v1/control")


def check_desk(config: DeskConfig, name: str) -> None:
    """Names are unique, and what is named is there.

    Raises:
        ConfigError: naming the field and the fix.
    """
    sectors = _unique("sectors", (sector.name for sector in config.sectors), name)
    places = _unique("places", (place.name for place in config.places), name)
    _unique("audiences", (audience.name for audience in config.audiences), name)
    for audience in config.audiences:
        if audience.name in _BRANCHES:
            raise ConfigError(
                what="a name that is the desk's own",
                which=f"audiences {audience.name!r} in {name}",
                remedy="give the audience another name",
            )
        if isinstance(audience, JointAudience):
            _all_known("sectors", audience.sectors, sectors, audience.name, name)
        else:
            _all_known("places", audience.places, places, audience.name, name)
    for sector in config.sectors:
        if (sector.bearing_from_deg is None) != (sector.bearing_to_deg is None):
            raise ConfigError(
                what="half a range of bearings",
                which=f"sectors {sector.name!r} in {name}",
                remedy="give bearing_from_deg and bearing_to_deg, or neither",
            )
    if config.adapters.onvif.prefix.startswith(_TAKEN_TOPICS):
        raise ConfigError(
            what="these topics are the poles' and the desk's own",
            which=f"adapters.onvif.prefix in {name}",
            remedy="name another branch, such as roeh/view/v1/onvif",
        )
    if config.adapters.cap.enabled and not config.adapters.cap.dir:
        raise ConfigError(
            what="nowhere to write CAP messages",
            which=f"adapters.cap.dir in {name}",
            remedy="name a directory",
        )


def _unique(table: str, names: Iterable[str], file: str) -> frozenset[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(
                what="the name stands twice",
                which=f"{table} {name!r} in {file}",
                remedy="give each its own name",
            )
        seen.add(name)
    return frozenset(seen)


def _all_known(
    table: str, wanted: tuple[str, ...], known: frozenset[str], audience: str, file: str
) -> None:
    for name in wanted:
        if name not in known:
            raise ConfigError(
                what=f"no such entry of {table}",
                which=f"audiences {audience!r}: {name!r} in {file}",
                remedy=f"add it to {table}, or name one of: {', '.join(sorted(known)) or 'none'}",
            )
