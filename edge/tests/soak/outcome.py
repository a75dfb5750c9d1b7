"""One run from all sides: what grew, what the record says, what the verifier says of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.soak.camera import journal_of
from tests.soak.judging import (
    TOLERANCE_MACHINE_S,
    counted,
    gap_complaints,
    growth_complaints,
    growth_of,
)
from tests.soak.record import stretches_of, verifier_complaints


@dataclass(frozen=True)
class Outcome:
    """Lines for a person, and what is not good."""

    lines: tuple[str, ...]
    complaints: tuple[str, ...]


def judge(soaked) -> Outcome:
    """While its directory is still there."""
    happenings = journal_of(soaked.journal)
    stretches = stretches_of(soaked)
    growths = [growth_of(process, soaked.samples_of(process)) for process in soaked.statuses]
    complaints = [
        f"{process} ended with status {status}"
        for process, status in soaked.statuses.items()
        if status != 0
    ]
    if len(happenings) != len(soaked.plan):
        complaints.append(f"{len(soaked.plan)} events were planned, {len(happenings)} happened")
    complaints += verifier_complaints(soaked)
    complaints += [line for growth in growths for line in growth_complaints(growth)]
    complaints += gap_complaints(stretches, happenings, TOLERANCE_MACHINE_S * soaked.clock.speed)
    recorded_s = sum(one.to_s - one.from_s for one in stretches if not one.is_gap)
    recorded = f"recorded {recorded_s / 3600:.2f} h, {soaked.frames} frames taken"
    return Outcome(
        lines=(f"{recorded}; {counted(stretches)}", *(_line(growth) for growth in growths)),
        complaints=tuple(complaints),
    )


def _line(growth) -> str:
    return (
        f"{growth.process}: {growth.pss_bytes / 2**20:.1f} MiB, slope"
        f" {growth.slope_bytes_per_h / 1024:+.1f} KiB an hour of the stream, from the second"
        f" quarter to the last {growth.growth_bytes / 1024:+.0f} KiB;"
        f" {growth.more_descriptors:+d} descriptors, {growth.more_threads:+d} threads"
    )
