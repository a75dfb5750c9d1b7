"""Looks at a machine: its units, what its processes write for metrics, what the doctor says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from roeh.core.config import load_config
from roeh.core.errors import ChecksFailed, ConfigError
from roeh.release.carried import MachineRole
from roeh.release.health import Health
from roeh.release.places import InstalledRelease, Places
from roeh.release.units import Units

_LINE = re.compile(r"^(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_DOCTOR_PATIENCE_S: Final = 180.0


class _Finding(msgspec.Struct, frozen=True):
    """What of the doctor's lines is read; another release may say more."""

    check: str
    verdict: str
    code: str = ""


class Observer:
    """What is asked of a machine, however its release fares.

    Args:
        places: of the machine.
        role: of the machine.
        units: of that role.
        apart: what starts the doctor outside of whatever encloses this process, so that it
            finds the same before a trial and in it.
    """

    def __init__(
        self, places: Places, role: MachineRole, units: Units, apart: Sequence[str] = ()
    ) -> None:
        self._places = places
        self._role = role
        self._units = units
        self._apart = tuple(apart)

    def look(self, version: str, since_utc_s: float = 0.0) -> Health:
        """Units and metrics.

        Args:
            version: metrics of another release's processes are passed over.
            since_utc_s: and so are those that were written before.

        Raises:
            ReleaseFailed: systemd does not answer.
        """
        shown: set[str] = set()
        recorded: set[str] = set()
        is_connected = False
        for path in self._metrics_files():
            values = metrics_in(path)
            if ("roeh_build_info", version) not in {
                (name, labels.get("version")) for name, labels, _ in values
            } or _value(values, "roeh_metrics_written_timestamp_seconds") < since_utc_s:
                continue
            shown.add(path.stem.removeprefix("roeh_"))
            for name, labels, value in values:
                if name == "roeh_capture_gops_sent_total" and value > 0:
                    recorded.add(labels.get("camera", ""))
                elif name == "roeh_publish_connections_total" and value > 0:
                    is_connected = True
        return Health(
            units=tuple(self._units.states()),
            shown=frozenset(shown),
            recorded=frozenset(recorded),
            is_connected=is_connected,
        )

    def with_doctor(self, health: Health, release: InstalledRelease) -> Health:
        """And what the doctor of a release says of this machine."""
        return msgspec.structs.replace(health, failed_checks=self._failed_checks(release))

    def _failed_checks(self, release: InstalledRelease) -> frozenset[str]:
        command = [*self._apart, str(release.directory / "bin/roeh"), "doctor", "--json"]
        if self._role is MachineRole.POLE:
            command += ["--config", str(self._places.node_file)]
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, timeout=_DOCTOR_PATIENCE_S
            )
            findings = [
                msgspec.json.decode(line, type=_Finding) for line in done.stdout.splitlines()
            ]
        except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
            return frozenset({f"doctor ({type(error).__name__})"})
        if done.returncode not in (0, ChecksFailed.exit_status):
            return frozenset({f"doctor (status {done.returncode})"})
        return frozenset(one.code or one.check for one in findings if one.verdict == "FAIL")

    def _metrics_files(self) -> list[Path]:
        if self._role is not MachineRole.POLE:
            return []
        try:
            directory = load_config(self._places.node_file).metrics.dir
        except ConfigError:
            return []
        return sorted(Path(directory).glob("roeh_*.prom")) if directory else []


def metrics_in(path: Path) -> list[tuple[str, dict[str, str], float]]:
    """Name, labels and value of each line of a file of metrics; none where it went away."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return []
    return [
        (match["name"], dict(_LABEL.findall(match["labels"])), float(match["value"]))
        for match in _LINE.finditer(text)
    ]


def _value(values: list[tuple[str, dict[str, str], float]], wanted: str) -> float:
    return next((value for name, _, value in values if name == wanted), 0.0)
