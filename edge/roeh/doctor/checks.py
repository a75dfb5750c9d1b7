"""The table of checks, in the order of their lines: to add a check, add a row."""

from __future__ import annotations

from roeh.doctor.access import check_access
from roeh.doctor.cameras import check_chosen_model, check_north, check_sources
from roeh.doctor.evidence import check_keys, check_masks, check_recording
from roeh.doctor.finding import MachineCheck, NodeCheck
from roeh.doctor.machine import (
    check_clock,
    check_libraries,
    check_model_files,
    check_python,
    check_sqlite,
)
from roeh.doctor.medium import check_medium
from roeh.doctor.network import check_broker, check_ports
from roeh.doctor.rig import check_rig
from roeh.doctor.storage import check_data_dir, check_run_dir, check_users

MACHINE_CHECKS = (
    MachineCheck("python", check_python),
    MachineCheck("sqlite", check_sqlite),
    MachineCheck("library", check_libraries),
    MachineCheck("models", check_model_files),
    MachineCheck("clock", check_clock),
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
    NodeCheck("run_dir", check_run_dir),
    NodeCheck("source", check_sources),
    NodeCheck("north", check_north),
    NodeCheck("broker", check_broker),
    NodeCheck("port", check_ports),
)
