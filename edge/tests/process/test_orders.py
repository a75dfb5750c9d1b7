"""Orders carried out by the processes of a running node, and what becomes of them in a fall."""

import socket

import cv2
import numpy as np
import pytest

from roeh.core.orders import (
    LogLevelOrder,
    Outcome,
    RestartOrder,
    ScheduleOrder,
    SeqRange,
    SnapshotOrder,
)
from roeh.core.peers import Role
from tests.process.commanding import CLOCK, Commanding, desk_of
from tests.process.running_node import DRAWN, ROLES, running_node, write_street
from tests.process.synchronised_roeh import synchronised_roeh
from tests.signing_desks import RESEND


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A node whose broker is away, and its desk."""
    directory = tmp_path_factory.mktemp("node")
    desk, believed = desk_of(directory)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        config_path = write_street(
            directory,
            port=nobody.getsockname()[1],
            # Footage with an end: a capture that ends by order is not taken to be done.
            source=DRAWN.replace("}", ", duration_s = 3600.0 }"),
            supervise="max_restarts = 1",
        )
        config_path.write_text(
            config_path.read_text().replace(
                'name = "camera"\n',
                'name = "camera"\nmasks = [{ name = "windows", polygon_px = '
                "[[0, 0], [320, 0], [320, 384], [0, 384]] }]\n",
            )
            + believed
        )
        with running_node(config_path, synchronised_roeh(directory)) as node:
            node.wait_for_report(Role.DETECT, lambda report: report.state == "ok")
            commanding = Commanding(node.config, desk)
            yield node, commanding
            commanding.close()


def test_a_snapshot_shows_what_the_camera_sees_but_not_behind_the_mask(street):
    _, commanding = street
    answer, jpeg = commanding.final(commanding.order(SnapshotOrder(camera_id="camera")))
    assert (answer.outcome, answer.reason) == (Outcome.DONE, "")
    assert len(jpeg) <= 8 * 1024
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    picture = picture[:192]  # what stands beneath says where and when
    assert picture.shape == (192, 320, 3)
    # A block of pixels reaches over the mask's edge, and over that of the words beneath.
    assert picture[:176, :144].max() <= 8
    assert picture[:, 176:].mean() > 30


def test_a_rule_is_ordered_off_and_on(street):
    _, commanding = street
    until_us = CLOCK.read().t_utc_ns // 1000 + 3_600_000_000
    for mode in ("never", "as_configured"):
        order = ScheduleOrder(rule="anybody", mode=mode, until_utc_us=until_us)
        answer, _ = commanding.final(commanding.order(order))
        assert answer.outcome is Outcome.DONE


@pytest.mark.parametrize("process", [role.value for role in ROLES])
def test_every_process_says_more_when_told_to(street, process):
    _, commanding = street
    answer, _ = commanding.final(commanding.order(LogLevelOrder(process=process, level="debug")))
    assert answer.outcome is Outcome.DONE


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)
def test_a_process_that_is_ordered_to_starts_anew_once_and_the_others_never_notice(street, role):
    node, commanding = street
    before = {other: node.pid(other) for other in ROLES}
    command = commanding.order(RestartOrder(process=role.value))
    answer, _ = commanding.final(command)
    assert (answer.outcome, answer.reason) == (Outcome.DONE, "")
    after = {other: node.pid(other) for other in ROLES}
    assert {other for other in ROLES if after[other] != before[other]} == {role}
    assert f"{role.value} ended by order; starting it again" in node.said()
    # The same again is answered the same, and nobody is started anew.
    commanding.take(command)
    again, _ = commanding.final(command)
    assert again == answer
    assert {other: node.pid(other) for other in ROLES} == after


def test_what_was_answered_before_a_restart_of_evidence_is_answered_the_same_after_it(street):
    _, commanding = street
    snapshot = commanding.order(SnapshotOrder(camera_id="camera"))
    resend = commanding.order(RESEND)
    first = [commanding.final(command) for command in (snapshot, resend)]
    commanding.final(commanding.order(RestartOrder(process="evidence")))
    for command, before in zip((snapshot, resend), first, strict=True):
        commanding.take(command)
        assert commanding.final(command) == before
    assert SeqRange(1, 3) not in first[1][0].absent


def test_nothing_that_was_ordered_left_a_trace_of_failing(street):
    node, _ = street
    assert "Traceback" not in node.said()
    assert "starting it again in" not in node.said()
