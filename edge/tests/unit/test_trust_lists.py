"""Which trust list is in force: never an older one, whatever is killed, lost or put back."""

import os

import msgspec
import pytest

from roeh.core.config import parse_config
from roeh.core.errors import AccessRefused, StorageFailed
from roeh.evidence.trust_lists import FILE_NAME, TrustLists
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import Record
from tests.authorities import day_us, revoked
from tests.people import ISSUED_ON_DAY, PeopledCity, clock_on_day

NODE = """
[node]
site = "haifa"
name = "pole-7"
[paths]
data_dir = "{directory}"
[access]
host = "127.0.0.1"
root_file = "{directory}/root.pem"
trust_file = "{directory}/given.p7m"
[[sensors]]
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""
CITY = PeopledCity()


class Pole:
    def __init__(self, directory, clock=None):
        self.directory = directory
        (directory / "root.pem").write_bytes(CITY.root_pem)
        self.clock = clock or clock_on_day(ISSUED_ON_DAY + 1)
        self.database = NodeDatabase(directory / "node.db")
        self.log = Log(self.database, self.clock, site="haifa", node="pole-7")
        self.start()

    def start(self):
        config = parse_config(NODE.format(directory=self.directory), name="node.toml")
        self.lists = TrustLists(config, self.clock, self.database, self.log)
        self.lists.begin()

    def offer(self, **said):
        return self.lists.offer(CITY.trust_list(**said), "usb")

    @property
    def version(self):
        return self.lists.shown().version

    def recorded(self):
        with self.database.reading() as connection:
            found = self.log.records_of(connection, ("trust_list",), 0, 100)
        return [msgspec.json.decode(one, type=Record).body.version for one in found]


@pytest.fixture
def pole(tmp_path):
    pole = Pole(tmp_path)
    yield pole
    pole.database.close()


def test_a_newer_one_takes_its_place_by_record_and_the_same_again_is_nothing(pole):
    signed = CITY.trust_list(version=3)
    assert pole.lists.offer(signed, "usb").version == 3
    assert pole.lists.offer(signed, "mqtt").version == 3
    assert pole.offer(version=4).version == 4
    assert pole.recorded() == [3, 4]
    pole.start()
    assert pole.version == 4
    assert pole.recorded() == [3, 4]


def test_an_older_one_is_refused_even_when_the_file_was_taken_away_or_put_back(pole):
    old = CITY.trust_list(version=3)
    pole.lists.offer(old, "usb")
    pole.offer(version=4)
    for put_back in (lambda path: path.unlink(), lambda path: path.write_bytes(old)):
        put_back(pole.directory / FILE_NAME)
        pole.start()
        assert pole.version == 0
        assert pole.lists.alarms()
        with pytest.raises(AccessRefused, match="older_trust_list"):
            pole.lists.offer(old, "usb")
    assert pole.offer(version=5).version == 5


def test_one_killed_between_file_and_record_is_on_record_at_the_next_start(pole):
    pole.offer(version=3)
    (pole.directory / FILE_NAME).write_bytes(CITY.trust_list(version=4))
    pole.start()
    assert pole.lists.held().trust_list.version == 4
    assert pole.recorded() == [3, 4]


@pytest.mark.parametrize(
    ("day", "synchronised", "is_stale", "has_age"),
    [
        (1, True, False, True),
        (29, True, False, True),
        (31, True, True, True),
        (1, False, True, False),
    ],
)
def test_a_list_is_stale_when_it_is_old_or_no_clock_tells(
    tmp_path, day, synchronised, is_stale, has_age
):
    pole = Pole(tmp_path, clock_on_day(ISSUED_ON_DAY + day, synchronised=synchronised))
    pole.offer()
    shown = pole.lists.shown()
    assert (shown.is_stale, shown.age_us is not None) == (is_stale, has_age)
    assert bool(pole.lists.alarms()) == is_stale
    pole.database.close()


def test_one_from_the_future_is_refused(pole):
    with pytest.raises(AccessRefused, match="trust_list_from_the_future"):
        pole.offer(issued_us=day_us(ISSUED_ON_DAY + 2))


def test_the_file_is_taken_when_it_changes_and_a_wrong_one_changes_nothing(pole):
    given = pole.directory / "given.p7m"
    given.write_bytes(CITY.trust_list(version=3))
    assert pole.lists.held().trust_list.version == 3
    given.write_bytes(b"nothing of the kind")
    os.utime(given, ns=(1, 1))
    assert pole.lists.held().trust_list.version == 3
    assert any("not taken" in alarm for alarm in pole.lists.alarms())
    given.write_bytes(CITY.trust_list(version=4))
    assert pole.lists.held().trust_list.version == 4
    assert pole.lists.alarms() == ()
    assert pole.recorded() == [3, 4]


def test_a_file_that_is_not_taken_is_tried_again_by_and_by(pole):
    """Its clock was wrong, or its disk full: nobody touches the file a second time for that."""
    given = pole.directory / "given.p7m"
    given.write_bytes(CITY.trust_list(issued_us=day_us(ISSUED_ON_DAY + 2)))
    assert pole.lists.held() is None
    assert any("from_the_future" in alarm for alarm in pole.lists.alarms())
    pole.clock.advance(2 * 86_400)
    assert pole.lists.held().trust_list.version == 1
    assert pole.lists.alarms() == ()


def test_a_lower_version_is_on_record_before_it_takes_the_place_of_a_thiefs(pole):
    """Killed in between, the pole takes it again; the other way round it took nobody's."""
    thief = CITY.new_trust_signer()
    pole.lists.offer(CITY.sign_trust_list(CITY.trust_list_content(version=1000), thief), "mqtt")
    dismissed = CITY.trust_list(
        version=5, revoked=[revoked(thief.certificate, on_day=250)], list_number=2
    )
    blocker = pole.directory / f"{FILE_NAME}.new"
    blocker.mkdir()
    with pytest.raises(StorageFailed):
        pole.lists.offer(dismissed, "usb")
    assert pole.recorded() == [1000, 5]
    blocker.rmdir()
    pole.start()
    assert pole.version == 1000
    assert pole.lists.offer(dismissed, "usb").version == 5
    pole.start()
    assert pole.version == 5


def test_a_root_that_comes_later_brings_the_list_in_force_with_it(pole):
    pole.offer(version=3)
    root = pole.directory / "root.pem"
    root.rename(pole.directory / "away")
    pole.start()
    assert pole.version == 0
    (pole.directory / "away").rename(root)
    assert pole.version == 3
    assert pole.lists.alarms() == ()


def test_without_a_root_nobody_is_let_in_and_it_is_said(tmp_path):
    pole = Pole(tmp_path)
    (tmp_path / "root.pem").unlink()
    pole.start()
    assert pole.lists.held() is None
    with pytest.raises(AccessRefused, match="trust_list_signer"):
        pole.offer()
    assert any("root.pem" in alarm for alarm in pole.lists.alarms())
    pole.database.close()


def test_what_another_citys_root_stands_behind_is_refused(pole):
    with pytest.raises(AccessRefused, match="trust_list_signer"):
        pole.lists.offer(PeopledCity("Elsewhere").trust_list(), "mqtt")
    assert pole.recorded() == []
