"""The control room tells each alert once, and knows what it did not get."""

import hashlib

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.clock import SimulatedClock
from roeh.core.orders import SeqRange
from roeh.core.types import AlertPhase, Tombstone
from roeh.desk.pole import Pole
from roeh.desk.watch.notices import (
    AlertArrived,
    AlertEvicted,
    AlertsMissing,
    PoleCondition,
    PoleOffline,
    PoleOnline,
    PoleSilent,
    ThumbnailArrived,
)
from roeh.desk.watch.picture import MISSING_GRACE_S, THUMBNAIL_GRACE_S, Picture
from roeh.desk.watch.seq_ranges import SeqRanges
from roeh.transport.messages import Thumbnail
from tests.unit.test_messages import ALERT, HEALTH, STATE

POLE = Pole("harbour", "pole-7")
JPEG = b"\xff\xd8 picture"


def alert(seq, thumbnail=False):
    return msgspec.structs.replace(
        ALERT,
        id=f"0192f0c1-0000-7000-8000-{seq:012d}",
        seq=seq,
        phase=AlertPhase.RAISED,
        thumbnail_sha256=hashlib.sha256(JPEG).hexdigest() if thumbnail else None,
    )


def thumbnail_of(message):
    return Thumbnail(message.id, message.thumbnail_sha256, JPEG)


class Desk:
    """A picture and its clock."""

    def __init__(self):
        self.clock = SimulatedClock(t_utc_ns=ALERT.t_utc_us * 1000)
        self.picture = Picture()

    def take(self, *messages, pole=POLE):
        told = []
        for message in messages:
            told += self.picture.take(pole, message, self.clock.read())
        return told

    def after(self, duration_s):
        self.clock.advance(duration_s)
        return self.picture.tick(self.clock.read())

    @property
    def view(self):
        return self.picture.poles()[0]


def test_an_alert_and_its_picture_are_told_together():
    desk = Desk()
    message = alert(1, thumbnail=True)
    assert desk.take(message) == []
    (told,) = desk.take(thumbnail_of(message))
    assert told == AlertArrived(POLE, message, JPEG, 0)


def test_the_picture_may_come_first():
    desk = Desk()
    message = alert(1, thumbnail=True)
    assert desk.take(thumbnail_of(message)) == []
    (told,) = desk.take(message)
    assert told.thumbnail == JPEG


def test_a_late_picture_is_told_by_itself_and_once():
    desk = Desk()
    message = alert(1, thumbnail=True)
    desk.take(message)
    (told,) = desk.after(THUMBNAIL_GRACE_S)
    assert told.thumbnail is None
    assert desk.take(thumbnail_of(message)) == [ThumbnailArrived(POLE, message.id, JPEG)]
    assert desk.take(thumbnail_of(message)) == []


def test_the_delay_is_from_the_rule_to_the_arrival_not_to_the_picture():
    desk = Desk()
    message = alert(1, thumbnail=True)
    desk.after(0.2)
    desk.take(message)
    desk.after(0.5)
    (told,) = desk.take(thumbnail_of(message))
    assert told.delay_us == 200_000


def test_a_gap_is_told_after_a_while_and_once():
    desk = Desk()
    desk.take(alert(1), alert(5))
    assert desk.view.missing == (SeqRange(2, 4),)
    assert desk.after(MISSING_GRACE_S - 1) == []
    assert desk.after(2) == [AlertsMissing(POLE, (SeqRange(2, 4),))]
    desk.take(alert(3))
    assert desk.view.missing == (SeqRange(2, 2), SeqRange(4, 4))
    assert desk.after(60) == []


def test_an_overtaken_alert_that_comes_in_time_was_never_missing():
    desk = Desk()
    desk.take(alert(2), alert(1), alert(4), alert(3))
    assert desk.view.missing == ()
    assert desk.after(60) == []


def test_an_evicted_alert_is_told_and_not_missing():
    desk = Desk()
    tombstone = Tombstone(evicted_seq=2, id=alert(2).id)
    assert AlertEvicted(POLE, tombstone) in desk.take(alert(1), tombstone, alert(3))
    assert desk.view.missing == ()
    assert desk.take(tombstone) == []


def test_who_watches_from_the_middle_misses_nothing_before():
    desk = Desk()
    desk.take(alert(500), alert(501))
    assert desk.view.missing == ()


def state(number, online):
    return msgspec.structs.replace(STATE, connection_number=number, online=online)


def test_the_state_is_that_of_the_highest_connection():
    desk = Desk()
    assert desk.take(state(7, online=True)) == [PoleOnline(POLE, state(7, online=True))]
    assert desk.take(state(6, online=False)) == []
    assert desk.view.online
    assert desk.take(state(7, online=False)) == [PoleOffline(POLE, state(7, online=False))]
    assert desk.take(state(6, online=True)) == []
    assert not desk.view.online
    assert desk.take(state(7, online=True)) == [PoleOnline(POLE, state(7, online=True))]


