"""What a court needs of an alarm: a directory of files, made out of its line of the history.

    kept.txt      the checkpoint that the witness had seen (signed note)
    claimed.txt   the checkpoint that contradicts it, signed by the ledger's key too
    log.pem       certificates of the keys that signed them
    proof.json    what was sent to show that the one continues the other
    about.txt     in words

The two notes are what `roeh verify --checkpoint` reads. Made anew whenever it is missing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.core.durable_files import sync_directory, write_new
from roeh.core.errors import StorageFailed
from roeh.core.moments import utc_text
from roeh.desk.witness.entries import AlarmEntry


def write_evidence(directory: Path, ledger: str, alarm: AlarmEntry, *, kept_chain: str) -> None:
    """Write the files of an alarm, unless they are there.

    Args:
        directory: theirs alone; it comes into being whole or not at all.
        ledger: "site/node".
        alarm: its line.
        kept_chain: certificates of the key that signed the checkpoint seen before.

    Raises:
        StorageFailed: they cannot be written.
    """
    if directory.exists():
        return
    chains = dict.fromkeys(chain for chain in (kept_chain, alarm.chain_pem) if chain)
    files = {
        "kept.txt": alarm.kept,
        "claimed.txt": alarm.claimed,
        "log.pem": "".join(chains),
        "proof.json": msgspec.json.encode(
            {"from_size": alarm.from_size, "hashes": alarm.hashes}
        ).decode(),
        "about.txt": _about(ledger, alarm),
    }
    making = directory.with_name(f".{directory.name}.making")
    try:
        making.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (making / name).unlink(missing_ok=True)
            write_new(making / name, [text.encode("utf-8")])
        sync_directory(making)
        making.rename(directory)
        sync_directory(directory.parent)
    except OSError as error:
        raise StorageFailed(
            what=f"the evidence of an alarm cannot be written ({error.strerror})",
            which=str(directory),
            remedy="check witness.state_dir and its medium; the alarm itself is in the history",
        ) from None


def _about(ledger: str, alarm: AlarmEntry) -> str:
    time = utc_text(alarm.time.t_utc_us, synchronised=alarm.time.synchronised)
    return (
        f"Ledger roeh/{ledger}: {alarm.alarm.value}, found at {time} by the witness's clock,"
        f" which was {'' if alarm.time.synchronised else 'NOT '}synchronised"
        f" (error bound {alarm.time.error_us} us).\n{alarm.detail}\n"
    )
