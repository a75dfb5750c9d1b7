"""Alerts that detection really makes of real people, with their thumbnails."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from roeh.core.config import BrokerSection, config_as_toml
from roeh.core.types import Alert, AlertDraft, AlertPhase
from roeh.demo.footage import fetch_footage
from roeh.demo.scene import panorama_scene

_FOOTAGE_S = 6.0


class MadeAlert(msgspec.Struct, frozen=True):
    """What detect hands over."""

    draft: AlertDraft
    thumbnail: bytes


def made_alerts(directory, profile):
    """Raised alerts of a few seconds of footage, replayed with this profile."""
    footage = fetch_footage()
    scene = panorama_scene(footage)
    config = msgspec.structs.replace(
        scene,
        broker=BrokerSection(profile=profile),
        sensors=tuple(
            msgspec.structs.replace(sensor, stop_after_s=_FOOTAGE_S) for sensor in scene.sensors
        ),
    )
    path = directory / f"{profile}.toml"
    path.write_text(config_as_toml(config))
    out = directory / profile
    subprocess.run(
        [
            *(sys.executable, "-m", "roeh", "replay", str(footage)),
            *("-c", str(path), "--out", str(out)),
        ],
        check=True,
        capture_output=True,
    )
    pictures = {int(one.name.split("-")[0]): one for one in (out / "thumbnails").iterdir()}
    found = []
    for line in (out / "alerts.jsonl").read_text().splitlines():
        alert = msgspec.json.decode(line, type=Alert)
        if alert.phase is AlertPhase.RAISED and alert.seq in pictures:
            fields = msgspec.structs.asdict(alert)
            draft = AlertDraft(**{name: fields[name] for name in AlertDraft.__struct_fields__})
            found.append(MadeAlert(draft, pictures[alert.seq].read_bytes()))
    assert found, "detection found nobody in the footage"
    return found
