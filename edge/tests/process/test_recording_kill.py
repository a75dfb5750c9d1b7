"""Killed before any durable call, evidence loses nothing that it acknowledged."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.gops import GopSource
from tests.process.children import CONTEXT, PATIENCE_S, node_config, start
from tests.process.killed_recording import (
    MORE,
    check_and_finish,
    end,
    opened,
    record_until_killed,
    record_with_a_limit,
    recover_until_killed,
)
from tests.recorders import as_sent


@pytest.fixture(scope="module")
def gops():
    return GopSource("sensor").take(4)


@pytest.fixture
def template(memory_directory):
    """A store that was opened once: its keys are made."""
    config = node_config(memory_directory / "template", MORE)
    with opened(config) as (parts, recorder):
        end(parts, recorder)
    return Path(config.paths.data_dir)


def killed(target, template, name, gops, limit):
    """(its exit status, how many groups it acknowledged, the store's configuration)."""
    config = node_config(template.parent.parent / name, MORE)
    shutil.copytree(template, config.paths.data_dir)
    acknowledged = CONTEXT.Value("q", 0)
    process = start(target, config, gops, limit, acknowledged)
    process.join(PATIENCE_S)
    return process.exitcode, acknowledged.value, config


def check_all(stored, gops):
    """Every group is there once, in order, each picture as it was sent."""
    assert len(stored) <= len(gops)
    for units, gop in zip(reversed(stored), reversed(gops), strict=False):
        assert [as_sent(u.nal_units) for u in units] == [as_sent(u.nal_units) for u in gop.units]


def test_killed_before_any_durable_call_of_recording(template, gops):
    calls, seen = 1, set()
    while True:
        status, acknowledged, config = killed(
            record_until_killed, template, str(calls), gops, calls
        )
        check_all(check_and_finish(config, gops, acknowledged), gops)
        shutil.rmtree(template.parent.parent / str(calls))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        seen.add(acknowledged)
        calls += 1
    assert seen == set(range(len(gops) + 1))
    assert calls > 50


def test_killed_at_any_byte_that_a_file_grows(template, gops):
    """Torn fragments and torn frames of SQLite's log."""
    limit_bytes, seen = 4096, set()
    while True:
        status, acknowledged, config = killed(
            record_with_a_limit, template, str(limit_bytes), gops, limit_bytes
        )
        check_all(check_and_finish(config, gops, acknowledged), gops)
        if status == 0:
            break
        assert status == -signal.SIGXFSZ
        seen.add(acknowledged)
        limit_bytes += 16_411


def test_killed_before_any_durable_call_of_a_recovery(template, gops):
    """The start after a kill in the middle of a segment is itself killed, again and again."""
    status, acknowledged, config = killed(record_until_killed, template, "first", gops, 45)
    assert status == -signal.SIGKILL
    assert acknowledged
    data, calls = Path(config.paths.data_dir), 1
    while True:
        status, more, config = killed(recover_until_killed, data, str(calls), gops, calls)
        check_all(check_and_finish(config, gops, max(acknowledged, more)), gops)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        calls += 1
    assert calls > 30
