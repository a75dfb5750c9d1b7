"""The order of decoding and showing, where a stream does not tell it or tells it wrongly. Pure.

Cameras that re-order pictures often send only when each is shown. What is recorded needs
both: `dts` grows from picture to picture, and none is shown before it is decoded.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec


class Stamps(msgspec.Struct, frozen=True):
    """When a picture is decoded and shown, as the stream says it: 90 kHz ticks or None."""

    dts: int | None
    pts: int | None


class Ticks(msgspec.Struct, frozen=True):
    """The same made orderly."""

    dts: int
    pts: int


def orderly(stamps: Sequence[Stamps], *, after_dts: int | None, step: int) -> list[Ticks]:
    """Stamps in decoding order, such that dts grows from `after_dts` on and pts >= dts.

    Orderly ones stay as they are. Others are decoded in even step with how they are
    shown, as late as their re-ordering allows.

    Args:
        stamps: one for each picture, in decoding order.
        after_dts: of the last picture before; None when there is none.
        step: ticks that a picture without any stamp takes.
    """
    given = _as_given(stamps, after_dts)
    if given is not None:
        return given
    shown = _shown(stamps, after_dts, step)
    in_order = sorted(shown)
    delay = max(0, *(a - b for a, b in zip(in_order, shown, strict=True)))
    ticks: list[Ticks] = []
    last = after_dts
    for ordered, pts in zip(in_order, shown, strict=True):
        dts = ordered - delay
        last = dts if last is None else max(dts, last + 1)
        ticks.append(Ticks(dts=last, pts=max(pts, last)))
    return ticks


def _as_given(stamps: Sequence[Stamps], after_dts: int | None) -> list[Ticks] | None:
    """The stamps themselves where they are orderly."""
    ticks: list[Ticks] = []
    last = after_dts
    for one in stamps:
        pts = one.dts if one.pts is None else one.pts
        if (
            one.dts is None
            or pts is None
            or pts < one.dts
            or (last is not None and one.dts <= last)
        ):
            return None
        last = one.dts
        ticks.append(Ticks(dts=one.dts, pts=pts))
    return ticks


def _shown(stamps: Sequence[Stamps], after_dts: int | None, step: int) -> list[int]:
    """When each is shown; one without a stamp lies a step from the one before or behind."""
    known = [one.dts if one.pts is None else one.pts for one in stamps]
    step = _usual_step(known, step)
    first = next((index for index, stamp in enumerate(known) if stamp is not None), None)
    if first is None:
        last = -step if after_dts is None else after_dts
    else:
        # A camera's first pictures come before its clock is known, and are shown first.
        last = min(stamp for stamp in known if stamp is not None) - step * (first + 1)
    shown: list[int] = []
    for one in known:
        last = last + step if one is None else one
        shown.append(last)
    return shown


def _usual_step(known: Sequence[int | None], step: int) -> int:
    """How far the stamps are apart, mostly; `step` where they do not tell."""
    in_order = sorted(stamp for stamp in known if stamp is not None)
    steps = sorted(b - a for a, b in itertools.pairwise(in_order) if b > a)
    return steps[len(steps) // 2] if steps else step
