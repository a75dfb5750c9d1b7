"""Where the SQL of SQLite and of PostgreSQL differs: types, and how a change is refused."""

from __future__ import annotations

import re

import msgspec

from roeh.desk.store.schema import TABLES, WRITTEN_ONCE

_INTEGER = re.compile(r"\bINTEGER\b")


class Dialect(msgspec.Struct, frozen=True):
    """How one database writes what the schema leaves open.

    Attributes:
        table_suffix: after the parenthesis that ends a table.
        written_once: statements that refuse changes of `{table}`.
    """

    integer: str
    row: str
    byte_string: str
    real: str
    table_suffix: str
    written_once: tuple[str, ...]

    def statements(self) -> list[str]:
        """What makes the tables, in this order."""
        made = [self._table(table) for table in TABLES]
        for table in WRITTEN_ONCE:
            made += [refusal.replace("{table}", table) for refusal in self.written_once]
        return made

    def _table(self, statement: str) -> str:
        text = _INTEGER.sub(self.integer, statement)
        text = text.replace("{row}", self.row).replace("{bytes}", self.byte_string)
        text = text.replace("{real}", self.real).strip()
        return text + self.table_suffix if text.startswith("CREATE TABLE") else text


SQLITE = Dialect(
    integer="INTEGER",
    row="INTEGER PRIMARY KEY AUTOINCREMENT",
    byte_string="BLOB",
    real="REAL",
    table_suffix=" STRICT",
    written_once=tuple(
        f"CREATE TRIGGER {{table}}_never_{verb} BEFORE {verb} ON {{table}}"
        " BEGIN SELECT RAISE(ABORT, 'written once'); END"
        for verb in ("update", "delete")
    ),
)

POSTGRESQL = Dialect(
    integer="BIGINT",
    row="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    byte_string="BYTEA",
    real="DOUBLE PRECISION",
    table_suffix="",
    written_once=(
        "CREATE TRIGGER {table}_written_once BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " EXECUTE FUNCTION roeh_written_once()",
    ),
)
