"""The table of checks, in the order of their lines: to add a check, add a row."""

from __future__ import annotations

from roeh.doctor.access import check_access
from roeh.doctor.cameras import check_chosen_model, check_lenses, check_north
from roeh.doctor.disk import check_disk
from roeh.doctor.evidence import check_keys, check_masks, check_recording
from roeh.doctor.finding import BoardCheck, MachineCheck, NodeCheck, PoleCheck
from roeh.doctor.firewall import check_firewall
from roeh.doctor.heat import check_fan, check_heat
from roeh.doctor.housing import check_case, check_tilt
from roeh.doctor.link import check_link, check_names
from roeh.doctor.machine import (
    check_clock,
    check_libraries,
    check_model_files,
    check_python,
    check_sqlite,
)
from roeh.doctor.medium import check_medium
from roeh.doctor.microphone import check_microphone
from roeh.doctor.network import check_broker, check_ports
from roeh.doctor.outputs import check_outputs
from roeh.doctor.power import check_power
from roeh.doctor.release import check_release, check_root
from roeh.doctor.rig import check_rig
from roeh.doctor.sensors import check_sources
from roeh.doctor.storage import check_data_dir, check_run_dir, check_users
from roeh.doctor.timekeeping import check_battery_clock, check_jumps, check_time_source
from roeh.doctor.units import check_units, check_watchdog

MACHINE_CHECKS = (
    MachineCheck("python", check_python),
    MachineCheck("sqlite", check_sqlite),
    MachineCheck("library", check_libraries),
    MachineCheck("models", check_model_files),
    MachineCheck("clock", check_clock),
)

BOARD_CHECKS = (
    BoardCheck("clock", check_time_source),
    BoardCheck("rtc", check_battery_clock),
    BoardCheck("power", check_power),
    BoardCheck("heat", check_heat),
    BoardCheck("fan", check_fan),
    BoardCheck("case", check_case),
    BoardCheck("tilt", check_tilt),
    BoardCheck("link", check_link),
    BoardCheck("firewall", check_firewall),
    BoardCheck("watchdog", check_watchdog),
    BoardCheck("release", check_release),
    BoardCheck("root", check_root),
)

#: Done as well when a configuration is given.
NODE_CHECKS = (
    NodeCheck("model", check_chosen_model),
    NodeCheck("users", check_users),
    NodeCheck("data_dir", check_data_dir),
    NodeCheck("medium", check_medium),
    NodeCheck("keys", check_keys),
    NodeCheck("access", check_access),
    NodeCheck("rig", check_rig),
    NodeCheck("masks", check_masks),
    NodeCheck("recording", check_recording),
    NodeCheck("clock", check_jumps),
    NodeCheck("run_dir", check_run_dir),
    NodeCheck("source", check_sources),
    NodeCheck("microphone", check_microphone),
    NodeCheck("output", check_outputs),
    NodeCheck("lens", check_lenses),
    NodeCheck("north", check_north),
    NodeCheck("names", check_names),
    NodeCheck("broker", check_broker),
    NodeCheck("port", check_ports),
)

POLE_CHECKS = (
    PoleCheck("disk", check_disk),
    PoleCheck("units", check_units),
)
