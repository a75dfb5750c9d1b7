"""A witness cosigns a ledger that only continues, says so again, and stops at a second history."""

import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.keys.chain import trust_anchors
from roeh.keys.signer import KeyUsage, NodeName
from tests.authorities import City, day_us
from tests.witnesses import POLE, CityLogKey, Pole, RunningWitness, unprovisioned_key

IN_FORCE = SimulatedClock(t_utc_ns=day_us(100) * 1000)


@pytest.fixture
def seen(tmp_path):
    """A witness, and a pole whose first 5 records it has cosigned."""
    witness = RunningWitness(tmp_path)
    pole = Pole()
    pole.append(5)
    witness.introduce(pole)
    assert witness.cosigned(pole.message())[0] == 5
    yield witness, pole
    witness.witness.close()


def other_history(pole, common, more):
    """A pole with the same key whose ledger is another one after `common` records."""
    other = Pole(pole.key)
    other.append(common)
    other.append(more, mark=b"other")
    return other


def test_a_tree_that_continues_is_cosigned_with_the_time(seen):
    witness, pole = seen
    witness.clock.advance(300)
    pole.append(3)

    size, _root, t_utc_s = witness.cosigned(pole.message(5))

    assert size == 8
    assert t_utc_s == witness.clock.read().t_utc_ns // NS_PER_S


def test_the_clocks_error_is_added_so_that_the_tree_surely_existed_by_then(tmp_path):
    clock = SimulatedClock(t_utc_ns=1_800_000_000 * NS_PER_S, utc_error_ns=2_300_000_000)
    witness, pole = RunningWitness(tmp_path, clock=clock), Pole()
    pole.append(1)
    witness.introduce(pole)

    assert witness.cosigned(pole.message())[2] == 1_800_000_003


def test_the_same_tree_is_cosigned_again_with_the_time_at_which_it_was_first_seen(seen):
    witness, pole = seen
    first = witness.witness.take(pole.message())
    witness.clock.advance(3600)

    assert witness.witness.take(pole.message()) == first


def test_a_proof_from_another_size_is_answered_with_the_tree_seen_last(seen):
    witness, pole = seen
    pole.append(4)

    assert witness.cosigned(pole.message(3))[0] == 5
    assert witness.cosigned(pole.message(5))[0] == 9
    assert witness.alarms() == []


def test_a_message_that_came_late_is_nothing(seen):
    witness, pole = seen
    late = pole.message()
    pole.append(4)
    witness.cosigned(pole.message(5))

    assert witness.cosigned(late) is None
    assert witness.alarms() == []


@pytest.mark.parametrize(
    ("common", "more", "from_size", "kind"),
    [(4, 1, 0, "two_roots"), (4, 4, 5, "not_continued"), (3, 1, 0, "shrunk")],
)
def test_a_second_history_is_an_alarm_and_nothing_is_cosigned_any_more(
    seen, common, more, from_size, kind
):
    witness, pole = seen

    assert witness.cosigned(other_history(pole, common, more).message(from_size)) is None
    assert witness.alarms() == [(str(POLE), kind)]
    pole.append(1)
    assert witness.cosigned(pole.message(5)) is None

    witness.restart()
    witness.introduce(pole)
    assert witness.alarms() == [(str(POLE), kind)]
    assert witness.cosigned(pole.message(5)) is None


def test_a_ledger_cut_to_a_size_that_was_never_signed_shrank(seen):
    witness, pole = seen

    assert witness.cosigned(pole.message(0, size=4)) is None
    assert witness.alarms() == [(str(POLE), "shrunk")]


def test_a_restored_pole_that_shows_no_proof_any_more_is_an_alarm_until_it_does(seen):
    witness, pole = seen
    other = other_history(pole, 4, 3)
    for _ in range(12):
        other.append(1)
        assert witness.cosigned(other.message(4))[0] == 5
    assert witness.alarms() == [(str(POLE), "unproven")]


def test_a_heartbeat_with_another_root_of_the_same_size_is_a_fork(seen):
    witness, pole = seen
    witness.witness.take_riding(POLE, other_history(pole, 4, 1).note())

    assert witness.alarms() == [(str(POLE), "two_roots")]


def test_a_heartbeat_commits_its_pole_before_the_proof_comes(seen):
    witness, pole = seen
    witness.witness.take_riding(POLE, other_history(pole, 5, 3).note())
    assert witness.alarms() == []
    pole.append(3)

    assert witness.cosigned(pole.message(5)) is None
    assert witness.alarms() == [(str(POLE), "two_roots")]


def test_an_old_checkpoint_in_an_alert_that_waited_is_nothing(seen):
    witness, pole = seen
    witness.witness.take_riding(POLE, pole.note(3))

    assert witness.alarms() == []


def test_without_a_known_key_nothing_is_cosigned(tmp_path):
    witness, pole = RunningWitness(tmp_path), Pole()
    pole.append(1)

    assert witness.cosigned(pole.message()) is None
    assert not witness.history().exists()


