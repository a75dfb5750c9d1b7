"""What was done to a camera, told from how it sees beside how it saw. Pure.

Measured figures behind these thresholds, and what cannot be told: edge/design/tamper.md.

covered    the edges are gone.
blinded    overexposed: most of the picture, or so much more than before that the edges went.
defocused  the scene is where it was, without its fine edges.
turned     the scene is there, shifted to the side: round the pole, or across an ordinary picture.
moved      the scene is there, shifted otherwise; or another scene is there.
"""

from __future__ import annotations

from roeh.vision.scene import Tamper, TamperKind
from roeh.vision.tamper.compare import Comparison, Likeness, shift_length_px

#: Ordinary scenes (traffic, rain, shadows, lamps, night) share 0.5 and more of their edges with
#: the reference; covered, turned and moved ones 0.4 and less.
_SHARED = 0.45
#: How surely a shift is meant, unrolled and as it is; and how far it has to be.
_RING_PEAK, _FLAT_PEAK = 0.5, 0.35
_SHIFT_PX = 1.5
_SOFT = 0.75
_BLINDED_SHARE = 0.5
_BLINDED_MORE = 0.12
#: Large shapes stay where they were when only the focus went.
_SAME_SHAPES = 0.6
#: So much of what showed something does again: a picture, though not of this scene.
_LIVELY = 0.7
#: The same by another light, of a camera that does not tell its light: night hides much.
_NEW_LIVELY = 0.3
#: A picture of which no more shows anything is of nothing.
_NOTHING = 0.06
#: Sidewise: at least so many times as far as up or down.
_SIDEWISE = 2.0


def judge(found: Comparison) -> Tamper | None:
    """The verdict on one sight; None: the scene is as it should be."""
    best = _best(found)
    if _is_overexposed(found):
        return _tamper(TamperKind.BLINDED, found.white_share)
    if best.shared < _SHARED:
        return _judge_lost(found)
    if best.sharpness < _SOFT:
        return _tamper(TamperKind.DEFOCUSED, 1 - best.sharpness / _SOFT)
    return None


def judge_new_light(found: Comparison, *, is_told: bool) -> Tamper | None:
    """The same beside a reference of the other light, where edges may well be others.

    What can be told is what no filter and no lamp does: the scene is elsewhere, the picture is
    overexposed, or hardly anything of it shows anything.

    Args:
        found: beside that reference.
        is_told: the camera itself says that its light is another. Otherwise it only became grey,
            which a grey cloth does too.
    """
    if _is_overexposed(found):
        return _tamper(TamperKind.BLINDED, found.white_share)
    if _best(found).shared >= _SHARED:
        return None
    if not is_told and found.lively < _NEW_LIVELY * found.lively_before:
        return _tamper(TamperKind.COVERED, 1 - found.lively / found.lively_before)
    return _judge_shift(found)


def judge_alone(lively: float, white_share: float) -> Tamper | None:
    """The verdict on the first sight of all, with nothing to compare it with.

    Args:
        lively: share of the picture's cells that show something.
        white_share: of the picture that is overexposed.
    """
    if lively >= _NOTHING:
        return None
    kind = TamperKind.BLINDED if white_share >= _BLINDED_SHARE else TamperKind.COVERED
    return _tamper(kind, 1 - lively / _NOTHING)


def _judge_lost(found: Comparison) -> Tamper:
    """What it is when the reference's edges are not where they were."""
    best = _best(found)
    certainty = 1 - max(best.shared, 0.0) / _SHARED
    shifted = _judge_shift(found)
    if shifted is not None:
        return shifted
    if found.white_share - found.white_before >= _BLINDED_MORE:
        return _tamper(TamperKind.BLINDED, certainty)
    if max(plane.shapes for plane in found.planes) >= _SAME_SHAPES and best.sharpness < _SOFT:
        return _tamper(TamperKind.DEFOCUSED, certainty)
    if found.lively >= _LIVELY * found.lively_before:
        return _tamper(TamperKind.MOVED, certainty)
    return _tamper(TamperKind.COVERED, certainty)


def _judge_shift(found: Comparison) -> Tamper | None:
    """Where the scene went, if it is still in the picture; round the pole before across it."""
    for plane in reversed(found.planes):
        least_peak = _RING_PEAK if plane.is_ring else _FLAT_PEAK
        if plane.peak >= least_peak and shift_length_px(plane) >= _SHIFT_PX:
            is_all_round = len(found.planes) > 1
            is_turned = _is_sidewise(plane) and plane.is_ring == is_all_round
            return _tamper(TamperKind.TURNED if is_turned else TamperKind.MOVED, plane.peak)
    return None


def _best(found: Comparison) -> Likeness:
    return max(found.planes, key=lambda plane: plane.shared)


def _is_overexposed(found: Comparison) -> bool:
    whiter = found.white_share - found.white_before
    return found.white_share >= _BLINDED_SHARE and whiter >= _BLINDED_MORE


def _is_sidewise(plane: Likeness) -> bool:
    right_px, down_px = plane.shift_px
    return abs(right_px) >= _SIDEWISE * abs(down_px)


def _tamper(kind: TamperKind, certainty: float) -> Tamper:
    """Beyond its threshold a verdict is more likely than not; the rest is how far beyond."""
    return Tamper(kind=kind, confidence=0.5 + 0.5 * min(max(certainty, 0.0), 1.0))
