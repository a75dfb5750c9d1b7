"""What is asked of systemd when a release comes into force."""

from roeh.release.carried import MachineRole
from roeh.release.units import Units

_SYSTEMCTL = """#!/bin/sh
echo "$*" >>"{log}"
case "$*" in *--property=Wants*) echo roeh-capture.service roeh-evidence.service ;; esac
"""


def test_the_start_waits_until_every_unit_has_stopped(tmp_path):
    """Of a target alone it does not: a unit not yet stopped would run the release before."""
    log, systemctl = tmp_path / "log", tmp_path / "systemctl"
    systemctl.write_text(_SYSTEMCTL.format(log=log))
    systemctl.chmod(0o755)
    Units(MachineRole.POLE, (str(systemctl),)).restart()
    stop, start = [line for line in log.read_text().splitlines() if not line.startswith("show")]
    assert stop.split() == ["stop", "roeh.target", "roeh-capture.service", "roeh-evidence.service"]
    assert start == "start --no-block roeh.target"
