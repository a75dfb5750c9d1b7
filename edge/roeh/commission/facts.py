"""What is known of the pole at this moment, read once for the whole report."""

from __future__ import annotations

import hashlib
import platform

import msgspec

from roeh import __version__
from roeh.core.board_serial import board_serial
from roeh.core.clock import Clock, ClockReading
from roeh.core.config import NodeConfig, config_as_toml
from roeh.core.errors import RoehError
from roeh.doctor.evidence import key_states
from roeh.doctor.finding import Finding
from roeh.doctor.machine_view import MachineView, text_of
from roeh.doctor.main import diagnose
from roeh.doctor.release import release_in_force
from roeh.keys.pole import KeyState
from roeh.optics.configured import sensor_from
from roeh.vision.open import open_model_for


class PoleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the report says, apart from pictures.

    Attributes:
        release: the version in force; None where it was not installed as a release.
        model: name and SHA-256 of each model that a sensor is looked at with.
        keys: in force; empty before there are any.
    """

    config: NodeConfig
    address: str
    technician: str
    now: ClockReading
    version: str
    release: str | None
    config_sha256: str
    models: tuple[tuple[str, str], ...]
    board: str
    serial: str | None
    system: str
    keys: tuple[KeyState, ...]
    findings: tuple[Finding, ...]


def read_facts(
    config: NodeConfig, *, technician: str, address: str, clock: Clock, view: MachineView
) -> PoleFacts:
    """Everything, the doctor's findings included (which takes some seconds)."""
    return PoleFacts(
        config=config,
        address=address,
        technician=technician,
        now=clock.read(),
        version=__version__,
        release=release_in_force(view),
        config_sha256=hashlib.sha256(config_as_toml(config).encode()).hexdigest(),
        models=_models(config),
        board=text_of(view.proc / "device-tree/model").rstrip("\0")
        or text_of(view.sys / "class/dmi/id/product_name"),
        serial=board_serial(view.root),
        system=_system(view),
        keys=_keys(config),
        findings=tuple(diagnose(config, clock, view)),
    )


def _models(config: NodeConfig) -> tuple[tuple[str, str], ...]:
    found = {}
    for section in config.sensors:
        try:
            model = open_model_for(
                sensor_from(section), config.detect.model, config.paths.model_dir
            )
        except RoehError:
            # The doctor says why.
            continue
        found[model.name] = model.sha256
    return tuple(sorted(found.items()))


def _keys(config: NodeConfig) -> tuple[KeyState, ...]:
    try:
        return tuple(key_states(config))
    except RoehError:
        return ()


def _system(view: MachineView) -> str:
    firmware = text_of(view.proc / "device-tree/chosen/bootloader/version").rstrip("\0")
    firmware = firmware or text_of(view.sys / "class/dmi/id/bios_version")
    kernel = f"Linux {platform.release()} {platform.machine()}"
    return f"{kernel}; {firmware}" if firmware else kernel
