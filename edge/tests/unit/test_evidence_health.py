"""How a node is, as its heartbeat says it: measured, and cheap to ask."""

import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.evidence.health import HealthParts, NodeHealth
from roeh.evidence.refusals import RefusedStatements
from roeh.ledger.segment_rows import count_bytes
from tests.authorities import City, day, days
from tests.rings import BOOT, SEGMENT_BYTES, SEGMENT_S, Ring

DAY_100_NS = int(day(100).timestamp()) * NS_PER_S
HOUR_S = 3600


class AskedNode:
    """What evidence knows of a ring, and a clock to let it grow old."""

    def __init__(self, directory, *, chains=None, witnessed_utc_s=None, endurance_tb=0.0):
        self.city = City()
        clock = SimulatedClock(t_utc_ns=DAY_100_NS, boot_id=BOOT)
        self.ring = Ring(directory, clock, max_bytes=16 * SEGMENT_BYTES, max_locked_share=0.5)
        self.clock = clock
        self.refused = RefusedStatements(self.ring.database, self.ring.log, clock)
        self.sys_root = directory / "sys"
        self.health = NodeHealth(
            HealthParts(
                database=self.ring.database,
                age=self.ring.age,
                clock=clock,
                refused=self.refused,
                data_dir=directory,
                endurance_tb=endurance_tb,
                chains_pem=chains(self.city) if chains else (self.city.chain(self.city.leaf()),),
                witnessed_utc_s=lambda: witnessed_utc_s,
                sys_root=self.sys_root,
            )
        )

    def later(self):
        """How it is when what was read before counts no more."""
        self.clock.advance(30)
        return self.health.now()


@pytest.fixture
def asked(memory_directory):
    opened = []

    def ask(**parts):
        opened.append(AskedNode(memory_directory, **parts))
        return opened[-1]

    yield ask
    for node in opened:
        node.ring.close()


def test_a_node_that_has_just_begun_says_so(asked):
    health = asked().health.now()
    assert health.retention_us is None
    assert health.witnessed_age_us is None
    assert health.wear_percent is None


def test_retention_is_how_long_the_node_ran_since_the_oldest_that_is_there(asked):
    node = asked()
    for _ in range(5):
        node.ring.segment()
    began_us = 4 * SEGMENT_S * 1_000_000  # a test's segment begins when it is on the disk
    assert node.health.now().retention_us == began_us
    assert node.later().retention_us == began_us + 30_000_000


def test_what_an_alert_keeps_does_not_make_the_ring_look_longer(asked):
    node = asked()
    node.ring.segment()
    node.ring.alert()
    for _ in range(40):
        node.ring.segment()
        node.ring.retention.make_room(SEGMENT_BYTES)
    states = node.ring.states()
    assert states[1] == "closed"
    assert "pruned" in states.values()
    oldest_free = max(number for number, state in states.items() if state == "pruned") + 1
    expected_s = (max(states) - oldest_free) * SEGMENT_S
    assert node.health.now().retention_us == expected_s * 1_000_000


def test_the_first_certificate_that_ends_counts_in_whole_days(asked):
    def chains(city):
        return (
            city.chain(city.leaf()),
            city.chain(city.leaf(validity=days(0, 131))),
            city.chain(city.leaf(validity=days(0, 400))),
        )

    node = asked(chains=chains)
    assert node.health.now().certificate_days == 31
    node.clock.advance(HOUR_S)
    assert node.health.now().certificate_days == 30
    node.clock.advance(40 * 24 * HOUR_S)
    assert node.health.now().certificate_days < 0


def test_how_long_ago_a_witness_signed_is_by_its_own_time(asked):
    node = asked(witnessed_utc_s=DAY_100_NS // NS_PER_S - 90)
    assert node.health.now().witnessed_age_us == 90_000_000


def test_a_witness_whose_clock_is_ahead_signed_just_now(asked):
    node = asked(witnessed_utc_s=DAY_100_NS // NS_PER_S + 90)
    assert node.health.now().witnessed_age_us == 0


def test_wear_is_what_was_written_of_what_the_data_sheet_allows(asked):
    node = asked(endurance_tb=1.0)
    with node.ring.database.writing() as connection:
        for what, size_bytes in (("video", 60e9), ("index", 30e9), ("mirror", 10e9)):
            count_bytes(connection, what, int(size_bytes))
    assert node.health.now().wear_percent == 10.0


def test_it_is_looked_up_at_most_every_half_minute_but_for_what_costs_nothing(asked):
    node = asked()
    zone = node.sys_root / "class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("40000\n")
    assert node.health.now().temperature_c == 40.0
    zone.write_text("80000\n")
    node.refused.refuse("ack", "forged")
    node.clock.advance(29)
    health = node.health.now()
    assert (health.temperature_c, health.statements_refused) == (40.0, 1)
    node.clock.advance(1)
    assert node.health.now().temperature_c == 80.0
