"""How the sensors hang together: ground that nobody sees, two that claim the same view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import RoehError
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, bad_error, doubtful, good

if TYPE_CHECKING:
    from roeh.optics.coverage import Arc, Coverage

_RANGES_M = (5.0, 8.0, 10.0, 15.0)
#: Two sensors that show so much of the same ground are hardly meant to.
_SAME_VIEW = 0.9


def check_rig(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """What the sensors see of the ring from 5 to 15 m, as the configuration says they hang."""
    try:
        # Here and not above: the doctor has to speak where these libraries are missing.
        from roeh.optics.configured import rig_from
        from roeh.optics.coverage import coverage_at
    except ImportError as error:
        yield bad(
            Code.LIBRARY_MISSING,
            f"cannot be worked out ({error})",
            "mend the libraries first (see above)",
        )
        return
    try:
        rig = rig_from(config)
    except RoehError as error:
        yield bad_error(Code.RIG_REFUSED, error)
        return
    rings = [coverage_at(rig, range_m) for range_m in _RANGES_M]
    if len(rig.sensors) == 1 and any(ring.gaps for ring in rings):
        # One camera that looks one way was not meant to look all round.
        (sensor,) = rig.sensors
        middle = rings[2]
        yield good(f"{sensor.name} sees {_spelt(middle.of(sensor.name))} at {middle.range_m:g} m")
        return
    yield from _gaps(rings)
    yield from _same_views(rings)


def _gaps(rings: Sequence[Coverage]) -> Iterator[Outcome]:
    broken = [ring for ring in rings if ring.gaps]
    for ring in broken:
        yield doubtful(
            Code.VIEW_GAP,
            f"at {ring.range_m:g} m nobody sees {_spelt(ring.gaps)}",
            "turn or tilt a sensor, or add one; if there is no gap, correct azimuth_deg, "
            "tilt_deg and fov_deg",
        )
    if not broken:
        yield good(f"somebody sees every bearing from {_RANGES_M[0]:g} to {_RANGES_M[-1]:g} m")


def _same_views(rings: Sequence[Coverage]) -> Iterator[Outcome]:
    for one, other in combinations(rings[0].sensors, 2):
        shared = max(ring.shared(one, other) for ring in rings)
        if shared >= _SAME_VIEW:
            yield doubtful(
                Code.VIEW_SAME,
                f"{one} and {other} would show the same ground ({shared:.0%} of the lesser view)",
                "give each the azimuth_deg and tilt_deg that it hangs at",
            )


def _spelt(arcs: Sequence[Arc]) -> str:
    if not arcs:
        return "nothing"
    if arcs[0].width_deg == 360.0:
        return "any bearing"
    return "bearing " + ", ".join(f"{arc.from_deg:.0f} to {arc.to_deg:.0f}°" for arc in arcs)