def test_a_pole_whose_heartbeat_stays_away_is_silent_until_it_speaks():
    desk = Desk()
    desk.take(state(7, online=True), HEALTH)
    assert HEALTH.heartbeat_s == 60
    assert desk.after(90) == []
    (told,) = desk.after(1)
    assert isinstance(told, PoleSilent)
    assert desk.view.silent
    assert desk.after(HEALTH.heartbeat_s) == []
    desk.take(HEALTH)
    assert not desk.view.silent


def test_a_pole_that_the_broker_calls_online_and_nobody_hears_is_silent():
    desk = Desk()
    desk.take(state(7, online=True))
    assert desk.after(89) == []
    assert [type(told) for told in desk.after(2)] == [PoleSilent]


def test_whatever_a_pole_says_is_a_word():
    desk = Desk()
    desk.take(state(7, online=True), HEALTH)
    for seq in range(1, 5):
        assert desk.after(60) == []
        desk.take(alert(seq))
    assert not desk.view.silent


def test_a_pole_with_a_slower_heartbeat_has_longer():
    desk = Desk()
    desk.take(state(7, online=True), msgspec.structs.replace(HEALTH, heartbeat_s=200.0))
    assert desk.after(299) == []
    assert [type(told) for told in desk.after(2)] == [PoleSilent]


def test_an_offline_pole_is_not_silent_too():
    desk = Desk()
    desk.take(state(7, online=True), HEALTH, state(7, online=False))
    assert desk.after(10 * HEALTH.heartbeat_s) == []


def test_a_pole_that_goes_blind_is_told_once():
    desk = Desk()
    well = msgspec.structs.replace(HEALTH, condition="ok")
    assert desk.take(well) == []
    assert desk.take(HEALTH) == [PoleCondition(POLE, HEALTH)]
    assert desk.take(HEALTH) == []
    assert desk.take(well) == [PoleCondition(POLE, well)]


def test_poles_are_counted_apart():
    desk = Desk()
    other = Pole("harbour", "pole-8")
    desk.take(alert(1), alert(2))
    desk.take(alert(9), pole=other)
    assert [view.pole for view in desk.picture.poles()] == [POLE, other]
    assert [view.missing for view in desk.picture.poles()] == [(), ()]


@given(st.lists(st.integers(1, 60), max_size=80), st.none() | st.integers(1, 20))
def test_ranges_are_the_set_they_stand_for(numbers, since):
    ranges, plain = SeqRanges(), set()
    for number in numbers:
        assert ranges.add(number) == (number not in plain)
        plain.add(number)
    assert all((number in ranges) == (number in plain) for number in range(62))
    known = plain | ({since - 1} if since is not None else set())
    expected = set(range(min(known), max(known))) - known if known else set()
    missing = ranges.missing(since)
    found = [number for gap in missing for number in range(gap.first, gap.last + 1)]
    assert found == sorted(expected)


@settings(max_examples=60)
@given(st.data())
def test_every_alert_is_told_once_and_what_is_missing_is_exactly_what_did_not_come(data):
    count = data.draw(st.integers(1, 30))
    lost = data.draw(st.sets(st.integers(1, count)))
    sent = [
        alert(seq, thumbnail=data.draw(st.booleans()))
        for seq in range(1, count + 1)
        if seq not in lost
    ]
    messages = list(sent)
    messages += [thumbnail_of(message) for message in sent if message.thumbnail_sha256]
    copies = data.draw(st.lists(st.sampled_from(messages), max_size=20)) if messages else []
    desk = Desk()
    told = []
    for message in data.draw(st.permutations(messages + copies)):
        told += desk.take(message)
        told += desk.after(data.draw(st.sampled_from([0.0, 0.3, 2.0])))
    told += desk.after(60)

    arrived = [notice.alert.seq for notice in told if isinstance(notice, AlertArrived)]
    assert sorted(arrived) == [message.seq for message in sent]
    pictured = [
        notice
        for notice in told
        if isinstance(notice, ThumbnailArrived)
        or (isinstance(notice, AlertArrived) and notice.thumbnail is not None)
    ]
    assert len(pictured) == sum(message.thumbnail_sha256 is not None for message in sent)
    if sent:
        missing = {seq for gap in desk.view.missing for seq in range(gap.first, gap.last + 1)}
        first, last = sent[0].seq, sent[-1].seq
        assert missing == {seq for seq in lost if first < seq < last}
        announced = {
            seq
            for notice in told
            if isinstance(notice, AlertsMissing)
            for gap in notice.ranges
            for seq in range(gap.first, gap.last + 1)
        }
        assert missing <= announced
