"""Tables of exports: each as it is asked for, its files while it is built, its seal.

What names persons is overwritten when a name is erased: see `export_rows.forget_person`.
"""

from __future__ import annotations

EXPORT_TABLES = (
    """
    CREATE TABLE export (
        row               INTEGER PRIMARY KEY,   -- in the order they were asked for
        id                TEXT NOT NULL UNIQUE,  -- never used again
        state             TEXT NOT NULL,         -- ledger/export_states.py
        request_sha256    TEXT NOT NULL,
        approval_sha256   TEXT NOT NULL,         -- empty: none yet
        requester         TEXT NOT NULL,         -- pseudonym
        approver          TEXT NOT NULL,         -- likewise
        case_pseudonym    TEXT NOT NULL,
        hold_id           TEXT NOT NULL,
        t_utc_us          INTEGER NOT NULL,      -- when it was asked for
        asked_age_us      INTEGER NOT NULL DEFAULT 0, -- the node's age then
        detail            TEXT NOT NULL,
        size_bytes        INTEGER NOT NULL,      -- of the encrypted bundle
        sha256            TEXT NOT NULL,
        trust_sha256      TEXT NOT NULL,         -- of the trust list that went into it
        begun_size        INTEGER NOT NULL DEFAULT 0, -- of the ledger that its proofs are for
        request           BLOB NOT NULL,         -- canonical JSON
        request_p7m       BLOB NOT NULL,
        approval_p7m      BLOB NOT NULL,
        requester_json    BLOB NOT NULL,
        approver_json     BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX export_state ON export (state)",
    "CREATE INDEX export_hold ON export (hold_id)",
    """
    CREATE TABLE export_file (                   -- of one that is being built, as told
        export_row        INTEGER NOT NULL,
        number            INTEGER NOT NULL,      -- from 0
        path              TEXT NOT NULL,
        sha256            TEXT NOT NULL,
        size_bytes        INTEGER NOT NULL,
        PRIMARY KEY (export_row, number)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE export_seal (
        export_row        INTEGER PRIMARY KEY,
        manifest_sha256   TEXT NOT NULL,
        manifest_p7s      BLOB NOT NULL,
        leaf              INTEGER NOT NULL,      -- of the record
        checkpoint        TEXT NOT NULL          -- over a tree with it; empty: not signed yet
    ) STRICT
    """,
)
