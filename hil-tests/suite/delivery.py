"""That no alert is lost and none comes twice: both ends are counted."""

from __future__ import annotations

from suite.control_room import Arrival, ControlRoom
from suite.evidence import records
from suite.pole import Pole
from suite.waiting import wait_until

#: The longest wait between two attempts (60 s), and what the desk needs.
PATIENCE_S = 120.0


def wait_for_alerts(pole: Pole, count: int, patience_s: float = PATIENCE_S) -> int:
    """Until so many more alert messages were made durable; the number of the newest."""
    health = pole.wait_until_answers()
    wanted = health.alerts_stored + count

    def look() -> int | None:
        now = pole.health()
        return now.alerts_stored if now is not None and now.alerts_stored >= wanted else None

    return wait_until(f"{count} more alerts stored on the pole", look, patience_s)


def check_all_arrived(
    pole: Pole, control_room: ControlRoom, patience_s: float = PATIENCE_S
) -> list[Arrival]:
    """Every alert that the ledger has by now is at the control room, once, the very same.

    Returns:
        What arrived, in its order.
    """
    stored = {one.seq: one.id for one in records(pole.machine).alerts}
    assert sorted(stored) == list(range(1, len(stored) + 1)), "the pole's own count has holes"
    arrived = control_room.wait_for_seqs(pole.name, len(stored), patience_s)
    seqs = [one.seq for one in arrived]
    assert len(seqs) == len(set(seqs)), "an alert came twice"
    assert {one.seq: one.id for one in arrived if one.seq in stored} == stored
    return arrived
