"""Tables in an empty database, and a refusal of any other that is not ours."""

from __future__ import annotations

from collections.abc import Collection

from roeh.core.errors import DeskFailed
from roeh.desk.store.database import Transaction
from roeh.desk.store.dialect import Dialect
from roeh.desk.store.schema import SCHEMA_VERSION

_OURS = "roeh_desk"


def make_or_check(
    transaction: Transaction, dialect: Dialect, tables: Collection[str], address: str
) -> None:
    """Make the tables where there are none; else see that they are of this version.

    Args:
        transaction: in which all of it is done.
        dialect: of the database.
        tables: names of what is in it, seen in this transaction.
        address: of the database, for a person.

    Raises:
        DeskFailed: another program's database, or another version's.
    """
    if not tables:
        for statement in dialect.statements():
            transaction.execute(statement)
        transaction.execute("INSERT INTO roeh_desk (schema_version) VALUES (?)", (SCHEMA_VERSION,))
        return
    if _OURS not in tables:
        raise DeskFailed(
            what="not a desk's database: it has other tables",
            which=address,
            remedy="name an empty database, or the desk's own, in database.url",
        )
    found = transaction.values("SELECT schema_version FROM roeh_desk")
    if found != [(SCHEMA_VERSION,)]:
        version = str(found[0][0]) if len(found) == 1 else "none"
        raise DeskFailed(
            what=f"the database has schema {version}, this version knows {SCHEMA_VERSION}",
            which=address,
            remedy="run the version of roeh that wrote it, or a newer one",
        )
