"""What the desk asks of a database: transactions, one writer at a time, typed rows.

SQL is written once, in the part of it that SQLite and PostgreSQL share: `?` for a parameter,
ON CONFLICT for what may be there, no booleans (0 and 1), no dates (microseconds). Invariants:

1. What `writing()` wrote is on the disk when its block has ended, all of it; or, after an
   error, nothing.
2. There is one writer at a time, over all processes and machines: what a writer reads does
   not change until it commits. A count, a tree or a state may be read and then written.
3. Rows that went through a writer before are seen by the next: numbers given by `row` columns
   are in the order of commits, so a reader that keeps the last one has missed none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import msgspec

from roeh.core.errors import DeskFailed

Value = str | int | float | bytes | None
RowT = TypeVar("RowT", bound=msgspec.Struct)


class ValueRefused(DeskFailed):
    """A value that no database keeps: nothing was written, and trying again changes nothing."""


class Transaction(Protocol):
    """Statements that are all done or none; good inside its block and by its thread."""

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Do it; how many rows it changed."""
        ...

    def insert_new(self, sql: str, rows: Iterable[Sequence[Value]]) -> list[bool]:
        """An INSERT ... ON CONFLICT DO NOTHING for each row; whether each was new."""
        ...

    def values(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """The rows of a query as they are."""
        ...

    def select(
        self, row_type: type[RowT], sql: str, parameters: Sequence[Value] = ()
    ) -> list[RowT]:
        """The rows of a query as a type whose fields are its columns, in that order.

        Raises:
            DeskFailed: a column holds what its field cannot be.
        """
        ...


class DeskStore(Protocol):
    """The desk's database, open. Its methods may be called by several threads."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction that may write; committed and durable when the block ends.

        Raises:
            DeskFailed: the database is away, full or damaged; nothing of it was written.
            ValueRefused: it keeps no such value; likewise.
        """
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """A transaction that sees one state of the database and writes nothing.

        Raises:
            DeskFailed: the database is away or damaged.
        """
        ...

    @property
    def address(self) -> str:
        """Which database, for a person; without a password."""
        ...

    def close(self) -> None:
        """Close it; nothing of it is used afterwards."""
        ...


def value_refused(error: Exception, address: str) -> ValueRefused:
    """What a client of a database says of a value, as ours."""
    return ValueRefused(
        what=f"a value that cannot be kept ({' '.join(str(error).split())})",
        which=address,
        remedy="write plain text, and numbers below 2^63",
    )


def typed_row(row_type: type[RowT], row: Sequence[Value], address: str) -> RowT:
    """A row as its type.

    Raises:
        DeskFailed: it holds what that type cannot.
    """
    try:
        named = dict(zip(row_type.__struct_fields__, row, strict=True))
        return msgspec.convert(named, row_type, builtin_types=(bytes,))
    except (msgspec.ValidationError, ValueError) as error:
        raise DeskFailed(
            what=f"a row that cannot be ({error})",
            which=f"{row_type.__name__} in {address}",
            remedy="find out who wrote to it; roeh desk audit --check, or restore a backup",
        ) from None
