"""Every mistake of an inventory, and of the bundle that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pole_inventory.fleet import (
    TRUST_FILES,
    Pole,
    address_mistakes,
    dialled,
    name_mistakes,
    own_mistakes,
    shared_mistakes,
)
from pole_inventory.judged import judged
from pole_inventory.mistakes import Mistake
from pole_inventory.sources import names_twice
from pole_inventory.specifications import known_variables, options_of, specified, unknown
from roeh.core.errors import RoehError
from roeh.release.carried import read_bundle

#: What a pole consists of.
POLE_ROLES = (
    "pole", "base", "time", "network", "storage", "release", "observability", "hardening",
)  # fmt: skip
#: What a control room consists of.
CONTROL_ROOM_ROLES = (
    "desk", "broker", "postgresql", "base", "time", "network", "release", "observability",
    "monitoring", "hardening",
)  # fmt: skip
#: What a witness's machine consists of.
WITNESS_ROLES = (
    "witness", "base", "time", "network", "release", "observability", "hardening",
)  # fmt: skip
#: Whom a control room and a witness's machine reach; poles alone send their journals.
_DIALLED = ("roeh_broker_host", "roeh_time_servers")
_RELEASE_CA = "release-ca.pem"
_ARCHITECTURES: Mapping[str, str] = {"pi4": "aarch64", "pi5": "aarch64", "orin": "aarch64"}


def checked(
    poles: Sequence[Pole], *, control_rooms: Iterable[str], sources: list[str]
) -> list[Mistake]:
    """Everything that is wrong with these poles, in order; empty if nothing is.

    Args:
        poles: all of the inventory's.
        control_rooms: the hosts of that group.
        sources: files and folders of the inventory.
    """
    options, known = options_of(list(POLE_ROLES)), known_variables()
    found: list[Mistake] = list(names_twice(sources))
    for pole in poles:
        of_form = list(specified(pole.name, pole.variables, options))
        found.extend(of_form)
        found.extend(unknown(pole.name, pole.variables, known))
        wrong = {mistake.field for mistake in of_form}
        rest = Pole(pole.name, {k: v for k, v in pole.variables.items() if k not in wrong})
        found.extend(judged(pole.name, rest.variables))
        found.extend(own_mistakes(rest, list(control_rooms)))
    found.extend(shared_mistakes(poles))
    found.extend(_bundles(poles))
    return list(dict.fromkeys(found))


def machines_checked(
    rooms: Sequence[Pole], roles: Sequence[str], *, sources: list[str]
) -> list[Mistake]:
    """Everything that is wrong with control rooms or witnesses, in order.

    desk.toml and witness.toml are the product's to judge.

    Args:
        rooms: hosts of the group, each with its variables.
        roles: what such a machine consists of.
        sources: files and folders of the inventory.
    """
    options, known = options_of(list(roles)), known_variables()
    found: list[Mistake] = list(names_twice(sources))
    for room in rooms:
        found.extend(specified(room.name, room.variables, options))
        found.extend(unknown(room.name, room.variables, known))
        found.extend(address_mistakes(room))
        found.extend(name_mistakes(room, dialled(room, _DIALLED)))
        trust = room.text("roeh_trust_dir")
        if trust and not (Path(trust) / _RELEASE_CA).is_file():
            what = f"no {_RELEASE_CA} in {trust}"
            found.append(Mistake(room.name, "roeh_trust_dir", what, TRUST_FILES[_RELEASE_CA]))
    found.extend(_bundles(rooms))
    return list(dict.fromkeys(found))


def _bundles(poles: Sequence[Pole]) -> Iterator[Mistake]:
    """Each bundle is read once, however many poles it is for."""
    read: dict[tuple[str, str], Callable[[Pole], Mistake | None]] = {}
    for pole in poles:
        bundle, trust = pole.text("roeh_bundle"), pole.text("roeh_trust_dir")
        believed = Path(trust) / _RELEASE_CA
        if bundle and not (Path(bundle) / "bundle.json").is_file():
            yield Mistake(
                pole.name, f"roeh_bundle = {bundle!r}", "no bundle is there",
                "make bundle, or name the folder that it made",
            )  # fmt: skip
            continue
        if not bundle or not believed.is_file():
            continue
        if (bundle, trust) not in read:
            read[bundle, trust] = _bundle(Path(bundle), believed)
        if mistake := read[bundle, trust](pole):
            yield mistake


def _bundle(bundle: Path, believed: Path) -> Callable[[Pole], Mistake | None]:
    """What is to be said of a bundle to a pole that is to be made with it."""
    try:
        description = read_bundle(bundle, believed.read_bytes()).description
    except (RoehError, OSError) as error:
        told = str(error)
        return lambda pole: Mistake(
            pole.name, "roeh_bundle", told, "make it anew with make bundle, or name another"
        )

    def fits(pole: Pole) -> Mistake | None:
        wanted = _ARCHITECTURES.get(pole.text("roeh_board"), description.architecture)
        if description.architecture == wanted:
            return None
        return Mistake(
            pole.name, "roeh_bundle",
            f"for {description.architecture}, and a {pole.text('roeh_board')} is {wanted}",
            f"make bundle ARCH={wanted}",
        )  # fmt: skip

    return fits
