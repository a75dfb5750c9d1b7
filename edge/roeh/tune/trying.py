"""One try: footage looked at unless its tracks are kept, rules judged twice, compared."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from roeh.core.alarm_figures import AlarmTimes
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EvidenceRefused
from roeh.core.moments import length_text
from roeh.ledger.utc_spans import UtcSpan
from roeh.tune.changed import UNHEARD, kinds_of, with_both
from roeh.tune.comparison import compare
from roeh.tune.filed import FiledFootage
from roeh.tune.footage import Footage, FootageFacts
from roeh.tune.hours import by_hour
from roeh.tune.judging import Judge, Raised
from roeh.tune.kept import KeptTracks, Raising, plan_of
from roeh.tune.local_time import local_text
from roeh.tune.opening import FootageWanted, open_recorded
from roeh.tune.outcome import Outcome, figures_of
from roeh.tune.pace import SHORT_US, estimate
from roeh.tune.telling import estimate_line
from roeh.tune.watching import OnProgress, watch

_HOUR_US = 3_600_000_000


class Try:
    """Changed rules against those configured.

    Args:
        config: the node as it is.
        changed: likewise, with the rules that are tried.
        directory: where tracks are kept.
        clock: to find out how long it takes.
        stop: interrupts it; what was looked at is kept.

    Raises:
        OutputRefused: the directory cannot be used.
        ConfigError: what is kept there cannot serve these rules.
    """

    def __init__(
        self,
        config: NodeConfig,
        changed: NodeConfig,
        directory: Path,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._config = config
        self._changed = changed
        self._watched = with_both(config, changed)
        self._clock = clock
        self._stop = stop
        self._damages: tuple[str, ...] = ()
        self._remarks: list[str] = []
        self.kept = KeptTracks(directory)
        self.kept.check(config, self._watched)

    def look_at_recording(self, wanted: FootageWanted) -> None:
        """The pole's own segments; nothing where the tracks of all of them are kept.

        Raises:
            EvidenceRefused: nothing was recorded then.
            OutputRefused: tracks of another time are kept.
            RoehError: what keeps detection or evidence from it.
        """
        wanted = self._within_kept(wanted)
        if self._is_whole():
            return
        with open_recorded(self._config, wanted, self._clock) as opened:
            if opened.missing:
                self._remarks.append(f"nothing was recorded of {', '.join(opened.missing)}")
            self._look(opened.footage, opened.raisings)

    def look_at_video(self, video: Path, camera_id: str | None, begin_us: int) -> None:
        """A video file; nothing where the tracks of all of it are kept.

        Raises:
            SourceUnreadable: it is no video.
            OutputRefused: tracks of another video are kept.
        """
        self._look(self.video(video, camera_id, begin_us), None)

    def video(self, video: Path, camera_id: str | None, begin_us: int) -> Footage:
        """A video file as footage of a camera.

        Raises:
            SourceUnreadable: it is no video.
        """
        return FiledFootage(video, self._config, camera_id, begin_us)

    @contextlib.contextmanager
    def recording(self, wanted: FootageWanted) -> Iterator[Footage]:
        """The recording once more, for pictures. That it is looked at is on record.

        Raises:
            RoehError: it is not to be had any more.
        """
        with open_recorded(self._config, self._within_kept(wanted), self._clock) as opened:
            yield opened.footage

    def outcome(self, asked: UtcSpan) -> Outcome:
        """What rules raise over what is kept of that time, as configured and as changed.

        Raises:
            EvidenceRefused: nothing was seen then.
        """
        judges = Judge(self._config), Judge(self._changed)
        scenes = 0
        for scene in self.kept.scenes(asked):
            scenes += 1
            for one in judges:
                one.see(scene)
        plan = self.kept.plan
        if plan is None or scenes == 0:
            raise EvidenceRefused(
                what="no picture was judged in that time",
                which="the footage",
                remedy="ask for a longer time; a camera's first pictures only settle",
            )
        before, after = (one.raised for one in judges)
        rules = compare(before, after)
        of = plan.footage.when
        when = UtcSpan(max(of.from_us, asked.from_us), min(of.to_us, asked.to_us), of.error_us)
        raisings = [
            one for one in plan.raisings or () if asked.from_us <= one.t_utc_us < asked.to_us
        ]
        return Outcome(
            node=plan.node,
            when=when,
            cameras=plan.footage.cameras,
            scenes=scenes,
            rules=rules,
            hours=by_hour(rules),
            then=Counter(one.rule for one in raisings),
            is_untold=plan.raisings is None,
            figures_then=figures_of(
                (AlarmTimes(one.rule, one.t_utc_us, one.over_us) for one in raisings), when
            ),
            figures_before=figures_of(map(_times, before), when),
            figures_after=figures_of(map(_times, after), when),
            damages=self._damages,
            remarks=tuple(self._remarks_on(when)),
        )

    def _within_kept(self, wanted: FootageWanted) -> FootageWanted:
        """What is kept, or was begun, is gone on with as it was chosen then."""
        plan = self.kept.plan
        if plan is None:
            return wanted
        when = plan.footage.when
        asked = UtcSpan(
            when.from_us if wanted.from_us is None else wanted.from_us,
            when.to_us if wanted.to_us is None else wanted.to_us,
        )
        self.kept.check_within(asked)
        return FootageWanted(when.from_us, when.to_us, wanted.person)

    def _look(self, footage: Footage, raisings: tuple[Raising, ...] | None) -> None:
        facts = footage.facts
        self.kept.begin(plan_of(self._config, self._watched, facts, raisings))
        if self._is_whole():
            return
        self._tell_estimate(footage)
        with self.kept.scene_file() as scenes, self._progress(facts) as on_progress:
            is_whole = watch(footage, self._watched, scenes, self._stop, on_progress)
        if is_whole:
            self.kept.finish()
        self._damages = footage.damages

    def _is_whole(self) -> bool:
        return self.kept.plan is not None and self.kept.plan.is_whole

    def _tell_estimate(self, footage: Footage) -> None:
        length_us = footage.facts.length_us
        if length_us < SHORT_US:
            return
        found = estimate(footage, self._watched, self._clock, self._stop)
        if found is not None:
            line = estimate_line(length_us, found.takes_us, found.times_as_fast, found.sample_us)
            sys.stderr.write(line + "\n")

    @contextlib.contextmanager
    def _progress(self, facts: FootageFacts) -> Iterator[OnProgress]:
        """A bar on a terminal; elsewhere a line for each hour of footage."""
        console = Console(stderr=True)
        zone = self._config.node.time_zone
        begin_us, hour = facts.when.from_us, 0
        with Progress(
            TextColumn("looking at {task.fields[at]}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as bar:
            total_us = max(1, facts.when.to_us - begin_us)
            task = bar.add_task("tune", total=total_us, at=local_text(begin_us, zone))

            def on_progress(t_utc_us: int) -> None:
                nonlocal hour
                done_us = t_utc_us - begin_us
                bar.update(task, completed=done_us, at=local_text(t_utc_us, zone))
                if done_us // _HOUR_US > hour and not console.is_terminal:
                    hour = done_us // _HOUR_US
                    sys.stderr.write(
                        f"looked at {length_text(done_us)} of {length_text(total_us)}\n"
                    )

            yield on_progress

    def _remarks_on(self, when: UtcSpan) -> list[str]:
        remarks = list(self._remarks)
        if when.to_us - when.from_us < _HOUR_US:
            remarks.append("less than an hour of footage: a rate is of that time alone")
        kinds = (kinds_of(self._config) | kinds_of(self._changed)) & UNHEARD
        return [
            f"{kind}: no sound is recorded, so nothing is raised here" for kind in sorted(kinds)
        ]


def _times(one: Raised) -> AlarmTimes:
    return AlarmTimes(one.rule, one.t_utc_us, one.cleared_utc_us)
