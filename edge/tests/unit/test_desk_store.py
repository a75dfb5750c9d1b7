"""The desk's database: whole transactions, one writer, rows of their type, nobody else's."""

import sqlite3
import threading
from pathlib import Path

import msgspec
import psycopg
import pytest

from roeh.core.config import parse_desk_config
from roeh.core.errors import ConfigError, DeskFailed
from roeh.desk.store import ValueRefused, open_desk_store
from tests.desks import desk_in

_CURSOR = "INSERT INTO cursor (name, row) VALUES (?, ?)"
_WRITTEN_ONCE_ROWS = {
    "audit": "INSERT INTO audit (leaf, t_utc_us, operator, action, subject, json)"
    " VALUES (0, 1, 'o', 'a', 's', ?)",
    "audit_node": "INSERT INTO audit_node (level, position, hash) VALUES (0, 0, ?)",
}


class CursorRow(msgspec.Struct, frozen=True):
    name: str
    row: int


def cursors(store):
    with store.reading() as transaction:
        return transaction.select(CursorRow, "SELECT name, row FROM cursor ORDER BY name")


def test_what_a_transaction_wrote_is_there_after_it_and_after_opening_again(desk_config):
    store = open_desk_store(desk_config)
    with store.writing() as transaction:
        assert transaction.execute(_CURSOR, ("a", 7)) == 1
    assert cursors(store) == [CursorRow("a", 7)]
    store.close()
    store = open_desk_store(desk_config)
    assert cursors(store) == [CursorRow("a", 7)]
    store.close()


def test_of_a_transaction_that_fails_nothing_is_there(desk_database):
    def fail(then):
        with desk_database.writing() as transaction:
            transaction.execute(_CURSOR, ("a", 7))
            then(transaction)

    with pytest.raises(ZeroDivisionError):
        fail(lambda _: 1 / 0)
    with pytest.raises(DeskFailed):
        fail(lambda transaction: transaction.execute(_CURSOR, ("a", 8)))
    assert cursors(desk_database) == []


@pytest.mark.parametrize("value", ["half a sign: \udc80", 2**63])
def test_a_value_that_no_database_keeps_is_refused_as_that(desk_database, value):
    with pytest.raises(ValueRefused), desk_database.writing() as transaction:
        transaction.execute(_CURSOR, (value, value))
    assert cursors(desk_database) == []


def test_a_file_whose_damage_is_no_text_is_told_as_damaged(tmp_path):
    config = desk_in(tmp_path)
    store = open_desk_store(config)
    path = Path(store.address)
    store.close()
    path.write_bytes(path.read_bytes().replace(b"TEXT NOT NULL", b"\xe9EXT NOT NULL"))
    with pytest.raises(DeskFailed, match="damaged"):
        open_desk_store(config)


def test_rows_that_are_there_are_told_from_new_ones(desk_database):
    insert = f"{_CURSOR} ON CONFLICT (name) DO NOTHING"
    with desk_database.writing() as transaction:
        assert transaction.insert_new(insert, []) == []
        assert transaction.insert_new(insert, [("a", 1), ("b", 1), ("a", 2)]) == [
            True,
            True,
            False,
        ]
        assert transaction.insert_new(insert, [("b", 3), ("c", 3)]) == [False, True]
    assert [row.row for row in cursors(desk_database)] == [1, 1, 3]


def test_every_kind_of_value_comes_back_as_it_was(desk_database):
    names = ("", "naïve ✓ '%s' ?", "x" * 10_000)
    with desk_database.writing() as transaction:
        transaction.insert_new(_CURSOR, [(name, 2**53 - 1) for name in names])
        found = transaction.values(
            "SELECT name, row FROM cursor WHERE name = ? OR row > ? ORDER BY name", ("", 0)
        )
    assert sorted(found) == sorted((name, 2**53 - 1) for name in names)


def test_a_reader_sees_one_state_while_another_writes(desk_database):
    with desk_database.reading() as reading:
        assert reading.values("SELECT * FROM cursor") == []
        with desk_database.writing() as writing:
            writing.execute(_CURSOR, ("a", 7))
        assert reading.values("SELECT * FROM cursor") == []
    assert cursors(desk_database) == [CursorRow("a", 7)]


def test_writers_of_two_processes_read_and_write_in_turn(desk_config):
    """Each counts on what it read: with two at a time some of the numbers would be lost."""
    stores = [open_desk_store(desk_config) for _ in range(3)]
    with stores[0].writing() as transaction:
        transaction.execute(_CURSOR, ("a", 0))

    def count(store):
        for _ in range(20):
            with store.writing() as transaction:
                ((row,),) = transaction.values("SELECT row FROM cursor WHERE name = 'a'")
                transaction.execute("UPDATE cursor SET row = ? WHERE name = 'a'", (row + 1,))

    counting = [threading.Thread(target=count, args=(store,)) for store in stores]
    for thread in counting:
        thread.start()
    for thread in counting:
        thread.join()
    assert cursors(stores[0]) == [CursorRow("a", 60)]
    for store in stores:
        store.close()


