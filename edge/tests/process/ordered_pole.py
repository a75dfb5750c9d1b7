"""An evidence process with a synchronised clock, the desk that it believes, and who asks it."""

import contextlib

from roeh.core.errors import PeerGone
from tests.clocks import SynchronisedClock
from tests.process.children import PATIENCE_S, running_evidence
from tests.process.commanding import Commanding, desk_of

#: One camera and one zone, for rules of the test.
CAMERA_AND_ZONE = """
[[sensors]]
name = "north"
source = { kind = "composed" }
lens = { width_px = 640, height_px = 640, fov_deg = 180 }
[[zones]]
name = "z"
polygon_m = [[0, 1], [1, 1], [1, 2]]
"""


class OrderedPole:
    """Evidence, its desk as `commanding`, and processes that outlive evidence and ask again."""

    def __init__(self, evidence, desk):
        self.evidence = evidence
        self.commanding = Commanding(evidence.config, desk)

    def ask(self, role, verb, request, answer_type):
        """The answer to a role's request, asked until evidence is there to give it."""
        client = self.evidence.client(role)
        while True:
            with contextlib.suppress(PeerGone):
                return client.call(verb, request, answer_type)
            assert client.wait_until_there(PATIENCE_S)

    def kill(self):
        """kill -9; a new evidence is there."""
        self.evidence.kill()
        self.evidence.start()


@contextlib.contextmanager
def running_pole(pole_type, directory, more):
    """An `OrderedPole` in `directory`; `more` is TOML."""
    desk, believed = desk_of(directory, site="site")
    with running_evidence(directory, believed + CAMERA_AND_ZONE + more, SynchronisedClock()) as one:
        pole = pole_type(one, desk)
        yield pole
        pole.commanding.close()
