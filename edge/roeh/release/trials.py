"""Trials: a release comes into force and has to prove itself, or the one before comes back.

    try      writes trial.json, moves `current`, has a unit started that watches
    watch    that unit, run from the release before: restarts, looks, confirms or returns
    settle   at boot, before anything of ours: a trial that a power cut ended is returned from

`trial.json` is there as long as a trial is undecided; whatever is killed, the next of these three
finds it and carries on. `last_trial.json` says how the last one went.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from typing import Final, Literal

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import ReleaseFailed, ReleaseRefused
from roeh.release.carried import MachineRole
from roeh.release.health import NOTHING_SEEN, Health, hopeless, missing, starts
from roeh.release.install import check_not_older
from roeh.release.observing import Observer
from roeh.release.places import InstalledRelease, Places, replace_link
from roeh.release.trial_records import Outcome, Trial, TrialRecords
from roeh.release.units import Units

WATCH_UNIT: Final = "roeh-release-watch.service"
_LOOK_EVERY_S: Final = 2.0
#: Metrics that are older are of a process that does not run.
_FRESH_S: Final = 120.0
#: How much longer than a trial may take its outcome is waited for.
_OVERTIME_S: Final = 300.0
_CHECK_PATIENCE_S: Final = 60.0


class Patience(msgspec.Struct, frozen=True):
    """How long a trial may take, and how long all has to be well in it."""

    patience_s: float = 300.0
    quiet_s: float = 60.0


class Allowed(msgspec.Struct, frozen=True):
    """What is refused unless somebody asks for it."""

    older: bool = False
    other_store: bool = False


class Trials:
    """Begins, watches and settles the trials of one machine."""

    def __init__(
        self,
        places: Places,
        units: Units,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._places = places
        self._units = units
        self._observer = observer
        self._records = TrialRecords(places.opt)
        self._clock = clock

    def begin(self, version: str, patience: Patience, allowed: Allowed) -> Trial:
        """Move `current` to a release and have the unit watch it.

        Raises:
            ReleaseRefused: older than allowed, another store, or the configuration is not for it.
            ReleaseFailed: not installed, a trial is undecided, or nothing runs that could prove it.
        """
        places = self._places
        with places.held():
            if self._records.undecided() is not None:
                raise _failed("a trial is undecided", "trial.json", "wait: roeh release show")
            wanted, in_force = places.wanted(version), places.in_force()
            if in_force is None:
                raise _failed("names no release that is here", "current", "install one again")
            if in_force.version == version:
                raise _failed("in force already", version, "nothing is to be tried")
            check_not_older(version, places, allow_older=allowed.older)
            _check_store(wanted, in_force, allowed)
            self._check_configuration(wanted)
            if not self._units.is_known(WATCH_UNIT):
                raise _failed("not installed", WATCH_UNIT, "install the machine's units: site.yml")
            now = self._clock.read()
            fresh_utc_s = now.t_utc_ns / NS_PER_S - _FRESH_S
            health = self._observer.look(in_force.version, fresh_utc_s)
            if not health.active():
                raise _failed("nothing of ours runs", "this machine", "start it: roeh doctor")
            health = self._observer.with_doctor(health, in_force)
            trial = Trial(
                number=secrets.token_hex(8),
                version=version,
                before=in_force.version,
                health=health,
                boot_id=now.boot_id,
                began_boot_ns=self._clock.boot_ns(),
                patience_s=patience.patience_s,
                quiet_s=patience.quiet_s,
            )
            # From here on the way back is there, whatever is killed.
            places.point(places.previous, in_force)
            self._records.write(trial)
            places.point(places.current, wanted)
        self._units.start(WATCH_UNIT)
        return trial

    def watch(self) -> Outcome | None:
        """Decide the trial; None where there is none."""
        with self._places.held():
            trial = self._records.undecided()
            if trial is None:
                self._records.clear()
                return None
            if self._is_cut_short(trial):
                return self._return(trial, "cut short before it was decided")
            if trial.returning:
                return self._return(trial, trial.returning)
            try:
                self._units.restart()
            except ReleaseFailed as failure:
                return self._return(trial, failure.what)
            wrong = self._prove(trial)
            return self._return(trial, wrong) if wrong else self._confirm(trial)

    def settle(self) -> Outcome | None:
        """Return from a trial that nobody watches any more; None where there is none.

        At boot nothing runs yet, so nothing is restarted: whatever starts, starts what was before.
        """
        with self._places.held():
            trial = self._records.undecided()
            if trial is None:
                self._records.clear()
                return None
            why = trial.returning or "the machine was restarted before it was decided"
            return self._return(trial, why, restarts=trial.boot_id == self._clock.read().boot_id)

    def go_back(self, allowed: Allowed) -> str:
        """Return to the release before, now; its version.

        Raises:
            ReleaseFailed: there is none, or a trial is undecided.
            ReleaseRefused: it has another store.
        """
        places = self._places
        trial = self._records.undecided()
        if trial is not None:
            # Whoever watches sees it, and returns; unless it was confirmed in that moment.
            self._records.ask_for_return()
            if self.follow(trial).outcome == "returned":
                return trial.before
        with places.held():
            in_force, before = places.in_force(), places.before()
            if in_force is None or before is None or before.version == in_force.version:
                raise _failed("there is no release before", "this machine", "roeh release show")
            _check_store(before, in_force, allowed)
            places.point(places.current, before)
            self._units.restart()
            return before.version

    def follow(self, trial: Trial) -> Outcome:
        """Wait until a trial is decided.

        Raises:
            ReleaseFailed: nothing came of it.
        """
        until_ns = self._clock.boot_ns() + round((_OVERTIME_S + trial.patience_s) * NS_PER_S)
        while self._records.undecided() is not None and self._clock.boot_ns() < until_ns:
            self._clock.wait(0.5)
        last = self._records.last()
        if last is None or not last.is_of(trial):
            raise _failed("the trial left no outcome", "last_trial.json", "roeh release show")
        return last

    def _prove(self, trial: Trial) -> str:
        """Look until it has proved itself; what is wrong when it has not."""
        deadline_ns = trial.began_boot_ns + round(trial.patience_s * NS_PER_S)
        release = self._places.wanted(trial.version)
        started: frozenset[tuple[str, str, int]] = frozenset()
        well_since_ns = 0
        while True:
            if self._records.is_return_asked():
                return "a person asked for it"
            health, wrong = self._look(trial)
            if lost := hopeless(trial.health, health):
                return lost
            now_ns = self._clock.boot_ns()
            now_started = starts(trial.health, health)
            if wrong or now_started != started:
                well_since_ns, started = now_ns, now_started
                wrong = wrong or "a process was started anew"
            elif now_ns - well_since_ns >= round(trial.quiet_s * NS_PER_S):
                wrong = self._wrong_at_last(trial, release, health)
                if not wrong:
                    return ""
            if now_ns >= deadline_ns:
                return f"{wrong or 'not well for long enough'}, {trial.patience_s:.0f} s after"
            self._clock.wait(_LOOK_EVERY_S)

    def _look(self, trial: Trial) -> tuple[Health, str]:
        """What is seen, and what is wrong with it; a systemd that is silent may answer later."""
        try:
            health = self._observer.look(trial.version)
        except ReleaseFailed as failure:
            return NOTHING_SEEN, failure.what
        return health, missing(trial.health, health)

    def _wrong_at_last(self, trial: Trial, release: InstalledRelease, health: Health) -> str:
        """What the doctor finds, and whether all is still so when it has ended: it takes long."""
        asked = self._observer.with_doctor(health, release)
        if wrong := missing(trial.health, asked):
            return wrong
        if self._records.is_return_asked():
            return "a person asked for it"
        now, wrong = self._look(trial)
        if not wrong and starts(trial.health, now) != starts(trial.health, health):
            wrong = "a process was started anew"
        return wrong

    def _is_cut_short(self, trial: Trial) -> bool:
        in_force = self._places.in_force()
        return (
            trial.boot_id != self._clock.read().boot_id
            or in_force is None
            or in_force.version != trial.version
        ) and not trial.returning

    def _confirm(self, trial: Trial) -> Outcome:
        return self._decided(trial, "confirmed", "all that worked before works")

    def _return(self, trial: Trial, why: str, *, restarts: bool = True) -> Outcome:
        places = self._places
        with contextlib.suppress(OSError):
            # A full disk takes no files, and the link all the same.
            self._records.write(msgspec.structs.replace(trial, returning=why))
        # Without a look at what is there: whatever it is, the way back is not refused.
        replace_link(places.current, places.link_target(trial.before))
        if restarts:
            self._units.restart()
        return self._decided(trial, "returned", why)

    def _decided(
        self, trial: Trial, outcome: Literal["confirmed", "returned"], why: str
    ) -> Outcome:
        decided = Outcome(
            number=trial.number,
            version=trial.version,
            before=trial.before,
            outcome=outcome,
            why=why,
            ended_utc_s=self._clock.read().t_utc_ns // NS_PER_S,
        )
        with contextlib.suppress(OSError):
            # On a full disk it is in the journal alone; undecided, it would be returned for ever.
            self._records.note(decided)
        self._records.clear()
        return decided

    def _check_configuration(self, release: InstalledRelease) -> None:
        """Have the release read the configuration that it would run with."""
        if release.role is not MachineRole.POLE:
            return
        command = [str(release.directory / "bin/roeh"), "config", "check", "--config"]
        try:
            done = subprocess.run(
                [*command, str(self._places.node_file)],
                capture_output=True,
                text=True,
                check=False,
                timeout=_CHECK_PATIENCE_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(
                f"does not start ({error})", release.version, "install it again"
            ) from error
        if done.returncode:
            raise ReleaseRefused(
                what=f"does not take this configuration ({done.stderr.strip()[-500:]})",
                which=release.version,
                remedy="bring a configuration that both releases take, then try again",
            )


def _check_store(wanted: InstalledRelease, in_force: InstalledRelease, allowed: Allowed) -> None:
    mine, theirs = _schema(wanted), _schema(in_force)
    if mine != theirs and not allowed.other_store:
        raise ReleaseRefused(
            what=f"its store is of schema {mine}, that of {in_force.version} of {theirs}: once "
            "changed, there is no way back",
            which=wanted.version,
            remedy="export what has to be kept, then --allow-other-store",
        )


def _schema(release: InstalledRelease) -> int:
    manifest = release.manifest
    is_pole = release.role is MachineRole.POLE
    return manifest.store_schema if is_pole else manifest.desk_schema


def _failed(what: str, which: str, remedy: str) -> ReleaseFailed:
    return ReleaseFailed(what=what, which=which, remedy=remedy)
