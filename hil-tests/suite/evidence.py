"""A pole's evidence: what its ledger says, and whether the offline verifier finds it whole."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from suite.machine import Machine
from suite.pole import DATA_DIR

_ROOT = "/etc/roeh/root-ca.pem"
_PATIENCE_S = 300.0
_RECORDS = Path(__file__).parent / "probes/records.py"
#: A line of its verdict (edge/docs/verify.md).
_ANSWER = re.compile(r"^  (bytes intact|signer trusted|complete) +(OK|FAIL|NOT CHECKED) ", re.M)
_ASPECTS = {"bytes intact", "signer trusted", "complete"}


class Verdict(msgspec.Struct, frozen=True):
    """What the verifier found.

    Attributes:
        status: its exit status.
        said: its report in words.
    """

    status: int
    said: str

    @property
    def is_whole(self) -> bool:
        """No byte, no signer and no piece is other than it was recorded.

        Time is not looked at: a virtual pole's clock is nobody's.
        """
        # By its words: whoever crashed, was ended or refused has an exit status too.
        answers = dict(_ANSWER.findall(self.said))
        return (
            set(answers) == _ASPECTS
            and "FAIL" not in answers.values()
            and (answers["bytes intact"] == "OK")
        )


class Gap(msgspec.Struct, frozen=True):
    """Nothing was recorded in between, and why; signed."""

    reason: str
    from_utc_us: int
    to_utc_us: int


class Stored(msgspec.Struct, frozen=True):
    """An alert message that was made durable."""

    seq: int
    id: str


class Records(msgspec.Struct, frozen=True):
    """What the suite reads of a ledger, in its order."""

    gaps: tuple[Gap, ...]
    alerts: tuple[Stored, ...]


def verified(machine: Machine) -> Verdict:
    """Judge a pole's whole store while it runs."""
    said = machine.ask(
        f"/usr/local/bin/roeh verify {DATA_DIR} --trust {_ROOT}", patience_s=_PATIENCE_S
    )
    return Verdict(said.status, said.out + said.err)


def check_whole(machine: Machine) -> None:
    """Hold that a pole's evidence is whole; what the verifier said is told where it is not."""
    verdict = verified(machine)
    assert verdict.is_whole, f"status {verdict.status}: {verdict.said}"


def records(machine: Machine) -> Records:
    """The ledger of a pole that runs."""
    said = machine.python(_RECORDS, DATA_DIR)
    assert said.status == 0, said.err
    return msgspec.json.decode(said.out, type=Records)
