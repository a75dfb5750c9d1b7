"""The desk's database: one schema, one way to write, two databases that hold it."""

from roeh.desk.store.database import DeskStore, Transaction, Value
from roeh.desk.store.opening import DATABASE_FILE, open_desk_store

__all__ = ["DATABASE_FILE", "DeskStore", "Transaction", "Value", "open_desk_store"]
