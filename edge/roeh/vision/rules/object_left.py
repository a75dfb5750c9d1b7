"""Something was left: it stands still where nothing stood, and nobody has stayed with it.

Who left it is not asked by number, since tracks change hands in a crowd: whoever is within
`owner_m` keeps it company. Somebody must have been there when it came to stand; what appeared
with nobody seen near it counts too, less surely (thrown, or its owner was not seen).
"""

from __future__ import annotations

from collections import deque

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import ObjectLeftRule
from roeh.core.types import Frame, GroundPoint, RuleKind
from roeh.vision.rules.finding import Condition, Subject
from roeh.vision.rules.geometry import Area, apart_m
from roeh.vision.rules.presence import ENTER_CERTAINTY
from roeh.vision.scene import Scene, StillObject

#: It is alone when nobody has been near for so long.
_ALONE_S = 5.0
#: It came with somebody who was near so long before it was first seen to stand, at most.
_BROUGHT_S = 5.0
#: Where people were is remembered for so long.
_MEMORY_S = 120.0
#: What nobody was seen to bring.
_UNOWNED_SHARE = 0.6
#: Two cameras show the same thing if they see it so close together.
_SAME_M = 1.0
#: A camera without pictures for so long says nothing any more, if another can.
_SILENT_S = 10.0


class _Watched(msgspec.Struct):
    """An object that stands; mutable, private to the rule.

    Attributes:
        seen: as its cameras last said, by camera.
        shown_by: all cameras that ever showed it.
        near_ns: when somebody was last near it; 0 if never.
        holds: it was left.
    """

    number: int
    seen: dict[str, StillObject]
    shown_by: set[str]
    position: GroundPoint
    since: Frame
    is_owned: bool
    near_ns: int
    holds: bool = False


class _People(msgspec.Struct, frozen=True):
    """Where everybody was at one moment."""

    t_mono_ns: int
    places: tuple[GroundPoint, ...]


class ObjectLeft:
    """One occurrence for each object."""

    kind = RuleKind.OBJECT_LEFT

    def __init__(self, settings: ObjectLeftRule, area: Area | None) -> None:
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._area = area
        self._people: deque[_People] = deque()
        self._watched: list[_Watched] = []
        self._newest_ns: dict[str, int] = {}
        self._asked_ns = 0
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each object that was left and still stands."""
        frame, now_ns = scene.frame, scene.frame.t_mono_ns
        people = _People(now_ns, tuple(track.position for track in scene.tracks if track.seen))
        self._people.append(people)
        while now_ns - self._people[0].t_mono_ns > _MEMORY_S * NS_PER_S:
            self._people.popleft()
        self._listen(frame)
        self._see(scene.still_objects, frame.camera_id)
        for watched in self._watched:
            if self._is_near(people, watched.position):
                watched.near_ns = now_ns
            stood_ns = now_ns - watched.since.t_mono_ns
            is_alone = now_ns - watched.near_ns >= _ALONE_S * NS_PER_S
            watched.holds |= is_alone and stood_ns >= self._settings.still_s * NS_PER_S
        return [self._condition(watched) for watched in self._watched if watched.holds]

    def _listen(self, frame: Frame) -> None:
        """Which cameras speak. After a silence of all, the first one back is not the only one."""
        now_ns = frame.t_mono_ns
        if now_ns - self._asked_ns > _SILENT_S * NS_PER_S:
            self._newest_ns = dict.fromkeys(self._newest_ns, now_ns)
        self._asked_ns = self._newest_ns[frame.camera_id] = now_ns

    def _stands(self, watched: _Watched) -> bool:
        """Whether a camera that speaks shows it still, or none is left that could tell."""
        speaking = {
            camera
            for camera in watched.shown_by
            if self._asked_ns - self._newest_ns[camera] <= _SILENT_S * NS_PER_S
        }
        return bool(watched.seen) and not (speaking and speaking.isdisjoint(watched.seen))

    def _see(self, objects: tuple[StillObject, ...], camera_id: str) -> None:
        """Take what a camera shows now in the place of what it showed."""
        shown = {one.number: one for one in objects if self._is_inside(one.position)}
        for watched in self._watched:
            known = watched.seen.pop(camera_id, None)
            if known is not None and known.number in shown:
                watched.seen[camera_id] = shown.pop(known.number)
        self._watched = [watched for watched in self._watched if self._stands(watched)]
        for one in shown.values():
            same = next(
                (
                    watched
                    for watched in self._watched
                    if camera_id not in watched.seen
                    and apart_m(watched.position, one.position) <= _SAME_M
                ),
                None,
            )
            if same is None:
                self._watched.append(self._made(one))
            else:
                same.seen[camera_id] = one
                same.shown_by.add(camera_id)

    def _made(self, one: StillObject) -> _Watched:
        near = [
            people.t_mono_ns
            for people in self._people
            if people.t_mono_ns >= one.since.t_mono_ns - _BROUGHT_S * NS_PER_S
            and self._is_near(people, one.position)
        ]
        self._count += 1
        return _Watched(
            number=self._count,
            seen={one.sensor: one},
            shown_by={one.sensor},
            position=one.position,
            since=one.since,
            is_owned=bool(near),
            near_ns=max(near, default=0),
        )

    def _is_near(self, people: _People, place: GroundPoint) -> bool:
        return any(apart_m(one, place) <= self._settings.owner_m for one in people.places)

    def _is_inside(self, place: GroundPoint) -> bool:
        return self._area is None or bool(self._area.certainties([place])[0] >= ENTER_CERTAINTY)

    def _condition(self, watched: _Watched) -> Condition:
        best = max(watched.seen.values(), key=lambda one: one.confidence)
        share = 1.0 if watched.is_owned else _UNOWNED_SHARE
        return Condition(
            key=f"object-{watched.number}",
            cool_key=f"object-{watched.number}",
            cool_radius_m=_SAME_M,
            subject=Subject(
                label="object",
                confidence=best.confidence * share,
                sensor=best.sensor,
                outline_sensor_px=best.outline_sensor_px,
            ),
            position=watched.position,
            started=watched.since,
        )
