"""Cut by cut: write until the power goes, mount what is left, recover, look."""

from __future__ import annotations

import collections
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, SystemClock
from tests.powercut import check, writer
from tests.powercut.acknowledgements import Acknowledgement, read_acknowledgements
from tests.powercut.check import Findings
from tests.powercut.disks import DiskKind, cut_now, powered
from tests.powercut.forks import start
from tests.powercut.mounts import make_file_system, mounted, repair, workplace
from tests.powercut.panel import Panel
from tests.powercut.plan import CUTS_A_DISK, Cut, DiskPlan, plan_disk
from tests.powercut.report import CutOutcome
from tests.powercut.unsynced import Unsynced

DISK_BYTES = 48 * 1024 * 1024
_PATIENCE_S = 60.0
_CLOCK = SystemClock()


class Run(msgspec.Struct, frozen=True):
    """What is asked for: all disks that give so many cuts, or the one disk `only`."""

    seed: int
    cuts: int
    kinds: tuple[DiskKind, ...] = tuple(DiskKind)
    only: int | None = None
    unsynced: Unsynced | None = None
    jobs: int = 2


def run(asked: Run) -> Iterator[CutOutcome]:
    """Disk by disk, `jobs` at a time; the outcomes in the order of the plan."""
    numbers = range(-(-asked.cuts // CUTS_A_DISK)) if asked.only is None else [asked.only]
    plans = [plan_disk(asked.seed, n, asked.kinds[n % len(asked.kinds)]) for n in numbers]
    with workplace() as place, ThreadPoolExecutor(asked.jobs) as pool:
        empty = place / "empty.img"
        make_file_system(empty, DISK_BYTES)

        def one(plan: DiskPlan) -> list[CutOutcome]:
            return _run_disk(plan, empty, place / f"disk-{plan.number}", asked.unsynced)

        for outcomes in pool.map(one, plans):
            yield from outcomes


def _run_disk(
    plan: DiskPlan, empty: Path, place: Path, unsynced: Unsynced | None
) -> list[CutOutcome]:
    """All cuts of one disk, one after the other, in a directory of its own."""
    place.mkdir()
    shutil.copyfile(empty, place / "disk.img")
    outcomes: list[CutOutcome] = []
    acknowledged: list[Acknowledgement] = []
    for number, cut in enumerate(plan.cuts):
        outcome = _run_cut(plan, number, cut, place, acknowledged, unsynced)
        outcomes.append(outcome)
        if not outcome.is_good:
            break  # what comes after would only find the same again
    shutil.rmtree(place)
    return outcomes


def _run_cut(
    plan: DiskPlan,
    number: int,
    cut: Cut,
    place: Path,
    acknowledged: list[Acknowledgement],
    unsynced: Unsynced | None,
) -> CutOutcome:
    began_ns = _CLOCK.mono_ns()
    image = place / "disk.img"
    panel = Panel(place / "panel", place / "acknowledgements")
    panel.acknowledgements.write_bytes(b"")
    said: list[str] = []
    sessions = 0
    with powered(plan.kind, image, place, panel, cut.seed) as point:
        if cut.at_write is not None:
            panel.numbers.cut_at_write = cut.at_write
        for session in cut.sessions:
            sessions += 1
            writing = writer.Writing(point, session, plan.kind, cut.aim, unsynced)
            _run(start(writer.write, writing, panel), "the writer", said)
            if panel.numbers.is_cut or said:
                break
        if not panel.numbers.is_cut:
            cut_now(plan.kind, point, panel)
    numbers = panel.numbers
    new = read_acknowledgements(panel.acknowledgements, numbers.acknowledged_bytes)
    acknowledged += new
    findings = _look(image, place, acknowledged, said)
    return CutOutcome(
        disk=plan.number,
        kind=plan.kind,
        cut=number,
        at_write=numbers.writes,
        unflushed_sectors=numbers.unflushed_sectors,
        kept_sectors=numbers.kept_sectors,
        sessions=sessions,
        acknowledged=_count(new),
        lost=findings.lost,
        wrong=(*said, *findings.wrong),
        duration_s=(_CLOCK.mono_ns() - began_ns) / NS_PER_S,
    )


def _look(
    image: Path, place: Path, acknowledged: list[Acknowledgement], said: list[str]
) -> Findings:
    """Mount and check in a process of its own: a store that cannot be opened is a finding."""
    if not repair(image):
        return Findings(wrong=("the file system cannot be repaired",))
    findings = place / "findings"
    findings.unlink(missing_ok=True)
    with mounted(image, place / "disk") as point:
        _run(start(check.check, point, acknowledged, findings), "recovery", said)
    if not findings.exists():
        return Findings(lost=("everything: the store did not come back",))
    return msgspec.json.decode(findings.read_bytes(), type=Findings)


def _count(acknowledged: list[Acknowledgement]) -> dict[str, int]:
    return collections.Counter(str(one.__struct_config__.tag) for one in acknowledged)


def _run(process: ForkServerProcess, name: str, said: list[str]) -> None:
    """Wait for its end; an end that is not a good one is said."""
    process.join(_PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
        said.append(f"{name} hung")
    elif process.exitcode:
        said.append(f"{name} ended with status {process.exitcode}")
