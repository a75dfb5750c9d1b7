"""Gaps and alerts as the pole's own ledger has them, while it runs: records.py DATA_DIR."""

import sqlite3
import sys

import msgspec

from roeh.ledger.records import AlertRecord, GapRecord, Record

database = sqlite3.connect(f"file:{sys.argv[1]}/node.db?mode=ro", uri=True)
rows = database.execute("SELECT json FROM record ORDER BY leaf")
bodies = [msgspec.json.decode(row, type=Record).body for (row,) in rows]
gaps = [body for body in bodies if isinstance(body, GapRecord)]
alerts = [body for body in bodies if isinstance(body, AlertRecord)]
told = {
    "gaps": [
        {"reason": gap.reason, "from_utc_us": gap.from_utc_us, "to_utc_us": gap.to_utc_us}
        for gap in gaps
    ],
    "alerts": [{"seq": alert.seq, "id": alert.id} for alert in alerts],
}
sys.stdout.write(msgspec.json.encode(told).decode())
