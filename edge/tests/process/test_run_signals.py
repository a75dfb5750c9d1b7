"""Signals end a process whatever it is doing at that moment."""

import signal
import subprocess
import sys

from roeh.core.clock import SystemClock

#: Holds the event's lock most of the time, as a loop that waits for it does now and then.
WAITING = """
from roeh.cli import stop_on_signals
stop = stop_on_signals()
print("waiting", flush=True)
while not stop.wait(0):
    pass
print("ended", flush=True)
"""
SLEEPING = """
import time
from roeh.cli import stop_on_signals
stop_on_signals()
print("sleeping", flush=True)
while True:
    time.sleep(60)
"""


def started(program):
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    return process


def test_a_volley_of_sigterm_ends_a_process_that_waits_for_its_event():
    # The kernel sends one for every thread of a parent that ends.
    processes = [started(WAITING) for _ in range(4)]
    for process in processes:
        for _ in range(20):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
    for process in processes:
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "ended\n", "")


def test_ctrl_c_a_second_time_ends_what_does_not_listen():
    process = started(SLEEPING)
    clock = SystemClock()
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        clock.wait(0.05)
        process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGINT
    assert process.communicate() == ("", "")
