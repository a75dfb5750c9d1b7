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
from roeh.vision.tamper.compare import Comparison, Likeness, Shift

#: Ordinary scenes (traffic, rain, shadows, lamps, night) share 0.5 and more of their edges with
#: the reference; covered, turned and moved ones 0.4 and less.
_SHARED = 0.45
#: Below this it is asked whether the scene is only elsewhere: a small turn leaves much in place.
_SURELY_SHARED = 0.7
#: A shift is so long, and put back by it the edges are shared again, and more than without.
_SHIFT_PX = 1.5
_SHARED_AGAIN, _SHARED_MORE = 0.3, 0.1
_SOFT = 0.72
#: So much of the picture is overexposed ...
_BLINDED_SHARE = 0.5
#: ... or so many of the edges: a white sky has none. Where little is left to be seen, fewer.
_WHITENED, _WHITENED_LOST = 0.12, 0.06
#: What became whiter by less is not looked at.
_WHITER = 0.04
#: Large shapes stay where they were when only the focus went.
_SAME_SHAPES = 0.6
#: So much of what showed something does again: a picture, though not of this scene.
_LIVELY = 0.7
#: The same by another light, of a camera that does not tell its light: night hides much.
_NEW_LIVELY, _NEW_SHARED = 0.2, 0.2
#: A picture of which no more shows anything is of nothing.
_NOTHING = 0.04
#: Sidewise: at least so many times as far as up or down.
_SIDEWISE = 2.0


def judge(found: Comparison) -> Tamper | None:
    """The verdict on one sight; None: the scene is as it should be."""
    if _is_overexposed(found, _WHITENED):
        return _tamper(TamperKind.BLINDED, found.white_share)
    shifted = _judge_shift(found)
    if shifted is not None:
        return shifted
    # The first plane that knows the scene again is enough.
    known = next((plane for plane in found.planes if plane.shared >= _SHARED), None)
    if known is not None and known.sharpness >= _SOFT:
        return None
    return _judge_unknown(found)


def judge_new_light(found: Comparison, *, is_told: bool) -> Tamper | None:
    """The same beside a reference of the other light, where edges may well be others.

    What can be told is what no filter and no lamp does: the scene is elsewhere, the picture is
    overexposed, or hardly anything of it shows anything.

    Args:
        found: beside that reference.
        is_told: the camera itself says that its light is another. Otherwise it only became grey,
            which a grey cloth does too.
    """
    if _is_overexposed(found, _WHITENED):
        return _tamper(TamperKind.BLINDED, found.white_share)
    shared = max(plane.shared for plane in found.planes)
    if shared >= _SHARED:
        return None
    if not is_told and (shared < _NEW_SHARED or found.liveliness < _NEW_LIVELY):
        return _judge_shift(found) or _tamper(TamperKind.COVERED, 1 - shared)
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


def _judge_unknown(found: Comparison) -> Tamper:
    """What it is when the reference's edges are gone, or not sharp any more."""
    certainty = 1 - max(0.0, *(plane.shared for plane in found.planes)) / _SHARED
    if _is_overexposed(found, _WHITENED_LOST):
        return _tamper(TamperKind.BLINDED, certainty)
    if max(plane.shapes for plane in found.planes) >= _SAME_SHAPES:
        return _tamper(TamperKind.DEFOCUSED, 1 - found.planes[0].sharpness / _SOFT)
    if found.liveliness >= _LIVELY:
        return _tamper(TamperKind.MOVED, certainty)
    return _tamper(TamperKind.COVERED, certainty)


def _judge_shift(found: Comparison) -> Tamper | None:
    """Where the scene went, if it is still in the picture."""
    shifted: list[Likeness] = []
    for plane in found.planes:
        if plane.shared >= _SURELY_SHARED:
            break
        if _is_shifted(plane):
            shifted.append(plane)
    if not shifted:
        return None
    best = max(shifted, key=lambda plane: plane.shift.shared)
    is_all_round = len(found.planes) > 1
    is_turned = _is_sidewise(best.shift) and best.is_ring == is_all_round
    return _tamper(TamperKind.TURNED if is_turned else TamperKind.MOVED, best.shift.shared)


def _is_shifted(plane: Likeness) -> bool:
    shift = plane.shift
    # Nothing shifts an unrolled picture up or down as a whole.
    is_possible = _is_sidewise(shift) or not plane.is_ring
    is_meant = shift.shared >= max(_SHARED_AGAIN, shift.shared_before + _SHARED_MORE)
    return is_possible and is_meant and shift.length_px >= _SHIFT_PX


def _is_overexposed(found: Comparison, whitened: float) -> bool:
    return found.whiter >= _WHITER and (
        found.white_share >= _BLINDED_SHARE or found.planes[0].whitened >= whitened
    )


def _is_sidewise(shift: Shift) -> bool:
    return abs(shift.right_px) >= _SIDEWISE * abs(shift.down_px)


def _tamper(kind: TamperKind, certainty: float) -> Tamper:
    """Beyond its threshold a verdict is more likely than not; the rest is how far beyond."""
    return Tamper(kind=kind, confidence=0.5 + 0.5 * min(max(certainty, 0.0), 1.0))
