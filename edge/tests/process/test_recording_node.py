"""A whole node: what happens to the other processes never costs a fragment."""

import itertools
import os
import resource
import signal

import pytest

from roeh.core.peers import Role
from tests.process.brokers import running_broker
from tests.process.running_node import running_node, write_street
from tests.process.test_recording import records, unlike_their_records

MORE = """
[evidence]
segment_s = 2.0
encode_gop_s = 0.5
min_free_bytes = 0
"""
#: Between two segments: less than a fragment.
MAX_JOINT_US = 500_000


@pytest.fixture
def node(short_directory):
    with running_broker("embedded") as broker:
        config_path = write_street(
            short_directory, port=broker.port, supervise="backoff_s = 0.05\nmax_restarts = 1000"
        )
        with config_path.open("a") as config:
            config.write(MORE)
        with running_node(config_path) as node:
            yield node


def fragment_age_us(node):
    status = node.status()
    return status.cameras[0].fragment_age_us if status is not None and status.cameras else None


def wait_for_fragments(node, count):
    """Until so many more fragments were stored: the newest is younger than it was."""
    seen_us = node.wait_until(lambda: fragment_age_us(node))

    def came():
        nonlocal seen_us
        before_us, seen_us = seen_us, fragment_age_us(node) or seen_us
        return seen_us < before_us

    for _ in range(count):
        node.wait_until(came)


def test_nothing_that_befalls_detect_or_publish_costs_a_fragment(node):
    wait_for_fragments(node, 2)
    detect, publish = node.pid(Role.DETECT), node.pid(Role.PUBLISH)
    for pid in (detect, publish):
        os.kill(pid, signal.SIGSTOP)
    wait_for_fragments(node, 4)
    for pid in (detect, publish):
        os.kill(pid, signal.SIGCONT)
    node.kill(Role.PUBLISH)
    node.kill(Role.DETECT)
    wait_for_fragments(node, 2)
    # The memory that it may have is less than it has: it ends, again and again.
    resource.prlimit(node.pid(Role.DETECT), resource.RLIMIT_AS, (1 << 20, 1 << 20))
    wait_for_fragments(node, 4)
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    check_recording(node)


def test_a_kill_of_evidence_costs_no_fragment_of_a_capture_that_lives(node):
    wait_for_fragments(node, 3)
    for _ in range(2):
        node.kill(Role.EVIDENCE)
        wait_for_fragments(node, 3)
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    check_recording(node)
    assert [one.was_clean for one in records(node.config, "boot")] == [True, False, False]


def check_recording(node):
    """No time is missing, each group is there once, and all is as the ledger says."""
    segments = records(node.config, "segment")
    counters = [entry.gop_counter for one in segments for entry in one.fragments]
    assert counters == list(range(1, len(counters) + 1))
    assert records(node.config, "gap") == []
    assert records(node.config, "tamper") == []
    for one, other in itertools.pairwise(segments):
        assert 0 <= other.t_first_mono_us - one.t_end_mono_us < MAX_JOINT_US
    assert unlike_their_records(node.config) == []


def test_a_kill_of_capture_is_a_gap_with_that_reason(node):
    wait_for_fragments(node, 3)
    node.kill(Role.CAPTURE)
    wait_for_fragments(node, 2)
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    assert [one.reason for one in records(node.config, "gap")] == ["capture_restart"]
    ends = [one.end_reason for one in records(node.config, "segment")]
    assert ends.count("discontinuity") == 1
    assert ends[-1] == "capture_stopped"
