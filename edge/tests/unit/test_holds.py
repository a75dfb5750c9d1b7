"""A hold lasts until two persons let it go; both are records."""

import msgspec
import pytest

from roeh.core.custody import PlaceHold, ReleaseHold, Span
from roeh.core.errors import HoldRefused
from roeh.ledger.records import HoldRecord, ReleaseRecord
from tests.rings import BOOT, Ring, S


@pytest.fixture
def ring(memory_directory):
    ring = Ring(memory_directory)
    yield ring
    ring.close()


def test_a_hold_is_a_record_with_person_reason_and_spans(ring):
    hold = ring.hold(10 * S, 20 * S)
    assert hold.state == "active"
    (record,) = ring.records(HoldRecord)
    assert (record.hold_id, record.person, record.reason) == (hold.hold_id, "A. Visser", "case 7")
    assert [(span.from_mono_us, span.to_mono_us) for span in record.spans] == [(10 * S, 20 * S)]
    assert ring.holds.page(after=-1, limit=10) == (hold,)


def test_asked_again_it_is_placed_once(ring):
    wanted = PlaceHold(
        "01890a5d-ac96-774b-bcce-b302099a8057", "A", "case", (Span("north", BOOT, 1, 2),)
    )
    assert ring.holds.place(wanted) == ring.holds.place(wanted)
    assert len(ring.records(HoldRecord)) == 1
    with pytest.raises(HoldRefused, match="another hold has this id"):
        ring.holds.place(msgspec.structs.replace(wanted, reason="other"))


def test_an_empty_span_is_refused(ring):
    with pytest.raises(HoldRefused, match="ends before it begins"):
        ring.hold(20 * S, 20 * S)
    assert ring.envelopes() == []


def test_two_persons_let_it_go(ring):
    hold = ring.hold(10 * S, 20 * S)
    asked = ring.release(hold, "B. Smit")
    assert (asked.state, asked.release_asked_by) == ("release_asked", "B. Smit")
    released = ring.release(hold, "C. Jansen")
    assert released.state == "released"
    steps = [(record.step, record.person) for record in ring.records(ReleaseRecord)]
    assert steps == [("asked", "B. Smit"), ("released", "C. Jansen")]


@pytest.mark.parametrize("name", ["B. Smit", "b. smit", "B.  Smit ", "\uff22. Smit"])
def test_the_same_person_cannot_confirm(ring, name):
    hold = ring.hold(10 * S, 20 * S)
    ring.release(hold, "B. Smit")
    with pytest.raises(HoldRefused, match="another person"):
        ring.release(hold, name)
    assert ring.holds.page(after=-1, limit=1)[0].state == "release_asked"
    assert len(ring.records(ReleaseRecord)) == 1


def test_what_is_released_or_unknown_cannot_be_released(ring):
    hold = ring.hold(10 * S, 20 * S)
    for person in ("B", "C"):
        ring.release(hold, person)
    with pytest.raises(HoldRefused, match="released before"):
        ring.release(hold, "D")
    with pytest.raises(HoldRefused, match="no such hold"):
        ring.holds.release(ReleaseHold("01890a5d-ac96-774b-bcce-b302099a8057", "D", "x"))


def test_pages_go_on_where_the_last_one_ended(ring):
    placed = [ring.hold(n * S, (n + 1) * S) for n in range(5)]
    first = ring.holds.page(after=-1, limit=3)
    rest = ring.holds.page(after=first[-1].row, limit=3)
    assert [*first, *rest] == placed