@pytest.mark.parametrize("table", _WRITTEN_ONCE_ROWS)
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = ?", "DELETE FROM {} WHERE {} = ?"])
def test_what_is_written_once_is_neither_changed_nor_deleted(desk_database, table, change):
    column = "json" if table == "audit" else "hash"
    with desk_database.writing() as transaction:
        transaction.execute(_WRITTEN_ONCE_ROWS[table], (b"before",))
    with (
        pytest.raises(DeskFailed, match="written once"),
        desk_database.writing() as transaction,
    ):
        transaction.execute(change.format(table, column), (b"before",))
    with desk_database.reading() as transaction:
        assert transaction.values(f"SELECT {column} FROM {table}") == [(b"before",)]


def test_a_column_that_cannot_be_is_named(desk_database):
    with desk_database.writing() as transaction:
        transaction.execute(_CURSOR, ("a", 7))
        with pytest.raises(DeskFailed, match="CursorRow in"):
            transaction.select(CursorRow, "SELECT row, name FROM cursor")


def test_a_foreign_database_is_refused_in_one_line(tmp_path, desk_config):
    url = desk_config.database.url
    if url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE invoice (number INTEGER)")
    else:
        path = tmp_path / "foreign.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE invoice (number INTEGER)")
        connection.close()
        desk_config = desk_in(tmp_path, f'[database]\nurl = "sqlite:///{path}"')
    with pytest.raises(DeskFailed, match="not a desk's database"):
        open_desk_store(desk_config)


def test_a_database_of_a_newer_version_is_refused_in_one_line(desk_config):
    store = open_desk_store(desk_config)
    with store.writing() as transaction:
        transaction.execute("UPDATE roeh_desk SET schema_version = 99")
    store.close()
    with pytest.raises(DeskFailed, match="has schema 99"):
        open_desk_store(desk_config)


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 999]
)
def test_a_garbled_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "desk" / "desk.db"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DeskFailed) as refused:
        open_desk_store(desk_in(tmp_path))
    assert str(path) in refused.value.line()
    assert "\n" not in refused.value.line()


def test_a_file_taken_away_takes_no_commits_with_it(tmp_path):
    store = open_desk_store(desk_in(tmp_path))
    path = tmp_path / "desk" / "desk.db"
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(DeskFailed), store.writing() as transaction:
        transaction.execute(_CURSOR, ("a", 7))
    (tmp_path / "elsewhere.db").rename(path)
    with store.writing() as transaction:
        transaction.execute(_CURSOR, ("a", 7))
    store.close()


@pytest.mark.parametrize("url", ["mysql://desk/alarms", "sqlite:desk.db", "alarms"])
def test_a_database_that_is_not_known_is_refused(tmp_path, url):
    with pytest.raises(ConfigError, match=r"database\.url"):
        open_desk_store(desk_in(tmp_path, f'[database]\nurl = "{url}"'))


def test_a_postgresql_that_is_away_is_one_line_without_the_password(tmp_path):
    url = "postgresql://desk:s3cret@/desk?host=/nowhere/at/all"
    with pytest.raises(DeskFailed, match="is away") as refused:
        open_desk_store(desk_in(tmp_path, f'[database]\nurl = "{url}"'))
    assert "s3cret" not in refused.value.line()


def test_a_postgresql_that_was_away_is_reached_again(postgresql, tmp_path):
    url = postgresql.new_database()
    store = open_desk_store(desk_in(tmp_path, f'[database]\nurl = "{url}"'))
    postgresql.stop()
    with pytest.raises(DeskFailed, match="is away"), store.writing() as transaction:
        transaction.execute(_CURSOR, ("a", 7))
    postgresql.start()
    with store.writing() as transaction:
        transaction.execute(_CURSOR, ("a", 8))
    assert cursors(store) == [CursorRow("a", 8)]
    store.close()


def test_an_operator_who_names_the_wrong_place_sees_no_empty_desk(tmp_path):
    config = parse_desk_config(f'[paths]\ndata_dir = "{tmp_path}/elsewhere"\n', name="desk.toml")
    with pytest.raises(DeskFailed, match="there is no desk's database"):
        open_desk_store(config, may_make=False)
    assert not (tmp_path / "elsewhere").exists()
