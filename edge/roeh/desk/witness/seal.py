"""The time and the line of a cosignature."""

from __future__ import annotations

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.log import log_for
from roeh.desk.witness.entries import WitnessTime
from roeh.desk.witness.key import WitnessKeys
from roeh.ledger.note import add_signature_line, parse_note

_US_PER_S = 1_000_000
_LOG = log_for("witness")


class Seal:
    """Says when something was seen, as far as this machine can know.

    Args:
        keys: the witness's.
        clock: of this machine.
        may_be_unsynchronised: cosign although the clock is not known to be right.
    """

    def __init__(self, keys: WitnessKeys, clock: Clock, *, may_be_unsynchronised: bool) -> None:
        self._keys = keys
        self._clock = clock
        self._may_be_unsynchronised = may_be_unsynchronised
        self._told = False

    def now(self) -> WitnessTime:
        """What this machine's clock says, and what it knows of its error."""
        now = self._clock.read()
        return WitnessTime(
            now.t_utc_ns // NS_PER_US, now.utc_error_ns // NS_PER_US, now.synchronised
        )

    def time_s(self, time: WitnessTime) -> int | None:
        """The time of a cosignature; None when this machine cannot know it.

        The clock's error is added and the second rounded up: what was seen existed by then,
        whichever way the clock is off.
        """
        if time.synchronised:
            self._told = False
            return _seconds_up(time.t_utc_us + time.error_us)
        if not self._told:
            self._told = True
            _LOG.warning(
                "this machine's clock is not synchronised: %s",
                "cosigned all the same, as configured; such a time proves nothing"
                if self._may_be_unsynchronised
                else "what continues is kept, but nothing is cosigned until it is",
            )
        return _seconds_up(time.t_utc_us) if self._may_be_unsynchronised else None

    def cosigned(self, note: str, t_utc_s: int) -> str:
        """The note with the witness's line; the same time gives the same line."""
        line = self._keys.cosignature(parse_note(note).text, t_utc_s)
        return add_signature_line(note, line)


def _seconds_up(t_us: int) -> int:
    return -(-t_us // _US_PER_S)
