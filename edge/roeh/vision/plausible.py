"""What can stand on the ground: the cheapest strong filter there is.

A spider on the lens fills a box that only something of many metres could fill where it
seems to stand.
"""

from __future__ import annotations

import msgspec


class HeightRange(msgspec.Struct, frozen=True):
    """Heights that objects of a class have, metres."""

    low_m: float
    high_m: float


#: From a crouching or seated person to a tall one with a bag held up; vehicles with
#: their loads. Wide on purpose: the sigma of the height is allowed for as well.
PLAUSIBLE_HEIGHTS: dict[str, HeightRange] = {
    "person": HeightRange(0.7, 2.5),
    "bicycle": HeightRange(0.5, 2.2),
    "motorcycle": HeightRange(0.6, 2.3),
    "car": HeightRange(0.9, 3.0),
    "bus": HeightRange(1.8, 5.0),
    "truck": HeightRange(1.3, 5.5),
    "dog": HeightRange(0.15, 1.3),
}
