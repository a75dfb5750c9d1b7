"""Golden replays are renewed by `make golden`, and the difference read before a commit."""

import pytest

from tests.process.command_line import command_lines


def pytest_addoption(parser):
    parser.addoption(
        "--renew", action="store_true", help="write the golden files anew instead of comparing"
    )


@pytest.fixture
def renew(request):
    # Collected from above, this file comes too late for its option to be known.
    return request.config.getoption("renew", default=False)


@pytest.fixture(scope="session")
def roeh():
    with command_lines() as running:
        yield running.run
