"""Tables of what keeps video: the node's age, locks by alerts, holds by persons.

Spans are microseconds of one boot's monotonic clock, [from, to).
"""

from __future__ import annotations

KEEPING_TABLES = (
    """
    CREATE TABLE node_clock (                    -- one row: the age was counted up to here
        one               INTEGER PRIMARY KEY CHECK (one = 1),
        boot_id           TEXT NOT NULL,
        counted_mono_us   INTEGER NOT NULL,
        offset_us         INTEGER NOT NULL,      -- UTC less monotonic time, as it should be
        utc_error_us      INTEGER NOT NULL,
        synchronised      INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE lock (                          -- one an alert and boot
        row               INTEGER PRIMARY KEY,
        raised_id         TEXT NOT NULL,         -- of the message that raised the alert
        alert_seq         INTEGER NOT NULL,      -- of the first message that locked
        priority          INTEGER NOT NULL,
        camera_id         TEXT NOT NULL,
        boot_id           TEXT NOT NULL,
        from_mono_us      INTEGER NOT NULL,
        to_mono_us        INTEGER NOT NULL,
        expires_age_us    INTEGER NOT NULL,      -- of the node's age
        state             TEXT NOT NULL,         -- active, expired, released
        UNIQUE (raised_id, camera_id, boot_id)
    ) STRICT
    """,
    "CREATE INDEX lock_span ON lock (camera_id, boot_id, from_mono_us, to_mono_us, state)"
    " WHERE state = 'active'",
    "CREATE INDEX lock_time ON lock (camera_id, boot_id, to_mono_us, from_mono_us, raised_id)",
    "CREATE INDEX lock_expiry ON lock (expires_age_us) WHERE state = 'active'",
    "CREATE INDEX lock_rank ON lock (priority, row) WHERE state = 'active'",
    """
    CREATE TABLE hold (
        row               INTEGER PRIMARY KEY,
        hold_id           TEXT NOT NULL UNIQUE,
        person            TEXT NOT NULL,
        reason            TEXT NOT NULL,
        t_utc_us          INTEGER NOT NULL,      -- when it was placed
        state             TEXT NOT NULL,         -- active, release_asked, released
        release_asked_by  TEXT
    ) STRICT
    """,
    """
    CREATE TABLE hold_span (
        hold_row          INTEGER NOT NULL,
        number            INTEGER NOT NULL,      -- in its hold, from 0
        camera_id         TEXT NOT NULL,
        boot_id           TEXT NOT NULL,
        from_mono_us      INTEGER NOT NULL,
        to_mono_us        INTEGER NOT NULL,
        is_active         INTEGER NOT NULL,      -- 0 once the hold was released
        PRIMARY KEY (hold_row, number)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX hold_span_active ON hold_span"
    " (camera_id, boot_id, from_mono_us, to_mono_us, is_active) WHERE is_active = 1",
    "CREATE INDEX hold_span_time ON hold_span (camera_id, boot_id, to_mono_us, from_mono_us)",
    # The ring at a glance: written at close and at deletion only. `state` makes it enough.
    "CREATE INDEX segment_ring ON segment"
    " (camera_id, boot_id, t_first_mono_us, t_end_mono_us, size_bytes, state)"
    " WHERE state = 'closed'",
)
