"""Gaps and alerts as the files of the ledger have them, while the pole runs: records.py DATA_DIR.

The store itself is evidence's alone while it runs. The newest line may be half written.
"""

import contextlib
import sys
from pathlib import Path

import msgspec

from roeh.ledger.records import AlertRecord, GapRecord, Record

bodies = []
for path in sorted(Path(sys.argv[1], "ledger").glob("*.jsonl")):
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            bodies.append(msgspec.json.decode(line, type=Record).body)
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
