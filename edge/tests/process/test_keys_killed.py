"""Killed before any step on the disk, keys are the old set or the new one, and complete later."""

import os
import signal
import sys

import pytest

from roeh.core.clock import SystemClock
from roeh.core.errors import RoehError, TokenRefused
from roeh.keys.enrolment import enrolment_request
from roeh.keys.open import key_sets, open_signers
from roeh.keys.signer import KeyUsage, NodeName
from roeh.keys.tokens import TokenBook, sign_enrolment
from tests.ceremonies import KeyKeeper, pole_of, provision
from tests.key_nodes import node_with_keys

CLOCK = SystemClock()

#: What Python tells an audit hook before it does it (sys.audit).
STEPS = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chown", "fcntl.flock"})


def changes_something(event, arguments):
    """Whether this is a step: a file opened only to read it is none."""
    if event == "open":
        flags = arguments[2]
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in STEPS


def killed_before_step(number, act):
    """Run `act` in a child that is killed before its `number`-th step; whether it was."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event, arguments):
            nonlocal seen
            if changes_something(event, arguments):
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return True
    assert os.waitstatus_to_exitcode(ended) == 0
    return False


def assert_nothing_left_over(config):
    directory = key_sets(config).directory
    assert not (directory / "making").exists()
    assert len(list(directory.glob("set-*"))) == 1
    assert not any(b"PRIVATE" in path.read_bytes() for path in directory.glob("old/*"))
    assert not list(directory.glob("pending/*.new"))


def test_a_first_start_that_is_killed_is_completed_by_the_next(memory_directory):
    steps = 0
    while True:
        steps += 1
        config = node_with_keys(memory_directory / str(steps))
        if not killed_before_step(steps, lambda config=config: open_signers(config, CLOCK)):
            break
        signers = open_signers(config, CLOCK)
        assert signers.media.sign(b"GOP")
        assert open_signers(config, CLOCK).log.chain_pem == signers.log.chain_pem
        assert_nothing_left_over(config)
    assert steps > 10


@pytest.fixture
def keeper(memory_directory):
    return KeyKeeper(memory_directory)


def test_an_installation_that_is_killed_leaves_the_old_set_or_the_new_one(memory_directory, keeper):
    steps = 0
    while True:
        steps += 1
        config = node_with_keys(memory_directory / str(steps))
        pole = provision(config, keeper)
        old = open_signers(config, CLOCK)
        certificates = keeper.sign(pole.request([KeyUsage.MEDIA]))
        if not killed_before_step(
            steps, lambda config=config, pem=certificates: pole_of(config).install(pem)
        ):
            break
        between = open_signers(config, CLOCK)
        assert between.is_provisioned
        assert between.log.spki_der == old.log.spki_der

        pole_of(config).install(certificates)

        new = open_signers(config, CLOCK)
        assert new.media.spki_der != old.media.spki_der
        assert between.media.spki_der in {old.media.spki_der, new.media.spki_der}
        assert new.media.sign(b"GOP")
        assert pole_of(config).waiting() == []
        assert_nothing_left_over(config)
    assert steps > 20


def test_a_request_that_is_killed_is_made_whole_by_the_next(memory_directory, keeper):
    steps = 0
    while True:
        steps += 1
        config = node_with_keys(memory_directory / str(steps))
        if not killed_before_step(steps, lambda config=config: pole_of(config).request(KeyUsage)):
            break
        with pytest.raises(RoehError):
            pole_of(config).states()
        pole = pole_of(config)
        pole.install(keeper.sign(pole.request(KeyUsage)))
        assert open_signers(config, CLOCK).is_provisioned
        assert_nothing_left_over(config)
    assert steps > 10


def test_an_enrolment_that_is_killed_is_completed_by_its_request_and_by_no_other(memory_directory):
    name, board = NodeName("haifa", "pole-7"), "10000000a1b2c3d4"
    steps = 0
    while True:
        steps += 1
        directory = memory_directory / str(steps)
        keeper = KeyKeeper(directory)
        token, _ = TokenBook(keeper.ca_dir).make(name, board, 48, CLOCK)
        mine, others = (
            enrolment_request(token, name, board, pole_of(config).request(KeyUsage))
            for config in (node_with_keys(directory / "node"), node_with_keys(directory / "other"))
        )
        if not killed_before_step(
            steps, lambda keeper=keeper, mine=mine: sign_enrolment(keeper.ca, mine, 1000, CLOCK)
        ):
            break
        issued = list((keeper.ca_dir / "issued").glob("*.pem"))
        (record,) = TokenBook(keeper.ca_dir).records()
        assert not (issued and record.is_open), "certified before the token was bound"

        first, second = (others, mine) if record.is_open else (mine, others)
        assert len(sign_enrolment(keeper.ca, first, 1000, CLOCK).issued) == len(KeyUsage)
        with pytest.raises(TokenRefused, match="another request"):
            sign_enrolment(keeper.ca, second, 1000, CLOCK)
        assert len(list((keeper.ca_dir / "issued").glob("*.pem"))) == len(KeyUsage)
    assert steps > 10
