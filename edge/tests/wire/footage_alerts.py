"""Alerts that detection really makes of real people, with their thumbnails."""

from __future__ import annotations

import signal
import subprocess
import sys

import msgspec

from roeh.core.config import BrokerSection, config_as_toml
from roeh.core.errors import EXIT_INTERRUPTED
from roeh.core.types import Alert, AlertDraft, AlertPhase
from roeh.demo.footage import fetch_footage
from roeh.demo.scene import panorama_scene
from tests.waiting import wait_until

_PATIENCE_S = 120.0


class MadeAlert(msgspec.Struct, frozen=True):
    """What detect hands over."""

    draft: AlertDraft
    thumbnail: bytes


def made_alerts(directory, profile, number):
    """The first raised alerts of the footage, this many, replayed with this profile."""
    footage = fetch_footage()
    config = msgspec.structs.replace(panorama_scene(footage), broker=BrokerSection(profile=profile))
    path = directory / f"{profile}.toml"
    path.write_text(config_as_toml(config))
    out = directory / profile
    _replay(footage, path, out, number)
    pictures = {int(one.name.split("-")[0]): one for one in (out / "thumbnails").iterdir()}
    found = []
    for line in (out / "alerts.jsonl").read_text().splitlines():
        alert = msgspec.json.decode(line, type=Alert)
        if alert.phase is AlertPhase.RAISED and alert.seq in pictures:
            fields = msgspec.structs.asdict(alert)
            draft = AlertDraft(**{name: fields[name] for name in AlertDraft.__struct_fields__})
            found.append(MadeAlert(draft, pictures[alert.seq].read_bytes()))
    assert len(found) >= number, "detection found too few in the footage"
    return found[:number]


def _replay(footage, config, out, number):
    """Until there are so many pictures: no more of the footage than that takes."""
    command = [sys.executable, "-m", "roeh", "replay", str(footage), "-c", str(config)]
    replay = subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )

    def is_enough():
        return len([*out.glob("thumbnails/*")]) >= number or replay.poll() is not None

    try:
        wait_until(is_enough, _PATIENCE_S)
        replay.send_signal(signal.SIGINT)
        _, said = replay.communicate(timeout=_PATIENCE_S)
    finally:
        replay.kill()
    assert replay.returncode in (0, EXIT_INTERRUPTED), said.decode()
