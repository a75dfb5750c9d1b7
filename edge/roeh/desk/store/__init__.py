"""The desk's database: one schema, one way to write, two databases that hold it."""

from roeh.desk.store.database import DeskStore, Transaction, Value, ValueRefused
from roeh.desk.store.opening import DATABASE_FILE, open_desk_store

__all__ = ["DATABASE_FILE", "DeskStore", "Transaction", "Value", "ValueRefused", "open_desk_store"]
