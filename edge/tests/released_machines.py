"""A machine with releases on it, and a systemd that starts whatever `current` names.

The releases are folders with a manifest and a command; what they do when they are started stands
in a file each. Everything else is the product's.
"""

import os
import signal
import stat
import sys

from roeh.core.clock import SimulatedClock
from roeh.core.metrics.text import exposition
from roeh.release.carried import MachineRole
from roeh.release.manifest import MANIFEST_FILE, ReleaseManifest, manifest_bytes
from roeh.release.observing import Observer
from roeh.release.places import ROLE_FILE, Places
from roeh.release.trial_records import TrialRecords
from roeh.release.trials import Patience, Trials
from roeh.release.units import Units
from tests.commanded_nodes import NODE

UNITS = ("roeh-capture", "roeh-evidence", "roeh-publish")
#: Wanted too, and inactive but where a release flaps.
RETRIEVE = "roeh-retrieve"
PATIENCE = Patience(patience_s=12.0, quiet_s=1.0)
OTHER_BOOT = "00000000-0000-4000-8000-000000000001"

_SYSTEMCTL = """#!/bin/sh
# States of units are files; to start them is to copy what the release in force does.
cd "{machine}"
read -r silent <silent
copied() {{
    while read -r line; do
        case "$line" in *COUNT) line="${{line%COUNT}}$1" ;; esac
        echo "$line"
    done
}}
case "$1" in "$silent"*) echo no answer >&2; exit 1 ;; esac
begun() {{
    release=$(readlink opt/current)
    read -r count <starts; count=$((count + 1)); echo $count >starts
    echo "${{release##*/}}" >running
    for unit in {units}; do
        # What was not stopped runs on.
        read -r state <"units/$unit.service"
        if [ "$state" != ActiveState=active ]; then
            copied $count <"opt/$release/unit" >"units/$unit.service"
            cp "opt/$release/metrics/roeh_${{unit#roeh-}}.prom" metrics/ 2>/dev/null
        fi
    done
    if [ -e "opt/$release/flapping" ]; then
        cp "opt/$release/flapping" units/{retrieve}.service
    fi
    return 0
}}
case "$*" in
    *--property=Wants*) echo basic.target {unit_names} ;;
    *--property=LoadState*) echo loaded ;;
    show*) shift 2; for unit; do echo "Id=$unit"; copied $$ <"units/$unit"; echo; done ;;
    stop*) echo none >running
        # Those that are named: it does not wait for what else ends with the target.
        shift; for unit; do case "$unit" in *.service)
            echo ActiveState=inactive >"units/$unit"
            process=${{unit#roeh-}}; rm -f "metrics/roeh_${{process%.service}}.prom" ;;
        esac; done ;;
    *" roeh.target") begun ;;
esac
"""

_COMMAND = """#!/bin/sh
here=$(dirname "$0")/..
case "$1" in
    config) exec cat "$here/config" >&2 ;;
    doctor)
        cat "$here/doctor"
        if [ -e "$here/at_the_doctors" ]; then cp -rT "$here/at_the_doctors" "$here/../../.."; fi ;;
esac
"""


