"""A node whose camera records, as an operator starts it: `roeh run` with one sensor."""

import json
import signal
import subprocess
import sys

from guest.cameras import FRAMES_PX, RECORDED_PX, UNPLUGGED_NUMBER

from roeh.core.paths import node_database
from roeh.ledger.database import open_database
from tests.process.running_node import RunningNode
from tests.recorders import records_of
from tests.waiting import wait_until

#: Without KVM a process takes ten seconds to start, and there are five.
PATIENCE_S = 180.0

PICAMERA2 = (
    f'{{ kind = "picamera2", camera = {UNPLUGGED_NUMBER}, fps = 5.0, stall_timeout_s = 5.0, '
    f"record_width_px = {RECORDED_PX[0]}, record_height_px = {RECORDED_PX[1]} }}"
)

#: An inference takes seconds of the machine's two processors without KVM: hardly any here.
_NODE = """
[node]
site = "harbour"
name = "pole"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[broker]
port = 1
[retrieve]
port = 0
[supervise]
backoff_s = 0.5
max_restarts = 1000
[detect]
fps = 0.01
[evidence]
segment_s = 10.0
encode_gop_s = 1.0
min_free_bytes = 0
[[sensors]]
name = "gate"
source = {source}
lens = {{ width_px = {width}, height_px = {height}, fov_deg = 180.0 }}
"""


class RecordingNode(RunningNode):
    """One that is patient, and whose recording is looked at once it has ended."""

    def wait_until(self, predicate):
        try:
            return wait_until(predicate, PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; the node said:\n{self.said()}") from None

    def wait_for_fragments(self, count):
        """Until so many more fragments were stored."""
        seen_us = self.wait_until(self._fragment_age_us)
        for _ in range(count):

            def came():
                nonlocal seen_us
                before_us, seen_us = seen_us, self._fragment_age_us() or seen_us
                return seen_us < before_us

            self.wait_until(came)

    def stop(self):
        """As systemd stops it; its exit status."""
        self.signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    def records(self, kind):
        """The bodies of the ledger's records of this kind, once it has ended."""
        database = open_database(node_database(self.config))
        try:
            rows = database.execute("SELECT json FROM record ORDER BY leaf").fetchall()
        finally:
            database.close()
        return records_of(rows, kind)

    def verified(self, store=None):
        """What `roeh verify` says of all that was recorded, or of a copy: its report as JSON."""
        store = str(store or self.config.paths.data_dir)
        done = subprocess.run(
            [sys.executable, "-m", "roeh", "verify", store, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def _fragment_age_us(self):
        status = self.status()
        return status.cameras[0].fragment_age_us if status is not None and status.cameras else None


def answers(report):
    """What verify says of bytes and completeness; for who signed, no root is trusted here."""
    found = {one["aspect"]: one["check"] for one in report["conclusions"]}
    return {aspect: found[aspect] for aspect in ("bytes intact", "complete")}


def write_node(directory, source, size_px=FRAMES_PX):
    """node.toml in `directory`; its path."""
    path = directory / "node.toml"
    width, height = size_px
    path.write_text(_NODE.format(directory=directory, source=source, width=width, height=height))
    return path
