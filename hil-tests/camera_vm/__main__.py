"""`make camera-vm`: builds or goes on from the machine, brings Roeh in, runs the checks.

Exit status: 0 every check was OK, 1 a check failed or none was run, 2 the machine could
not be built, started or reached, 130 it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from qemu_machine.disks import only_one, overlay
from qemu_machine.machine import Machine
from qemu_machine.recipe import install_packages, key_of
from qemu_machine.troubles import MachineFailed

from camera_vm import snapshot
from camera_vm.machine import Image, running
from camera_vm.recipe import HERE, INGREDIENTS, REPOSITORY
from camera_vm.report import Check, Took, check_in, closing_lines, is_good, line_of
from camera_vm.roeh_wheel import carried_files, wheel
from camera_vm.snapshot import Snapshot
from roeh.core.clock import NS_PER_S, Clock, SystemClock

_CACHE = REPOSITORY / "build/camera-vm"
_LOGS = _CACHE / "logs"
#: What is quick comes first.
_CHECKS = " ".join(
    f"guest/test_{name}.py" for name in ("signatures", "streams", "vivid", "recording")
)
#: Restoring is a second or two; a busy machine may take longer.
_RESTORE_PATIENCE_S = 120.0
#: A guest that says nothing for so long is ended: pytest's own time-outs come first.
_CHECKS_PATIENCE_S = 1800.0


def main() -> int:
    """Run; the process's exit status."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _end)
    steps = _Steps(SystemClock())
    try:
        if os.geteuid() != 0:
            raise MachineFailed("needs root: it builds a disk with another system on it")
        with only_one(_CACHE, "make camera-vm"):
            return _run(options, steps)
    except MachineFailed as failure:
        _say(f"camera-vm: {failure}")
        return 2
    except KeyboardInterrupt:
        _say("camera-vm: interrupted; everything it started has ended")
        return 130


def _run(options: argparse.Namespace, steps: _Steps) -> int:
    # A run that was killed leaves its directory; the lock says that nobody uses it.
    for left in Path(tempfile.gettempdir()).glob("camera-vm-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="camera-vm-") as name:
        directory = Path(name)
        try:
            with steps.taking("packages of this machine"):
                install_packages(HERE / "host_packages.txt")
            kept = _snapshot(options, steps, directory)
            return _check(kept, options, steps, directory)
        except BaseException:
            _keep_logs(directory)
            raise


def _snapshot(options: argparse.Namespace, steps: _Steps, directory: Path) -> Snapshot:
    """A machine to go on from, made where it is not there yet."""
    version = _output("qemu-system-x86_64", "--version").splitlines()[0]
    kept = _CACHE / f"image-{key_of(INGREDIENTS)}"
    if options.rebuild:
        shutil.rmtree(kept, ignore_errors=True)
    if not snapshot.is_built(kept):
        with steps.taking("building the machine's disk"):
            snapshot.build(kept)
    wanted = ["tcg"] if options.accelerator == "tcg" else ["kvm", "tcg"]
    known = [snapshot.snapshot_of(Image(kept, one), version) for one in wanted]
    for one in known:
        if snapshot.is_taken(one):
            return one
    with steps.taking("first boot, and its snapshot"):
        chosen = known[-1]
        if len(known) > 1 and os.access("/dev/kvm", os.R_OK | os.W_OK):
            if snapshot.boots_with_kvm(chosen.image, directory, steps.clock):
                chosen = known[0]
            else:
                _say("camera-vm: KVM is there but boots no guest: going on without it")
        snapshot.take(chosen, directory, steps.clock)
    return chosen


def _check(kept: Snapshot, options: argparse.Namespace, steps: _Steps, directory: Path) -> int:
    disk = overlay(kept.disk, directory / "disk.qcow2")
    with contextlib.ExitStack() as stack:
        with steps.taking("start from the snapshot"):
            machine = stack.enter_context(
                running(kept.image, disk, directory, steps.clock, state=kept.state)
            )
            machine.go_on(_RESTORE_PATIENCE_S)
            machine.wait_until_reached(_RESTORE_PATIENCE_S)
        with steps.taking("Roeh and the checks brought in"):
            _bring_in(machine, directory, steps.clock)
        _say(_identity(machine, kept.image))
        with steps.taking("checks"):
            checks, status = _run_checks(machine, options, directory)
        good = is_good(checks, status)
        if not good:
            _keep_logs(directory)
            _say(f"camera-vm: what it said is in {_LOGS.relative_to(REPOSITORY)}/")
    for line in closing_lines(checks, steps.took, good):
        _say(line)
    return 0 if good else 1


def _bring_in(machine: Machine, directory: Path, clock: Clock) -> None:
    """Roeh as a wheel, the checks, the shims; the machine's clock goes on from now."""
    now_s = clock.read().t_utc_ns / NS_PER_S
    machine.run(f"date --set=@{now_s:.3f} && rm -rf /srv/roeh && mkdir /srv/roeh")
    machine.run("tar -x -C /srv/roeh", given=carried_files(wheel(directory)))
    machine.run(
        "cd /srv/roeh && /opt/roeh/bin/pip --disable-pip-version-check install --quiet"
        " --no-deps --no-index --no-compile --root-user-action=ignore ./*.whl"
        " && cp shims/* /opt/roeh/lib/python3.13/site-packages/"
    )


def _identity(machine: Machine, image: Image) -> str:
    """What was checked, in one line: versions are what a result is worth something for."""
    versions = machine.run(
        "/opt/roeh/bin/python -c '"
        "import importlib.metadata as m, libcamera, platform, sys;"
        'print("picamera2", m.version("picamera2") + ", libcamera", '
        'libcamera.CameraManager.singleton().version + ", Linux", platform.release() + ", Python",'
        " platform.python_version())' 2>/dev/null"
    )
    return f"\n{versions.strip()}, {image.accelerator.upper()}\n"


def _run_checks(
    machine: Machine, options: argparse.Namespace, directory: Path
) -> tuple[list[Check], int]:
    """Each check's line as soon as it has ended; all else goes to a log."""
    chosen = f" -k '{options.only}'" if options.only else ""
    command = (
        "cd /srv/roeh && PYTHONPATH=/srv/roeh:/srv/roeh/edge exec /opt/roeh/bin/python -m pytest"
        f" -c guest/pytest.ini --rootdir guest {_CHECKS}{chosen} </dev/null 2>&1"
    )
    checks = []
    with (directory / "checks.log").open("w", buffering=1) as log:
        process = subprocess.Popen(
            machine.ssh_command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                if check := check_in(line):
                    checks.append(check)
                    _say(line_of(check))
            status = process.wait()
        finally:
            process.kill()
            process.wait()
    return checks, status


def _keep_logs(directory: Path) -> None:
    shutil.rmtree(_LOGS, ignore_errors=True)
    _LOGS.mkdir(parents=True)
    for log in directory.glob("*.log"):
        shutil.copy(log, _LOGS)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class _Steps:
    """How long what took."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.took: list[Took] = []

    @contextlib.contextmanager
    def taking(self, step: str) -> Iterator[None]:
        """Time the block."""
        start_ns = self.clock.mono_ns()
        yield
        self.took.append(Took(step, (self.clock.mono_ns() - start_ns) / NS_PER_S))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make camera-vm", description=__doc__)
    parser.add_argument("--rebuild", action="store_true", help="build the disk anew")
    parser.add_argument("--only", default="", metavar="WORD", help="checks whose name has the word")
    parser.add_argument(
        "--accelerator",
        choices=("kvm", "tcg"),
        default="kvm",
        help="kvm (where it works, else tcg) or tcg",
    )
    return parser


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
