"""What no single field of desk.toml can say of itself."""

from __future__ import annotations

from collections.abc import Iterable

from roeh.core.config.check import check_tls
from roeh.core.config.desk_schema import DeskConfig, JointAudience
from roeh.core.errors import ConfigError

#: Branches under roeh/view/v1 that are no audience's.
_BRANCHES = ("control", "onvif")
_VIEW = "roeh/view/v1"
_DATABASES = ("sqlite:///", "postgresql://", "postgres://")


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
    _check_prefix(config, name)
    if config.adapters.cap.enabled and not config.adapters.cap.dir:
        raise ConfigError(
            what="nowhere to write CAP messages",
            which=f"adapters.cap.dir in {name}",
            remedy="name a directory",
        )
    check_tls(config.broker.tls, name)
    url = config.database.url
    if url and not url.startswith(_DATABASES):
        # What stands there may be a password: it is not repeated.
        raise ConfigError(
            what="not a database that the desk knows",
            which=f"database.url in {name}",
            remedy="write sqlite:///FILE or postgresql://USER@HOST/DATABASE, or leave it empty",
        )


def _check_prefix(config: DeskConfig, name: str) -> None:
    """ONVIF's events show places: nobody may read them whose branch they happen to lie in."""
    prefix = config.adapters.onvif.prefix
    own, inside, branch = prefix.partition(f"{_VIEW}/")
    in_view = inside and not own
    readers = {"control", *(audience.name for audience in config.audiences)}
    if branch.partition("/")[0] in readers if in_view else prefix.partition("/")[0] == "roeh":
        raise ConfigError(
            what="these topics belong to poles, desk or an audience",
            which=f"adapters.onvif.prefix = {prefix!r} in {name}",
            remedy=f"name another branch, such as {_VIEW}/onvif",
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
