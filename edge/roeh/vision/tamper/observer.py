"""Follows how one camera sees, and says when that is not any more what it was set up to see.

The reference is learnt from the camera's first seconds and follows the scene over minutes, only
while it is as it should be; one by day and one by night, since edges in infrared are others. It
is kept in memory alone: a pole that starts takes what it sees for how it should see, unless it
shows nothing at all.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.media.frames import PixelFrame
from roeh.optics.lens import Lens
from roeh.vision.scene import Tamper
from roeh.vision.tamper.aspect import View
from roeh.vision.tamper.compare import Comparison
from roeh.vision.tamper.looks import Look, Looker, sight_of
from roeh.vision.tamper.plane import planes_of
from roeh.vision.tamper.verdict import judge, judge_alone, judge_new_light

#: So many looks, so far apart, are one sight of the scene.
LOOKS, LOOK_S = 8, 0.6
#: A picture of less colour is of infrared light, until there is more colour again.
_GREY_LEVELS, _COLOURED_LEVELS = 1.0, 2.5
#: A camera that gave nothing for so long is looked at anew.
_GAP_S = 3.0
#: How fast the reference follows a scene that is as it should be.
_FOLLOW_S = 300.0
_RENEW_S = 10.0
#: What is wrong is told when all looks are of after it began, and the verdict has been the same
#: for so long; another one takes its place when it has been the same for longer.
_BEGINS_S, _SAME_S, _CHANGES_S = LOOKS * LOOK_S, 1.5, 10.0
#: Something is wrong for so long, and it cannot be agreed what: the last word is told.
_WAVERS_S = 8.0
#: The scene as it should be for so long ends it.
_ENDS_S = 3.0


class TamperObserver:
    """Watches one camera.

    Args:
        lens: of the camera.
    """

    def __init__(self, lens: Lens) -> None:
        self._looker = Looker(lens)
        self._planes = planes_of(lens)
        self._looks: deque[Look] = deque(maxlen=LOOKS)
        self._last_look_ns: int | None = None
        self._references: dict[bool, View] = {}
        self._follows_ns = 0
        self._count = 0
        self._is_night = False
        self._opinion = _Opinion()

    def update(self, frame: PixelFrame) -> Tamper | None:
        """What has surely been done to the camera, as of this picture.

        Only a picture each 0.6 s is looked at; the others cost nothing.
        """
        now_ns, last_ns = frame.info.t_mono_ns, self._last_look_ns
        since_s = math.inf if last_ns is None else (now_ns - last_ns) / NS_PER_S
        if since_s < LOOK_S:
            return self._opinion.told
        self._last_look_ns = now_ns
        look = self._looker.look(frame)
        light = frame.info.light
        is_night = self._is_grey(look) if light is None else light.is_night
        if is_night != self._is_night or since_s > _GAP_S:
            self._looks.clear()
        self._is_night = is_night
        self._looks.append(look)
        self._count += 1
        # While all is well, half as often is soon enough.
        is_next = self._opinion.is_troubled or self._count % 2 == 0
        if len(self._looks) < LOOKS or not is_next:
            return self._opinion.told
        view = View(self._planes, sight_of(self._looks))
        verdict = self._judge(view, is_light_told=light is not None)
        if verdict is None and not self._opinion.is_troubled:
            self._follow(view, now_ns)
        return self._opinion.hear(verdict, now_ns)

    def _is_grey(self, look: Look) -> bool:
        """Whether the picture comes from a camera without its infrared filter, by its colours."""
        return look.colour_levels < (_COLOURED_LEVELS if self._is_night else _GREY_LEVELS)

    def _judge(self, view: View, *, is_light_told: bool) -> Tamper | None:
        """The verdict beside the reference of this light, or beside nothing."""
        reference = self._references.get(self._is_night)
        if reference is not None:
            return judge(Comparison(reference, view))
        other = self._references.get(not self._is_night)
        alone = judge_alone(view.lively, view.sight.white_share)
        if alone is not None or other is None:
            return alone
        found = Comparison(other, view)
        # Something was wrong before the light changed: only the scene as it was by the other
        # light ends it, or whoever covers a camera at dusk would be believed at night.
        if self._opinion.is_troubled:
            return judge(found)
        return judge_new_light(found, is_told=is_light_told)

    def _follow(self, view: View, now_ns: int) -> None:
        """Let the reference come nearer to what is seen; rarely, since it is worked out anew."""
        reference = self._references.get(self._is_night)
        if reference is not None and now_ns < self._follows_ns:
            return
        self._follows_ns = now_ns + round(_RENEW_S * NS_PER_S)
        if reference is not None:
            share = 1 - math.exp(-_RENEW_S / _FOLLOW_S)
            view = View(self._planes, reference.sight.nearer_to(view.sight, share))
        self._references[self._is_night] = view


class _Opinion(msgspec.Struct):
    """What is told, from verdicts that come and go; mutable, private to the observer.

    Attributes:
        told: what has been said of the camera.
        heard: the last verdict.
        heard_since_ns: since when it has been of that kind.
        trouble_since_ns: since when there has been no verdict that all is well.
    """

    told: Tamper | None = None
    heard: Tamper | None = None
    heard_since_ns: int = 0
    trouble_since_ns: int = 0

    @property
    def is_troubled(self) -> bool:
        """Whether something is wrong, or may be."""
        return self.told is not None or self.heard is not None

    def hear(self, verdict: Tamper | None, now_ns: int) -> Tamper | None:
        """Take the next verdict; returns what is to be told."""
        if verdict is not None and self.heard is None:
            self.trouble_since_ns = now_ns
        if _kind(verdict) is not _kind(self.heard):
            self.heard_since_ns = now_ns
        self.heard = verdict
        same_s = (now_ns - self.heard_since_ns) / NS_PER_S
        if verdict is None:
            if same_s >= _ENDS_S:
                self.told = None
        elif self.told is None:
            trouble_s = (now_ns - self.trouble_since_ns) / NS_PER_S
            if trouble_s >= (_BEGINS_S if same_s >= _SAME_S else _WAVERS_S):
                self.told = verdict
        elif verdict.kind is self.told.kind or same_s >= _CHANGES_S:
            self.told = verdict
        return self.told


def _kind(tamper: Tamper | None) -> object:
    return None if tamper is None else tamper.kind
