"""How the kinds of objects move that a pole follows."""

from __future__ import annotations

import msgspec


class Mobility(msgspec.Struct, frozen=True):
    """How a kind of object moves.

    Attributes:
        family: labels of one family may be the same object, named differently by a model.
        density_m2ps3: spectral density of its acceleration.
        speed_sigma_mps: of a newly seen one, each way.
        stray_mps: how fast one that is not seen may stray from where it was heading.
    """

    family: str
    density_m2ps3: float
    speed_sigma_mps: float
    stray_mps: float


_VEHICLE = Mobility("vehicle", 4.0, 8.0, 5.0)
TWO_WHEELER = Mobility("two-wheeler", 2.0, 5.0, 3.0)

MOBILITIES: dict[str, Mobility] = {
    "person": Mobility("person", 0.6, 1.5, 1.2),
    "dog": Mobility("dog", 2.0, 3.0, 2.5),
    "bicycle": TWO_WHEELER,
    "motorcycle": TWO_WHEELER,
    "car": _VEHICLE,
    "bus": _VEHICLE,
    "truck": _VEHICLE,
}


def mobility_of(label: str) -> Mobility:
    """How objects of this label move; one that nobody listed is a family of its own."""
    return MOBILITIES.get(label) or Mobility(label, 2.0, 3.0, 1.2)
