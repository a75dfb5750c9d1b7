"""`python -m suite nspawn|qemu|rig`: the suite on one tier, and the table of faults and tiers.

Exit status: 0 everything that this tier can show was shown, 1 something failed or was skipped
that should have run, 2 there is no pole to test, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from virtual_pole.street import DEFAULT_STATE

from suite import faults
from suite.fault_table import is_good, table_lines
from suite.outcomes import Run, read_run, results_path
from suite.tiers import NAMES, REPOSITORY, Nspawn, Rig, Tier, TierFailed, environment_of

RESULTS = REPOSITORY / "build/hil"
#: In continuous integration nobody is there to interrupt: all of the tests end in this time.
_SHORT_LIMIT_S = 600.0
_TEST_LIMIT_S = 150
_WHOLE_TEST_LIMIT_S = 600
#: To put the pole right again.
_END_PATIENCE_S = 60.0
_TESTS = Path(__file__).parent / "tests"


def main() -> int:
    """Run; the process's exit status."""
    words = sys.argv[1:]
    own = words[: words.index("--")] if "--" in words else words
    options = _parser().parse_args(own)
    options.pytest = words[len(own) + 1 :]
    if os.geteuid() != 0 and options.tier != "rig":
        # As other tests that need root: named, and left out; on CI that is a failure.
        _say("suite: left out: it makes containers and network namespaces, which needs root")
        return 2 if os.environ.get("CI") else 0
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell's background ignores it, and pytest would inherit that.
    signal.signal(signal.SIGINT, _interrupt)
    tier = _tier(options)
    # A street of one's own has results of its own.
    directory = RESULTS if options.state == DEFAULT_STATE else options.state.resolve() / "hil"
    path = results_path(directory, tier.name)
    try:
        with _alone(directory):
            # What an earlier run found is not what this one found.
            path.unlink(missing_ok=True)
            run = _made_and_tested(tier, options, path)
    except TierFailed as failure:
        _say(f"suite: {failure}")
        return 2
    except KeyboardInterrupt:
        _say("suite: interrupted")
        return 130
    if run is None:
        _say("suite: pytest ended before it wrote down what it found")
        return 2
    runs = {name: read_run(results_path(RESULTS, name)) for name in NAMES} | {tier.name: run}
    for line in ("", *table_lines(runs, faults.IN_ORDER)):
        _say(line)
    good = is_good(run)
    _say(f"\nsuite: {tier.name}: {'OK' if good else 'FAIL'}")
    return 0 if good else 1


def _tier(options: argparse.Namespace) -> Tier:
    if options.tier == "rig":
        if options.rig is None:
            raise SystemExit("suite: a rig needs --rig FILE, made from environments/rig.yaml")
        return Rig(options.rig)
    if options.tier == "qemu":
        # Its machines need QEMU; who tests containers needs nothing of it.
        from suite.qemu import Qemu  # noqa: PLC0415

        return Qemu(options.state)
    return Nspawn(options.state)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One suite at a time cuts and mends a street.

    Raises:
        TierFailed: another one does.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TierFailed("another suite is at it: wait, or give another --state") from None
        yield


def _made_and_tested(tier: Tier, options: argparse.Namespace, path: Path) -> Run | None:
    """What was found; None: pytest did not come to its end."""
    try:
        if not options.bare:
            tier.make(short=options.ci)
        _run_tests(tier, options, path)
        run = read_run(path)
        if options.ci and not (run is not None and is_good(run)):
            # Whoever reads this cannot look at the pole any more.
            _say(tier.last_words())
        return run
    finally:
        if not options.keep:
            tier.take_away()


def _run_tests(tier: Tier, options: argparse.Namespace, results: Path) -> None:
    limit_s = _TEST_LIMIT_S if options.ci else _WHOLE_TEST_LIMIT_S
    words = [
        *(sys.executable, "-m", "pytest", "-c", str(_TESTS / "pytest.ini")),
        *("--rootdir", str(_TESTS), "--lg-env", str(tier.environment_file)),
        *("--tier", tier.name, "--results", str(results)),
        *("--form", "short" if options.ci else "whole"),
        *(("-k", options.only) if options.only else ()),
        *(("-q", "--no-header", "--tb=short") if options.ci else ("-v", "--tb=short")),
        *("--timeout", str(round(limit_s * tier.patience))),
        *(("--durations=8",) if options.ci else ()),
        *options.pytest,
        str(_TESTS),
    ]
    process = subprocess.Popen(
        tier.command(*words), env=environment_of(tier), stdin=subprocess.DEVNULL
    )
    try:
        process.wait(_SHORT_LIMIT_S if options.ci else None)
    except subprocess.TimeoutExpired:
        raise TierFailed(f"the tests did not end within {_SHORT_LIMIT_S:g} s") from None
    finally:
        # Interrupted: it is given the time to put the pole right again.
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m suite",
        description=__doc__,
        epilog="What follows -- goes to pytest as it is.",
    )
    parser.add_argument("tier", choices=NAMES)
    parser.add_argument(
        "--ci", action="store_true", help="the short form, which tells little while it is well"
    )
    parser.add_argument("--rig", type=Path, metavar="FILE", help="the rig's environment file")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, metavar="DIR")
    parser.add_argument("--only", default="", metavar="WORD", help="tests whose name has the word")
    parser.add_argument("--keep", action="store_true", help="leave the pole as it is at the end")
    parser.add_argument(
        "--bare", action="store_true", help="test the pole that is there, provisioned or not"
    )
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
