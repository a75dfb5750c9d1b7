"""Alert messages of one pole in the desk's database: arrivals.py DESK.toml NODE."""

import sys
from pathlib import Path

import msgspec

from roeh.core.config import load_desk_config
from roeh.desk.store.opening import open_desk_store


class Row(msgspec.Struct):
    """As suite.control_room reads it."""

    seq: int
    id: str
    phase: str


config = load_desk_config(Path(sys.argv[1]))
store = open_desk_store(config, may_make=False)
with store.reading() as transaction:
    rows = transaction.select(
        Row, "SELECT seq, id, phase FROM alert WHERE node = ? ORDER BY row", (sys.argv[2],)
    )
sys.stdout.write(msgspec.json.encode(rows).decode())
