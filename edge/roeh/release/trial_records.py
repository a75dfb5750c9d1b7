"""What is remembered of a trial while it is undecided, and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from roeh.core.errors import ReleaseFailed
from roeh.release.health import Health
from roeh.release.places import write_file

_TRIAL_FILE: Final = "trial.json"
_LAST_FILE: Final = "last_trial.json"
_RETURN_FILE: Final = "trial.return"


class Trial(msgspec.Struct, frozen=True):
    """A trial that is undecided.

    Attributes:
        number: drawn, so that no two trials are taken for one.
        before: the version to return to.
        health: before it.
        boot_id: of the boot it began in; another one means that it was cut short.
        began_boot_ns: when it began, since that boot.
        patience_s: by when it has to have proved itself.
        quiet_s: how long all has to be well without a restart.
        returning: why the way back was begun; empty while it was not.
    """

    number: str
    version: str
    before: str
    health: Health
    boot_id: str
    began_boot_ns: int
    patience_s: float
    quiet_s: float
    returning: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """How a trial went."""

    number: str
    version: str
    before: str
    outcome: Literal["confirmed", "returned"]
    why: str
    ended_utc_s: int

    def is_of(self, trial: Trial) -> bool:
        """Whether it is this trial's."""
        return self.number == trial.number


class TrialRecords:
    """The files of trials in the folder of releases; whoever changes them holds it (places.py)."""

    def __init__(self, opt: Path) -> None:
        self._trial = opt / _TRIAL_FILE
        self._last = opt / _LAST_FILE
        self._return = opt / _RETURN_FILE

    def undecided(self) -> Trial | None:
        """The trial that is going on.

        Raises:
            ReleaseFailed: its file cannot be read.
        """
        try:
            trial = msgspec.json.decode(self._trial.read_bytes(), type=Trial)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise ReleaseFailed(
                what=f"cannot be read ({error})",
                which=str(self._trial),
                remedy="remove the file, then return to the release before: roeh release return",
            ) from error
        last = self.last()
        return None if last is not None and last.is_of(trial) else trial

    def last(self) -> Outcome | None:
        """How the last trial went."""
        try:
            return msgspec.json.decode(self._last.read_bytes(), type=Outcome)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, trial: Trial) -> None:
        """From now on this trial is undecided."""
        self._return.unlink(missing_ok=True)
        write_file(self._trial, msgspec.json.encode(trial))

    def note(self, outcome: Outcome) -> None:
        """How a trial went; from now on it is decided."""
        write_file(self._last, msgspec.json.encode(outcome))

    def clear(self) -> None:
        """No trial is going on, and nobody asks for the way back from one."""
        self._return.unlink(missing_ok=True)
        self._trial.unlink(missing_ok=True)

    def ask_for_return(self) -> None:
        """Whoever watches sees it."""
        write_file(self._return, b"")

    def is_return_asked(self) -> bool:
        """Whether somebody asked for the way back."""
        return self._return.exists()
