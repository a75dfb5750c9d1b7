"""Reports: what is chosen, counted and exported; nothing in a cell does anything."""

import csv
import io
import json
import tracemalloc

import pytest

from roeh.desk.alarms.choice import AlarmChoice
from roeh.desk.alarms.records import AlarmRecord
from roeh.desk.alarms.states import Acknowledge, AlarmState, Close, Shelve, Verdict
from roeh.desk.report.formats import csv_lines, json_lines, neutral
from roeh.desk.report.reading import chosen_records, summary
from roeh.desk.store.sqlite import SqliteStore
from tests.desks import desk_in
from tests.operated_desks import ANNA, OperatedDesk


@pytest.fixture
def desk(desk_config, desk_database):
    return OperatedDesk(desk_config, desk_database)


def chosen(desk, **choice):
    with desk.store.reading() as transaction:
        return list(chosen_records(transaction, AlarmChoice(**choice), desk.now_us))


def counted(desk, **choice):
    with desk.store.reading() as transaction:
        return summary(transaction, AlarmChoice(**choice), desk.now_us)


def test_each_filter_chooses_what_it_says(desk):
    desk.alert(rule="gate", priority=3)
    desk.clock.advance(60)
    middle_us = desk.now_us
    desk.alert(rule="quay", node="pole-8", priority=8)
    desk.alert(site="market", node="pole-1", rule="gate")
    first = desk.alarms("rule = 'gate' AND site = 'harbour'")[0]
    desk.work.act(first.id, Close(is_false_alarm=True), ANNA)
    for choice, count in (
        ({}, 3),
        ({"site": "harbour"}, 2),
        ({"site": "harbour", "node": "pole-8"}, 1),
        ({"rule": "gate"}, 2),
        ({"rule": "zone_entry"}, 3),
        ({"priority": 5}, 2),
        ({"from_utc_us": middle_us}, 2),
        ({"to_utc_us": middle_us}, 1),
        ({"states": (AlarmState.NEW,)}, 2),
        ({"verdict": Verdict.FALSE_ALARM}, 1),
        ({"verdict": Verdict.REAL}, 0),
        ({"is_own": True}, 0),
        ({"rule": "' OR 1=1 --"}, 0),
    ):
        assert len(chosen(desk, **choice)) == count, choice


def test_an_alarm_whose_shelving_is_over_is_what_it_was_though_nobody_wrote_it_down(desk):
    desk.alert()
    desk.work.act(desk.alarm().id, Shelve(for_us=60_000_000, reason="x"), ANNA)
    assert len(chosen(desk, states=(AlarmState.SHELVED,))) == 1
    desk.clock.advance(61)
    assert chosen(desk, states=(AlarmState.SHELVED,)) == []
    (record,) = chosen(desk, states=(AlarmState.NEW,))
    assert (record.state, record.changed_by) == ("new", "desk")


def test_counts_by_pole_and_rule_and_the_share_of_false_alarms(desk):
    for number in range(4):
        desk.alert(rule="gate")
        alarm = desk.alarms()[0]
        if number < 3:
            desk.work.act(alarm.id, Close(is_false_alarm=number == 0), ANNA)
    desk.alert(rule="quay", node="pole-8")
    found = counted(desk)
    gate = next(tally for tally in found.rules if tally.name == "gate")
    assert (gate.alarms, gate.real, gate.false_alarms, gate.open) == (4, 2, 1, 1)
    assert gate.false_share == pytest.approx(1 / 3)
    assert {tally.name: tally.alarms for tally in found.poles} == {
        "harbour/pole-7": 4,
        "harbour/pole-8": 1,
    }
    assert found.total.alarms == 5


def test_how_soon_operators_were_there_is_exact(desk):
    for wait_s in range(1, 101):
        desk.alert()
        desk.clock.advance(wait_s)
        desk.work.act(desk.alarms()[0].id, Acknowledge(), ANNA)
    found = counted(desk)
    assert found.attended == 100
    assert found.attended_median_us == 50_000_000
    assert found.attended_p95_us == 95_000_000


def test_of_nothing_there_is_a_report_too(desk):
    found = counted(desk)
    assert (found.total.alarms, found.poles, found.attended_median_us) == (0, (), None)
    assert b"".join(csv_lines(chosen(desk))).startswith(b"id,site,node,")


def test_csv_is_read_back_as_it_was_and_holds_no_formula(desk):
    evil = '=HYPERLINK("http://x","y")\x1b[2J\n,"'
    desk.alert(label="@SUM(A1)", zone=evil)
    desk.alert(label="-1+2", zone=None)
    text = b"".join(csv_lines(chosen(desk))).decode()
    assert text.count("\r\n") == text.count("\n") == 3
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["label"] for row in rows] == ["'@SUM(A1)", "'-1+2"]
    assert rows[0]["zone"] == """'=HYPERLINK("http://x","y")\\x1b[2J ,\""""
    assert list(rows[0]) == list(AlarmRecord.__struct_fields__)
    assert rows[0]["longitude_deg"] == "4.3"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_what_a_spreadsheet_would_run_is_a_text(cell):
    assert neutral(cell) == f"'{cell}"


def test_what_is_no_formula_stays():
    for cell in ("person", "a=b", "", "'quoted", "1-2"):
        assert neutral(cell) == cell


def test_json_has_the_same_names(desk):
    desk.alert()
    (line,) = list(json_lines(chosen(desk)))
    assert list(json.loads(line)) == list(AlarmRecord.__struct_fields__)


def test_memory_does_not_grow_with_the_alarms(memory_directory):
    store = SqliteStore(memory_directory / "desk.db")
    desk = OperatedDesk(desk_in(memory_directory), store)
    desk.alert()
    columns = ", ".join(
        field for field in type(desk.alarm()).__struct_fields__ if field not in ("row", "id")
    )
    peaks = []
    for more in (2_000, 18_000):
        with store.writing() as transaction:
            transaction.execute(
                "WITH RECURSIVE number (n) AS (SELECT ? UNION ALL SELECT n + 1 FROM number"
                f" WHERE n < ?) INSERT INTO alarm (id, {columns})"
                f" SELECT n, {columns} FROM alarm, number WHERE alarm.row = 1",
                (more, 2 * more - 1),
            )
        tracemalloc.start()
        with store.reading() as transaction:
            records = chosen_records(transaction, AlarmChoice(), desk.now_us)
            lines = sum(1 for _ in csv_lines(records))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert lines > more
    store.close()
    assert peaks[1] < 1.5 * peaks[0]
