"""Views of a board from a running camera, taken when they are worth it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from roeh.calibrate.lens.board_detection import find_board_quickly
from roeh.calibrate.lens.board_views import BoardViews
from roeh.calibrate.lens.view_guide import ViewGuide
from roeh.media.frames import UInt8Image
from roeh.sources.protocol import Source

#: Looking for the board in every picture has to be quick.
_QUICK_SIDE_PX = 800

Say = Callable[[str], None]


def take_views(
    source: Source, views: BoardViews, guide: ViewGuide, *, stop: threading.Event, say: Say
) -> dict[str, UInt8Image]:
    """Watch until the guide has what it wants, the source ends, or `stop` is set.

    Args:
        source: entered.
        views: the views taken are added there.
        guide: which are wanted.
        stop: ends it early.
        say: told a line for the technician whenever there is something new to say.

    Returns:
        The pictures taken by their names, (height, width) each.
    """
    taken: dict[str, UInt8Image] = {}
    said = ""
    for frame in source.frames(stop):
        gray = frame.read().luma(1)
        line = _look(gray, views, guide, taken)
        if line != said:
            say(line)
            said = line
        if guide.is_complete:
            break
    return taken


def _look(
    gray: UInt8Image, views: BoardViews, guide: ViewGuide, taken: dict[str, UInt8Image]
) -> str:
    """Take the picture or not; what to tell."""
    corners = find_board_quickly(gray, views.board, _QUICK_SIDE_PX)
    if corners is None:
        guide.away()
        return f"no whole board in sight: show it at the {guide.missing}"
    reason = guide.refusal(corners)
    if reason:
        return reason
    name = f"view-{len(taken) + 1:02}"
    reason = views.add(name, gray)
    if reason:
        return f"not taken, {reason}"
    guide.take(corners)
    taken[name] = gray
    return f"{name} taken; next: the {guide.missing}"
