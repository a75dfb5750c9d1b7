"""The first messages of a process come on several streams at once, and do not end it."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from roeh.core.peers import StoreAlert, StoreGop
from tests.alert_drafts import alert_draft
from tests.gops import GopSource

EDGE = Path(__file__).parents[2]
#: Most of these ended by SIGSEGV when the types were first looked into by the threads.
PROCESSES = 6
PARSE = """
import sys, threading
import roeh.core.ipc.stream
import msgspec
from roeh.core.peers import StoreAlert, StoreGop
sys.setswitchinterval(1e-6)
types, threads, together = (StoreAlert, StoreGop), 8, threading.Barrier(8)
messages = [bytes.fromhex(line) for line in sys.stdin]
def parse(number):
    together.wait()
    msgspec.msgpack.decode(messages[number % 2], type=types[number % 2])
started = [threading.Thread(target=parse, args=(number,)) for number in range(threads)]
for thread in started: thread.start()
for thread in started: thread.join()
"""


def test_types_are_looked_into_before_there_are_threads():
    messages = (StoreAlert(alert_draft(), None), StoreGop(GopSource().next()))
    lines = "\n".join(msgspec.msgpack.encode(message).hex() for message in messages)
    for _ in range(PROCESSES):
        done = subprocess.run(
            [sys.executable, "-c", PARSE],
            input=lines,
            env=os.environ | {"PYTHONPATH": str(EDGE)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