class Machine:
    """One machine in a folder."""

    def __init__(self, root):
        self.root = root
        self.places = Places(opt=root / "opt", etc=root / "etc", command=root / "bin/roeh")
        for name in ("opt/releases", "etc", "bin", "units", "metrics"):
            (root / name).mkdir(parents=True)
        metrics = f'[metrics]\ndir = "{root / "metrics"}"\n'
        self.places.node_file.write_text(NODE + metrics)
        (root / "starts").write_text("0\n")
        self.silent("nothing")
        names = " ".join(f"{unit}.service" for unit in (*UNITS, RETRIEVE))
        for unit in (*UNITS, RETRIEVE):
            (root / f"units/{unit}.service").write_text("ActiveState=inactive\n")
        self._executable(
            root / "bin/systemctl",
            _SYSTEMCTL.format(
                machine=root, units=" ".join(UNITS), unit_names=names, retrieve=RETRIEVE
            ),
        )

    def add(
        self,
        version,
        *,
        state="active",
        restarts=0,
        connected=True,
        recorded=True,
        fails=(),
        store_schema=2,
        config_status=0,
        flapping=False,
        at_the_doctors=None,
    ):
        """A release and what it does when it is started.

        A flapping one has retrieve restarted whenever somebody looks; at the doctor's are files
        of the machine that are put there while its doctor is at work.
        """
        home = put_release(self.places, version, store_schema=store_schema)
        command = _COMMAND.replace('exec cat "$here/config" >&2', f"exit {config_status}")
        self._executable(home / "bin/roeh", command)
        lines = "".join(f'{{"check":"x","verdict":"FAIL","code":"{code}"}}\n' for code in fails)
        (home / "doctor").write_text(lines)
        (home / "unit").write_text(
            f"ActiveState={state}\nNRestarts={restarts}\nInvocationID={version}-COUNT\n"
        )
        if flapping:
            flaps = "ActiveState=activating\nNRestarts=0\nInvocationID=COUNT\n"
            (home / "flapping").write_text(flaps)
        for name, content in (at_the_doctors or {}).items():
            put = home / "at_the_doctors" / name
            put.parent.mkdir(parents=True)
            put.write_text(content)
        (home / "metrics").mkdir()
        counters = {
            "capture": {"gops_sent_north": float(recorded)},
            "evidence": {},
            "publish": {"connections": float(connected)},
        }
        if state == "active":
            for process, own in counters.items():
                common = {f"version_{version}": 1.0, "written_utc_s": 1_700_000_000.0}
                text = exposition(process, {**common, **own}, {"site": "a", "node": "b"})
                (home / f"metrics/roeh_{process}.prom").write_text(text)
        return self.places.wanted(version)

    def start(self, version):
        """A release is in force and runs."""
        self.places.point(self.places.current, self.places.wanted(version))
        self.units().restart()

    def silent(self, word):
        """Systemd answers nothing that begins with a word."""
        (self.root / "silent").write_text(f"{word}\n")

    def boot(self):
        """As systemd does after a power cut: the settling unit, then everything."""
        outcome = self.trials(boot_id=OTHER_BOOT).settle()
        self.units().restart()
        return outcome

    def units(self):
        return Units(MachineRole.POLE, (str(self.root / "bin/systemctl"),))

    def trials(self, **clock):
        observer = Observer(self.places, MachineRole.POLE, self.units())
        return Trials(self.places, self.units(), observer, SimulatedClock(**clock))

    @property
    def in_force(self):
        return self.places.in_force().version

    @property
    def running(self):
        return (self.root / "running").read_text().strip()

    @property
    def records(self):
        return TrialRecords(self.places.opt)

    def _executable(self, path, text):
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


def put_release(places, version, *, role=MachineRole.POLE, store_schema=2):
    """The folder of a release with nothing in it but what says which it is."""
    home = places.releases / version
    (home / "bin").mkdir(parents=True)
    manifest = ReleaseManifest(
        format="roeh-release-1",
        version=version,
        store_schema=store_schema,
        desk_schema=1,
        minimal_python="3.10",
        commit="none",
        made_utc_s=0,
        files=(),
    )
    (home / MANIFEST_FILE).write_bytes(manifest_bytes(manifest))
    (home / ROLE_FILE).write_text(role.value)
    return home


def killed_at(step, action):
    """Run an action in a process that is killed before its nth change; whether it was.

    A change is what Python's auditing reports of files and processes (PEP 578).
    """
    child = os.fork()
    if child == 0:
        _die_at(step)
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - the child must not come back into pytest
            os.write(2, f"{error!r}\n".encode())
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFSIGNALED(status)


def _die_at(step):
    changes = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "subprocess.Popen"}
    left = [step]

    def watch(event, arguments):
        if event in changes or (event == "open" and arguments[1] in ("w", "wb", "xb")):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    sys.addaudithook(watch)
