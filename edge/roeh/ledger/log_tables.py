"""Tables of the ledger: its records, the nodes of its tree, its checkpoints.

Rows of `record` and what finds them, and of `tree_node`, are written once and never changed or
dropped.
"""

from __future__ import annotations

LOG_TABLES = (
    """
    CREATE TABLE record (
        leaf              INTEGER PRIMARY KEY,   -- from 0 without holes
        kind              TEXT NOT NULL,         -- of its body
        t_utc_us          INTEGER NOT NULL,      -- as it says: for finding, never for order
        json              BLOB NOT NULL          -- canonical, as it is hashed
    ) STRICT
    """,
    "CREATE INDEX record_kind ON record (kind, leaf)",
    "CREATE INDEX record_time ON record (kind, t_utc_us)",
    """
    CREATE TABLE record_subject (                -- what records are about: ledger/record_places.py
        subject           TEXT NOT NULL,
        leaf              INTEGER NOT NULL,
        PRIMARY KEY (subject, leaf)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE record_look (                   -- spans of video that somebody looked at
        camera_id         TEXT NOT NULL,
        to_utc_us         INTEGER NOT NULL,
        from_utc_us       INTEGER NOT NULL,
        leaf              INTEGER NOT NULL,
        PRIMARY KEY (camera_id, to_utc_us, from_utc_us, leaf)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE tree_node (                     -- over complete stretches of leaves only
        level             INTEGER NOT NULL,      -- 0: leaf hashes
        position          INTEGER NOT NULL,      -- over [position << level, (position+1) << level)
        hash              BLOB NOT NULL,         -- 32 bytes
        PRIMARY KEY (level, position)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE checkpoint (                    -- the newest and those that a witness signed
        size              INTEGER PRIMARY KEY,   -- leaves under it
        note              TEXT NOT NULL,         -- the signed note, cosignatures included
        t_utc_us          INTEGER NOT NULL,      -- when it was stored
        is_cosigned       INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE witness (                       -- where each one stands, by its newest word
        name              TEXT PRIMARY KEY,      -- and key id
        size              INTEGER NOT NULL,      -- leaves under the checkpoint that it repeats
        t_utc_s           INTEGER NOT NULL       -- the newest time that it signed
    ) STRICT, WITHOUT ROWID
    """,
)
