"""The rows of the table, in its order; a test names its row with `@pytest.mark.fault(NAME)`."""

from __future__ import annotations

BOOT = "boot to first alert"
LISTENING = "what listens"
SANDBOX = "sandbox of each process"
BUDGETS = "budgets"
BUDGETS_BOARD = "budgets of a board (temperature, power)"
CAMERA = "camera unplugged"
LINK = "link lost and back"
BROKER = "broker gone for an hour"
HANG = "process hangs"
KILL = "process killed"
HEAT = "hot and throttled (simulated)"
HEAT_BOARD = "hot and throttled (real)"
DISK = "disk full"
CLOCK = "clock jumps"
CUT_PROCESSES = "all processes cut at once"
CUT_POWER = "power cut at random writes"
DISK_KEY = "disk key: opened here, not elsewhere"
HARDWARE_WATCHDOG = "kernel hangs (hardware watchdog)"
OVERLAY = "read-only root"
UPDATE = "update, and return from a bad one"
DECOMMISSION = "decommission"

IN_ORDER = (
    BOOT,
    LISTENING,
    SANDBOX,
    BUDGETS,
    BUDGETS_BOARD,
    CAMERA,
    LINK,
    BROKER,
    HANG,
    KILL,
    HEAT,
    HEAT_BOARD,
    DISK,
    CLOCK,
    CUT_PROCESSES,
    CUT_POWER,
    DISK_KEY,
    HARDWARE_WATCHDOG,
    OVERLAY,
    UPDATE,
    DECOMMISSION,
)
