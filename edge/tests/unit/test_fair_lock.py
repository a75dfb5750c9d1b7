"""Whoever waits for the store goes before whoever had it."""

import threading

from roeh.ledger.fair_lock import FairLock
from tests.waiting import wait_until


def test_who_waits_goes_before_who_takes_it_again_and_again():
    lock = FairLock()
    waits = threading.Event()
    turns = []

    def record():
        waits.set()
        with lock:
            turns.append("recording")

    thread = threading.Thread(target=record)
    lock.acquire()
    thread.start()
    waits.wait()
    wait_until(lock._turn.locked)
    lock.release()
    for _ in range(1000):
        with lock:
            turns.append("page")
    thread.join()

    assert turns[0] == "recording"


def test_it_is_taken_as_often_as_it_is_let_go_and_waited_on():
    lock = FairLock()
    condition = lock.condition()
    said = []

    def answer():
        with condition:
            said.append("answer")
            condition.notify()

    with lock, condition:
        thread = threading.Thread(target=answer)
        thread.start()
        assert condition.wait(10.0)
        said.append("heard")
    thread.join()

    assert said == ["answer", "heard"]
    with lock:
        pass
