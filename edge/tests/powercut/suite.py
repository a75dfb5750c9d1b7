"""Cut by cut: write until the power goes, mount what is left, recover, look."""

from __future__ import annotations

import collections
import random
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, SystemClock
from tests.powercut.acknowledgements import (
    Acknowledgement,
    AlertAcknowledged,
    read_acknowledgements,
)
from tests.powercut.afterwards import go_on
from tests.powercut.check import Findings, check
from tests.powercut.disks import DiskKind, cut_now, powered
from tests.powercut.evidence import CAMERAS, Powered, evidence
from tests.powercut.forks import CONTEXT, start
from tests.powercut.mounts import make_file_system, mounted, repair, workplace
from tests.powercut.panel import Panel
from tests.powercut.plan import (
    CUTS_A_DISK,
    AtWrite,
    Cut,
    DiskPlan,
    FlushFails,
    NearStep,
    Session,
    WriteFails,
    plan_disk,
)
from tests.powercut.pole import Living, live
from tests.powercut.report import CutOutcome
from tests.powercut.unsynced import Unsynced

DISK_BYTES = 48 * 1024 * 1024
_PATIENCE_S = 30.0
_LOOK_EACH_S = 0.0005
_GRACE_S = 0.2
_CLOCK = SystemClock()


class Run(msgspec.Struct, frozen=True):
    """What is asked for: all disks that give so many cuts, or the one disk `only`.

    `keep` is a directory for the data directories of disks that were not good. With
    `kills_at_fault` evidence is killed in the moment in which a write fails.
    """

    seed: int
    cuts: int
    kinds: tuple[DiskKind, ...] = tuple(DiskKind)
    only: int | None = None
    unsynced: Unsynced | None = None
    jobs: int = 2
    keep: Path | None = None
    kills_at_fault: bool = False


