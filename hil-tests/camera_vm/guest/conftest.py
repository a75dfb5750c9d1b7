"""What the checks in the machine share: the virtual camera as it stands, and the report."""

from pathlib import Path

from guest.cameras import load_vivid, plug_cameras_in

_HEAPS = Path("/dev/dma_heap")


def pytest_runtest_makereport(item, call):
    """The promise that a check holds is its docstring; what it took begins with its fixtures."""
    item.user_properties.append(("took_s", call.duration))
    if call.when == "call" or call.excinfo is not None:
        promise = item.obj.__doc__ or f"{_words(item.module.__name__)}: {_words(item.name)}"
        item.user_properties.append(("promise", " ".join(promise.split())))


def _words(name):
    return name.rpartition(".")[2].removeprefix("test_").partition("[")[0].replace("_", " ")


def pytest_runtest_logreport(report):
    """One line for each check, or for what kept it from being made (report.py reads it)."""
    if report.when != "call" and report.passed:
        return
    promise = dict(report.user_properties).get("promise", "")
    if report.skipped:
        promise = f"{promise} ({report.longrepr[2]})" if report.longrepr else promise
    outcome = {"passed": "ok", "failed": "failed", "skipped": "skipped"}[report.outcome]
    name = report.nodeid.rpartition("::")[2]
    if report.failed:
        # At once: who waits wants to know why.
        print(f"\n{report.longreprtext}")
    took_s = sum(value for key, value in report.user_properties if key == "took_s")
    print(f"\nCHECK\t{outcome}\t{took_s:.1f}\t{name}\t{promise}", flush=True)


def pytest_configure():
    """A Pi's picamera2 takes buffers from `linux,cma`; here they are the system's heap."""
    heap = _HEAPS / "linux,cma"
    if not heap.is_symlink():
        heap.symlink_to("system")
    plug_cameras_in()
    # Which cameras there are is looked at when checks are collected.
    load_vivid()
