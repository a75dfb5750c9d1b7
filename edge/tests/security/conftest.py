"""One broker for the tests that leave it as it was."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.process.secured_broker import secured_broker
from tests.security.intruder import Intruder, tls_of
from tests.visited_poles import visited_pole

#: An audience beside the rest.
DESK_TOML = """
name = "haifa"
[[audiences]]
kind = "joint"
name = "north"
sectors = ["beach"]
[[sectors]]
name = "beach"
poles = ["harbour/pole-7"]
"""


class Ground:
    """A broker, its city, and who comes to it."""

    def __init__(self, broker, directory):
        self.broker = broker
        self.city = broker.city
        self.directory = directory
        self._files = {}
        self._come = []

    def come(self, file, *, port=None, newest=None, **more):
        """A connection with this key and certificate."""
        context = tls_of(self.city.broker_ca, file, newest)
        self._come.append(Intruder(port or self.broker.poles_port, context, **more))
        return self._come[-1]

    def close(self):
        while self._come:
            self._come.pop().close()

    def pole(self, name, **more):
        if name not in self._files:
            self._files[name] = self.city.node(name)
        return self.come(self._files[name], **more)

    def service(self, kind, name="haifa", **more):
        file = self.city.service(kind, name)
        return self.come(file, port=self.broker.services_port, **more)


@pytest.fixture(scope="session")
def standing_ground():
    directory = Path(tempfile.mkdtemp(prefix="roeh-"))
    directory.chmod(0o755)
    with secured_broker(directory, desk_toml=DESK_TOML, operator="eyes") as broker:
        yield Ground(broker, directory)
    shutil.rmtree(directory)


@pytest.fixture
def ground(standing_ground):
    """The broker that all share; who came is gone afterwards."""
    yield standing_ground
    standing_ground.close()


@pytest.fixture
def own_ground(short_directory):
    """A broker that the test may stop, and whose lists it may change."""
    with secured_broker(short_directory) as broker:
        made = Ground(broker, short_directory)
        yield made
        made.close()


@pytest.fixture(scope="session")
def standing_pole():
    directory = Path(tempfile.mkdtemp(prefix="roeh-"))
    with visited_pole(directory) as made:
        yield made
    shutil.rmtree(directory)


@pytest.fixture
def pole(standing_pole):
    """The pole that all visit, each test with persons of its own; they leave afterwards."""
    yield standing_pole
    standing_pole.see_off()