def run(asked: Run) -> Iterator[CutOutcome]:
    """Disk by disk, `jobs` at a time; the outcomes in the order of the plan."""
    numbers = range(-(-asked.cuts // CUTS_A_DISK)) if asked.only is None else [asked.only]
    plans = [plan_disk(asked.seed, n, asked.kinds[n % len(asked.kinds)]) for n in numbers]
    # Processes, since multiprocessing's own bookkeeping is not for several threads.
    with workplace() as place, ProcessPoolExecutor(asked.jobs, mp_context=CONTEXT) as pool:
        empty = place / "empty.img"
        make_file_system(empty, DISK_BYTES)
        waiting = [
            pool.submit(_run_disk, plan, empty, place / f"disk-{plan.number}", asked)
            for plan in plans
        ]
        for one in waiting:
            yield from one.result()


def _run_disk(plan: DiskPlan, empty: Path, place: Path, asked: Run) -> list[CutOutcome]:
    return _Disk(plan, empty, place, asked).run()


class _Disk:
    """One disk and what was ever acknowledged on it."""

    def __init__(self, plan: DiskPlan, empty: Path, place: Path, asked: Run) -> None:
        place.mkdir()
        self._plan = plan
        self._place = place
        self._asked = asked
        self._image = place / "disk.img"
        self._said = place / "said"
        shutil.copyfile(empty, self._image)
        (place / "acknowledgements").touch()
        self._panel = Panel(place / "panel", place / "acknowledgements")
        self._acknowledged: list[Acknowledgement] = []
        self._had_faults = False
        self._kills_at_fault = False

    def run(self) -> list[CutOutcome]:
        """All its cuts; after one that is not good the next would find the same again."""
        outcomes: list[CutOutcome] = []
        for number, cut in enumerate(self._plan.cuts):
            outcomes.append(self._cut(number, cut))
            if not outcomes[-1].is_good:
                break
        shutil.rmtree(self._place)
        return outcomes

    def _cut(self, number: int, cut: Cut) -> CutOutcome:
        began_ns = _CLOCK.mono_ns()
        self._said.write_bytes(b"")
        self._panel.acknowledgements.write_bytes(b"")
        with powered(self._plan.kind, self._image, self._place, self._panel, cut.seed) as point:
            sessions, wrong = self._write(point, cut)
            if not self._panel.is_over:
                cut_now(self._plan.kind, point, self._panel)
        numbers = self._panel.numbers
        self._had_faults |= bool(numbers.has_failed)
        if not numbers.is_cut:  # a disk whose flushes failed: there is no moment to stop counting
            numbers.acknowledged_bytes = self._panel.acknowledgements.stat().st_size
        new = read_acknowledgements(self._panel.acknowledgements, numbers.acknowledged_bytes)
        self._acknowledged += new
        found = self._recover(cut)
        return CutOutcome(
            disk=self._plan.number,
            kind=self._plan.kind,
            cut=number,
            how=_named(cut, numbers.writes),
            unflushed_sectors=numbers.unflushed_sectors,
            kept_sectors=numbers.kept_sectors,
            sessions=sessions,
            acknowledged=_count(new),
            lost=found.lost,
            wrong=(*wrong, *found.wrong),
            records=found.records,
            duration_s=(_CLOCK.mono_ns() - began_ns) / NS_PER_S,
        )

    def _write(self, point: Path, cut: Cut) -> tuple[int, tuple[str, ...]]:
        """Let the pole write until the power goes: sessions of evidence, what went wrong."""
        boot_id = _uuid(cut.seed)
        opening = self._opening(point, boot_id, cut)
        self._kills_at_fault = self._asked.kills_at_fault
        if isinstance(cut.how, AtWrite):
            self._panel.numbers.cut_at_write = cut.how.write
        elif isinstance(cut.how, FlushFails):
            self._panel.numbers.fail_from_flush = cut.how.flush
        elif isinstance(cut.how, WriteFails):
            self._panel.numbers.fail_write = cut.how.write
            self._panel.numbers.cut_at_write = cut.how.write + cut.how.later
        living = Living(
            socket=opening.socket,
            said=self._said,
            boot_id=boot_id,
            seed=cut.seed,
            cameras=CAMERAS,
        )
        pole = start(live, living, self._panel)
        try:
            for number, session in enumerate(cut.sessions, 1):
                why = self._session(opening, session, pole)
                if why:
                    return number, (f"{why}: {self._last_said()}",)
                if self._panel.is_over:
                    break
            return number, ()
        finally:
            _kill(pole)

    def _session(self, opening: Powered, session: Session, pole: ForkServerProcess) -> str:
        """One opening of the store; why it did not end as it should, or nothing."""
        numbers = self._panel.numbers
        wanted = numbers.acknowledged + session.things
        process = start(evidence, opening, self._panel)
        try:
            seen, seen_ns = numbers.acknowledged, _CLOCK.mono_ns()
            while not self._panel.is_over and numbers.acknowledged < wanted:
                if self._kills_at_fault and numbers.has_failed:
                    self._kills_at_fault = False
                    return ""
                if not process.is_alive():
                    if self._panel.is_excused:
                        break  # the next session is its restart
                    return f"evidence ended with status {process.exitcode}"
                if not pole.is_alive():
                    return "the pole ended"
                now_ns = _CLOCK.mono_ns()
                if numbers.acknowledged != seen:
                    seen, seen_ns = numbers.acknowledged, now_ns
                elif self._panel.is_excused and now_ns - seen_ns > NS_PER_S:
                    break
                elif now_ns - seen_ns > _PATIENCE_S * NS_PER_S:
                    return "nothing was acknowledged any more"
                _CLOCK.wait(_LOOK_EACH_S)
            if self._panel.is_over:
                process.join(_GRACE_S)  # what it acknowledges now, it will be held to
            elif not session.is_killed:
                process.terminate()
                process.join(_PATIENCE_S)
                if process.exitcode != 0 and not self._panel.is_excused:
                    return f"evidence did not stop: status {process.exitcode}"
            return ""
        finally:
            _kill(process)

    def _recover(self, cut: Cut) -> Findings:
        """Mount, let evidence recover and go on, and look."""
        if not repair(self._image):
            return Findings(wrong=("the file system cannot be repaired",))
        self._said.write_bytes(b"")
        findings = self._place / "findings"
        findings.unlink(missing_ok=True)
        wrong: list[str] = []
        with mounted(self._image, self._place / "disk") as point:
            boot_id = _uuid(cut.seed + 1)
            opening = msgspec.structs.replace(
                self._opening(point, boot_id, cut), aim=None, unsynced=None
            )
            process = start(evidence, opening, self._panel)
            try:
                self._acknowledged += go_on(opening.socket, boot_id, CAMERAS, process.is_alive)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                wrong.append(f"the store does not go on ({error}): {self._last_said()}")
            process.terminate()
            process.join(_PATIENCE_S)
            if process.exitcode != 0:
                wrong.append(f"recovery ended with {process.exitcode}: {self._last_said()}")
            _kill(process)
            checker = start(check, point / "data", self._acknowledged, findings, self._had_faults)
            checker.join(_PATIENCE_S)
            _kill(checker)
            found = self._read(findings)
            found = msgspec.structs.replace(found, wrong=(*wrong, *found.wrong))
            if self._asked.keep is not None and (found.lost or found.wrong):
                kept = self._asked.keep / f"seed-{self._asked.seed}-disk-{self._plan.number}"
                shutil.copytree(point / "data", kept, dirs_exist_ok=True)
        return found

    def _read(self, findings: Path) -> Findings:
        if not findings.exists():
            return Findings(lost=("everything: nothing can be read",))
        return msgspec.json.decode(findings.read_bytes(), type=Findings)

    def _opening(self, point: Path, boot_id: str, cut: Cut) -> Powered:
        return Powered(
            point=point,
            run_dir=self._place / "run",
            boot_id=boot_id,
            said=self._said,
            kind=self._plan.kind,
            aim=cut.how if isinstance(cut.how, NearStep) else None,
            unsynced=self._asked.unsynced,
        )

    def _last_said(self) -> str:
        lines = self._said.read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:])


def _count(acknowledged: list[Acknowledgement]) -> dict[str, int]:
    """By kind; each alert raised has a lock of its own."""
    counts = collections.Counter(str(one.__struct_config__.tag) for one in acknowledged)
    counts["lock"] = sum(
        isinstance(one, AlertAcknowledged) and one.id == one.raised_id for one in acknowledged
    )
    return counts


def _named(cut: Cut, writes: int) -> str:
    """How it went, and after how many writes: "write 569", "create 80"."""
    kind = cut.how.step.name.lower() if isinstance(cut.how, NearStep) else _TAGS[type(cut.how)]
    return f"{kind} {writes}"


_TAGS = {AtWrite: "write", FlushFails: "flush", WriteFails: "fault"}


def _uuid(seed: int) -> str:
    return str(uuid.UUID(int=random.Random(seed).getrandbits(128), version=4))


def _kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join(_PATIENCE_S)
