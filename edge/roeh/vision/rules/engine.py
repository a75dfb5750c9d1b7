"""All rules of a pole."""

from __future__ import annotations

from roeh.core.clock import ClockReading
from roeh.core.config import NodeConfig, with_camera_rules
from roeh.core.schedule import schedules_of
from roeh.core.types import Frame
from roeh.vision.rules.configured import rule_of
from roeh.vision.rules.finding import Finding
from roeh.vision.rules.hours import hours_of_rules
from roeh.vision.rules.life import Life
from roeh.vision.rules.operations import Operations
from roeh.vision.rules.schedule import OrderedSchedule
from roeh.vision.scene import Scene, SoundLevel


class RuleEngine:
    """The rules of one configuration, and those by which every pole watches its cameras.

    It remembers nothing of an earlier start.
    """

    def __init__(self, config: NodeConfig) -> None:
        config = with_camera_rules(config)
        schedules = schedules_of(config)
        self.operations = Operations(config, schedules)
        self._hours = hours_of_rules(config, schedules, self.operations)
        self._lives = tuple(
            Life(section, rule_of(section, config), self._hours[section.name])
            for section in config.rules
        )

    def order(self, rule: str, ordered: OrderedSchedule | None) -> bool:
        """Let a rule be on or off until a time; None: as configured. False: no such rule."""
        hours = self._hours.get(rule)
        if hours is not None:
            hours.order(ordered)
        return hours is not None

    def update(self, scene: Scene) -> tuple[Finding, ...]:
        """What is raised, updated or cleared with this frame.

        Args:
            scene: as of a frame that gives both times; frames come in the order of their
                monotonic times.
        """
        return tuple(finding for life in self._lives for finding in life.update(scene))

    def update_unseen(self, scene: Scene) -> tuple[Finding, ...]:
        """The same while the picture settles: of it counts that it came, and what is heard."""
        return tuple(finding for life in self._lives for finding in life.update_unseen(scene))

    def tick(self, now: ClockReading, sound: SoundLevel | None = None) -> tuple[Finding, ...]:
        """What is raised or cleared now, when no frame comes.

        Args:
            now: gives the times.
            sound: the loudest since a frame or a tick that was given any.
        """
        moment = Frame(
            camera_id="",
            seq=0,
            t_mono_ns=now.t_mono_ns,
            t_utc_ns=now.t_utc_ns,
            utc_error_ns=now.utc_error_ns,
            boot_id=now.boot_id,
            width_px=0,
            height_px=0,
            pixel_format="bgr24",
        )
        scene = Scene(frame=moment, sound=sound)
        return tuple(finding for life in self._lives for finding in life.tick(scene))
