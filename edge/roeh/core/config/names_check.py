"""Names in a configuration: each thing has its own, and what is named is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from roeh.core.errors import ConfigError


def check_known(wanted: str, known: Iterable[str], place: str, name: str) -> None:
    """Refuse a name that nothing has.

    Raises:
        ConfigError: naming the field and what there is.
    """
    if wanted not in known:
        listed = ", ".join(sorted(known)) or "none is defined"
        raise ConfigError(
            what="no such name",
            which=f"{place} = {wanted!r} in {name}",
            remedy=f"define it or use one of: {listed}",
        )


def check_unique(place: str, names: Sequence[str], name: str) -> None:
    """Refuse a name that two things have.

    Raises:
        ConfigError: naming it.
    """
    for item in names:
        if names.count(item) > 1:
            raise ConfigError(
                what="the name is used twice",
                which=f"{item!r} in {place} of {name}",
                remedy="give each its own name",
            )
