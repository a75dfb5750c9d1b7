"""Tables of the evidence index: segments, their fragments, gaps, and where each camera is.

Hashes are 32 bytes, times microseconds. A row changes only as the order of durable steps
says (edge/design/evidence-format.md).
"""

from __future__ import annotations

INDEX_TABLES = (
    """
    CREATE TABLE segment (
        row               INTEGER PRIMARY KEY,   -- in the order in which they were begun
        camera_id         TEXT NOT NULL,
        number            INTEGER NOT NULL,      -- per camera, names the file, never used twice
        state             TEXT NOT NULL,         -- open, closed, garbage, pruned
        capture_id        TEXT NOT NULL,         -- the run of capture it comes from: one a segment
        boot_id           TEXT NOT NULL,
        t_first_mono_us   INTEGER NOT NULL,
        t_end_mono_us     INTEGER NOT NULL,      -- grows while it is open
        t_utc_us          INTEGER NOT NULL,      -- of the first picture
        utc_error_us      INTEGER NOT NULL,
        synchronised      INTEGER NOT NULL,
        began_age_us      INTEGER NOT NULL,      -- time the node had run
        codec             TEXT NOT NULL,         -- h264, h265
        width_px          INTEGER NOT NULL,
        height_px         INTEGER NOT NULL,
        is_masked         INTEGER NOT NULL,
        init_bytes        INTEGER NOT NULL,
        init_sha256       BLOB NOT NULL,
        size_bytes        INTEGER NOT NULL,      -- acknowledged: what lies beyond never was
        fragments         INTEGER NOT NULL,
        sha256            BLOB,                  -- of the whole file; NULL while it is open
        end_reason        TEXT,                  -- NULL while it is open
        leaf              INTEGER,               -- of its record; NULL while it is open
        UNIQUE (camera_id, number)
    ) STRICT
    """,
    "CREATE INDEX segment_state ON segment (state, row)",
    # What was deleted, by time: written once, at deletion. Years of it are asked for in spans.
    "CREATE INDEX segment_pruned ON segment (t_utc_us) WHERE state = 'pruned'",
    "CREATE INDEX segment_time ON segment (camera_id, boot_id, t_first_mono_us)",
    """
    CREATE TABLE fragment (                      -- dropped when its segment is pruned
        segment_row       INTEGER NOT NULL,
        number            INTEGER NOT NULL,      -- in its segment, from 0
        capture_seq       INTEGER NOT NULL,      -- the GOP's count in that run of capture
        offset_bytes      INTEGER NOT NULL,
        size_bytes        INTEGER NOT NULL,
        sha256            BLOB NOT NULL,         -- of all its bytes
        gop_counter       INTEGER NOT NULL,      -- of its stream signature
        t_first_mono_us   INTEGER NOT NULL,
        t_end_mono_us     INTEGER NOT NULL,
        PRIMARY KEY (segment_row, number)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE gap (
        leaf              INTEGER PRIMARY KEY,   -- of its record
        camera_id         TEXT NOT NULL,
        from_boot_id      TEXT NOT NULL,
        from_mono_us      INTEGER NOT NULL,
        from_utc_us       INTEGER NOT NULL,
        to_boot_id        TEXT NOT NULL,
        to_mono_us        INTEGER NOT NULL,
        to_utc_us         INTEGER NOT NULL,
        reason            TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX gap_time ON gap (camera_id, to_utc_us, from_utc_us)",
    """
    CREATE TABLE camera_chain (                  -- where each camera is
        camera_id         TEXT PRIMARY KEY,
        last_number       INTEGER NOT NULL,      -- of its newest segment
        capture_id        TEXT NOT NULL,         -- of its newest GOP
        capture_seq       INTEGER NOT NULL,
        boot_id           TEXT NOT NULL,
        t_end_mono_us     INTEGER NOT NULL,      -- when that ends
        t_end_utc_us      INTEGER NOT NULL,
        end_reason        TEXT,                  -- why nothing followed; NULL while it goes on
        signing_state     BLOB NOT NULL          -- linked hash, counter, what is unsigned
    ) STRICT, WITHOUT ROWID
    """,
)
