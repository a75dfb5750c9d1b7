"""What a pole takes of its link, counted packet by packet (the long form: make wire)."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from roeh.demo.footage import fetch_footage
from tests.apt import require_packages
from tests.wire.__main__ import GOALS_KBPS, Figure

pytestmark = [
    pytest.mark.apt("mosquitto iproute2 nftables opencv-doc"),
    pytest.mark.timeout(300),
]

#: A minute passes in six seconds (publish looks each two whether a heartbeat is due); a
#: checkpoint falls into each five of them.
_PACE = ("--speed", "10", "--minutes", "5", "--json")
#: Five short minutes tell no closer: one checkpoint more is 3 % of an alert a minute, the first
#: pictures of the footage are 5 % larger than the mean of all, and on a busy machine an alert and
#: its picture are acknowledged apart. The goal itself is held at real pace: make wire.
_AS_GOOD_AS = 1.15
_EDGE = Path(__file__).parents[2]


def test_a_pole_takes_no_more_of_its_link_than_promised(as_root):
    require_packages("mosquitto", "iproute2", "nftables")
    fetch_footage()
    # Side by side, each in a network of its own.
    measuring = {what: _started(what) for what in GOALS_KBPS}
    said = {what: process.communicate() for what, process in measuring.items()}
    figures = [_last_line(what, *outputs) for what, outputs in said.items()]
    told = "\n".join(str(figure) for figure in figures)
    assert all(figure.kbps <= figure.goal_kbps * _AS_GOOD_AS for figure in figures), told
    # Nor so little that it was not there: a heartbeat and a picture have their bytes.
    assert all(figure.kbps >= figure.goal_kbps / 2 for figure in figures), told


def _last_line(what, out, errors):
    last = out.rstrip().rpartition("\n")[2]
    assert last.startswith("{"), f"{what}: {out}{errors}"
    return msgspec.json.decode(last, type=Figure)


def _started(what):
    return subprocess.Popen(
        ["unshare", "--net", sys.executable, "-m", "tests.wire", *_PACE, "--only", what],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(_EDGE)},
    )
