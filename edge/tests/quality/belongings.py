"""What a scene holds beside people: things that are put down, and vehicles that drive."""

from __future__ import annotations

import msgspec
import numpy as np

from roeh.core.config import ComposedSource
from roeh.core.types import Frame
from roeh.media.frames import UInt8Image
from roeh.optics.ground import GroundPlane
from roeh.sources.drawn.degrade import Weather as Spoiler
from tests.left_things import Thing, draw
from tests.quality.vehicles import Vehicle, VehiclePainter, footprint
from tests.quality.ways import Array, Way


class Left(msgspec.Struct, frozen=True):
    """A thing that stands between two times, seconds since the first frame."""

    thing: Thing
    from_s: float
    until_s: float

    @property
    def place(self) -> tuple[float, float]:
        return self.thing.east_m, self.thing.north_m


class Drive(msgspec.Struct, frozen=True):
    """A vehicle on its way; it never turns."""

    vehicle: Vehicle
    way: Way
    heading_deg: float

    def footprints(self, times_s: Array) -> Array:
        """The corners (n, 4, 2) of the ground that it stands on."""
        middles = self.way.places(times_s)
        corners = footprint(self.vehicle.shape, (0.0, 0.0), self.heading_deg)
        return np.asarray(middles[:, None] + corners[None])


class BelongingsPainter:
    """Puts them into a camera's pictures, and the weather over all of it.

    Scenes place them so that nobody stands before them: they are drawn over people.

    Args:
        plane: of the camera as it truly hangs.
        weather: what the source has to leave to this painter, lest it spoil twice.
    """

    def __init__(
        self,
        plane: GroundPlane,
        things: tuple[Left, ...],
        drives: tuple[Drive, ...],
        weather: ComposedSource,
    ) -> None:
        self._plane = plane
        self._things = things
        self._drives = drives
        self._vehicles = VehiclePainter(plane)
        self._spoiler = Spoiler(weather)

    def finish(self, picture: UInt8Image, info: Frame, since_s: float) -> None:
        """Complete a picture of people in fair weather, in place."""
        for left in self._things:
            if left.from_s <= since_s < left.until_s:
                draw(picture, self._plane, left.thing)
        for drive in self._drives:
            (place,) = drive.way.places(np.asarray([since_s]))
            east_m, north_m = (float(value) for value in place)
            self._vehicles.draw(picture, drive.vehicle, (east_m, north_m), drive.heading_deg)
        self._spoiler.spoil(picture, info.seq, since_s)
