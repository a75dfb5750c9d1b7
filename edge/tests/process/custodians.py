"""A recording node and whoever looks after its evidence on the command line."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

from roeh.core.clock import SystemClock
from roeh.core.config import load_config
from roeh.core.paths import names_database, node_database
from roeh.core.peers import GopStored, Role, StoreGop, Verb
from roeh.core.types import EvidenceReference
from roeh.custody import commands
from roeh.custody.clip_command import run_clip
from roeh.custody.link import evidence_link
from roeh.ledger.database import NodeDatabase
from roeh.ledger.names import NameBook
from roeh.verify.anchoring import NoteSource
from roeh.verify.checking import Beliefs, verify
from roeh.verify.commands import read_anchors
from tests.alert_drafts import alert_draft
from tests.gops import GopSource
from tests.process.children import NODE, Evidence, node_config

MORE = """
[evidence]
segment_s = 1.0
pre_roll_s = 0.0
post_roll_s = 0.0
min_free_bytes = 0
[[sensors]]
name = "north"
source = { kind = "composed" }
lens = { width_px = 640, height_px = 640, fov_deg = 180 }
"""
PERSON = ("--person", "A. Visser", "--reason", "case 7")
CLOCK = SystemClock()


class Custodian:
    """A node in `directory` with one camera, `north`, that records two GOPs a segment."""

    def __init__(self, directory, **source):
        self.directory = directory
        self.config_path = directory / "node.toml"
        self.config_path.write_text(NODE.format(directory=directory, more=MORE))
        self.evidence = Evidence(node_config(directory, MORE))
        now = CLOCK.read()
        self.north = GopSource(
            boot_id=now.boot_id,
            mono_us=now.t_mono_ns // 1000 - 3_600_000_000,
            utc_us=now.t_utc_ns // 1000 // 1_000_000 * 1_000_000 - 3_600_000_000,
            **source,
        )
        self.begin_us = self.north.utc_us

    @property
    def data(self):
        return self.directory / "data"

    @property
    def database(self):
        return node_database(self.evidence.config)

    def segment(self, number):
        return self.data / f"segments/north/{number:08d}.mp4"

    def record(self, gops):
        client = self.evidence.client(Role.CAPTURE)
        for gop in self.north.take(gops):
            client.call(Verb.GOP_STORE, StoreGop(gop), GopStored)

    def alert(self, first_us, last_us):
        pictures = EvidenceReference("north", 1, 2, first_us, last_us)
        draft = alert_draft(boot_id=self.north.boot_id, evidence=pictures)
        return draft.id, self.evidence.store(draft)

    def run(self, *arguments):
        """The exit status of a command line of `roeh evidence`."""
        return commands.run(parsed(self.config_path, *arguments))

    def records(self, kind):
        """Bodies of that kind in the store, which nobody else has open."""
        database = NodeDatabase(self.database)
        with contextlib.closing(database), database.reading() as connection:
            rows = connection.execute("SELECT json FROM record WHERE kind = ?", (kind,)).fetchall()
        return [json.loads(row[0])["body"] for row in rows]

    def who(self, pseudonym):
        """The name behind one of them."""
        names = NameBook(names_database(self.evidence.config))
        with contextlib.closing(names):
            return names.read((pseudonym,))[pseudonym]

    def verified(self, path, checkpoints=()):
        """The verifier's report by somebody who trusts the node's own root."""
        anchors = read_anchors(sorted(self.data.glob("keys/set-*/anchors.pem")), [])
        kept = tuple(NoteSource(one.name, one.read_text(), is_own=False) for one in checkpoints)
        return verify(Path(path), Beliefs(anchors=anchors, checkpoints=kept), CLOCK)


@contextlib.contextmanager
def custodian(directory, **source):
    """With evidence running."""
    keeper = Custodian(directory, **source)
    try:
        keeper.evidence.start()
        yield keeper
    finally:
        keeper.evidence.close()


def parsed(config_path, command, *arguments):
    """A command line of `roeh evidence`."""
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    return parser.parse_args([command, "-c", *map(str, (config_path, *arguments))])


class Beforehand:
    """A real link; something happens right before an access is put on record."""

    def __init__(self, link, happens):
        self._link, self._happens = link, happens
        self.is_running = link.is_running

    def call(self, verb, request, answer_type):
        if verb is Verb.ACCESS_RECORD:
            self._happens()
        return self._link.call(verb, request, answer_type)


def clip_when(config_path, out, happens):
    """A clip of segment 1; `happens` when it is written and not yet on record."""
    order = parsed(config_path, "clip", "--segment", 1, "--out", out, *PERSON)
    with evidence_link(load_config(config_path), CLOCK) as link:
        return run_clip(order, Beforehand(link, happens), CLOCK)


def clip_and_die(config_path, out):
    """The same in a process that is killed then."""
    clip_when(config_path, out, lambda: os.kill(os.getpid(), signal.SIGKILL))


def probed(path):
    """(pictures decoded, seconds, complaints) of a file by ffprobe."""
    shown = "stream=nb_read_frames,duration"
    command = ["ffprobe", "-v", "warning", "-count_frames", "-of", "json", "-show_entries", shown]
    done = subprocess.run([*command, path], capture_output=True, text=True, check=True)
    (stream,) = json.loads(done.stdout)["streams"]
    return int(stream["nb_read_frames"]), float(stream["duration"]), done.stderr