def test_a_chain_alone_makes_no_history(tmp_path):
    witness, pole = RunningWitness(tmp_path), Pole()
    pole.append(1)
    witness.introduce(Pole())

    assert witness.cosigned(pole.message()) is None
    assert not witness.history().exists()


def test_another_ledgers_checkpoint_on_this_ledgers_topic_is_refused(seen):
    witness, pole = seen
    other = Pole(pole.key, name=NodeName("haifa", "pole-8"))
    other.append(7)

    assert witness.cosigned(pole.message(5, note=other.note(), hashes=())) is None
    assert witness.alarms() == []


def test_a_forged_checkpoint_neither_counts_nor_alarms(seen):
    witness, pole = seen
    forger = other_history(Pole(), 0, 5)

    assert witness.cosigned(forger.message()) is None
    witness.witness.take_riding(POLE, forger.note())
    assert witness.alarms() == []
    pole.append(1)
    assert witness.cosigned(pole.message(5))[0] == 6


def test_a_pinned_key_that_changes_is_an_alarm_and_the_first_one_still_counts(seen):
    witness, pole = seen
    thief = Pole(unprovisioned_key())
    thief.append(9)
    witness.introduce(thief)

    assert witness.cosigned(thief.message(5)) is None
    assert witness.cosigned(thief.message(5)) is None
    assert witness.alarms() == [(str(POLE), "key_changed")]
    pole.append(1)
    assert witness.cosigned(pole.message(5))[0] == 6


def test_with_roots_a_new_key_counts_when_they_vouch_for_it(tmp_path):
    city = City()
    witness = RunningWitness(tmp_path, trust_anchors(city.anchors_pem), IN_FORCE)
    pole = Pole(CityLogKey(city))
    pole.append(5)
    witness.introduce(pole)
    assert witness.cosigned(pole.message())[0] == 5

    pole.key = CityLogKey(city)
    pole.append(1)
    witness.introduce(pole)

    assert witness.cosigned(pole.message(5))[0] == 6
    assert witness.alarms() == []


@pytest.mark.parametrize("wrong", ["foreign", "other_pole", "other_use"])
def test_with_roots_of_its_own_a_witness_believes_nobody_else(tmp_path, wrong):
    city = City()
    keys = {
        "foreign": lambda: CityLogKey(City()),
        "other_pole": lambda: CityLogKey(city, NodeName("haifa", "pole-8")),
        "other_use": lambda: CityLogKey(city, usage=KeyUsage.MEDIA),
    }
    witness = RunningWitness(tmp_path, trust_anchors(city.anchors_pem), IN_FORCE)
    pole = Pole(keys[wrong]())
    pole.append(1)
    witness.introduce(pole)

    assert witness.cosigned(pole.message()) is None


def test_a_pole_that_was_provisioned_gets_from_its_own_key_to_one_that_is_vouched_for(tmp_path):
    city = City()
    witness = RunningWitness(tmp_path, trust_anchors(city.anchors_pem), IN_FORCE)
    pole = Pole()
    pole.append(1)
    witness.introduce(pole)
    assert witness.cosigned(pole.message())[0] == 1

    own, pole.key = pole.key, CityLogKey(city)
    pole.append(1)
    witness.introduce(pole)
    assert witness.cosigned(pole.message(1))[0] == 2

    pole.key = own
    pole.append(1)
    witness.introduce(pole)
    assert witness.cosigned(pole.message(2)) is None


def test_a_machine_that_does_not_know_the_time_keeps_what_it_sees_and_signs_nothing(tmp_path):
    clock = SimulatedClock(synchronised=False)
    witness, pole = RunningWitness(tmp_path, clock=clock), Pole()
    pole.append(5)
    witness.introduce(pole)
    assert witness.cosigned(pole.message()) is None

    assert witness.cosigned(other_history(pole, 4, 1).message()) is None
    assert witness.alarms() == [(str(POLE), "two_roots")]


def test_once_the_clock_is_right_the_tree_that_counts_is_cosigned(tmp_path):
    clock = SimulatedClock(synchronised=False)
    witness, pole = RunningWitness(tmp_path, clock=clock), Pole()
    pole.append(5)
    witness.introduce(pole)
    assert witness.cosigned(pole.message()) is None

    witness.clock = SimulatedClock()
    witness.restart()
    witness.introduce(pole)

    assert witness.cosigned(pole.message())[0] == 5
    assert witness.cosigned(pole.message())[0] == 5


def test_for_trials_a_machine_may_sign_whatever_its_clock_says(tmp_path):
    clock = SimulatedClock(synchronised=False)
    witness = RunningWitness(tmp_path, clock=clock, may_be_unsynchronised=True)
    pole = Pole()
    pole.append(5)
    witness.introduce(pole)

    assert witness.cosigned(pole.message())[2] == clock.read().t_utc_ns // NS_PER_S
