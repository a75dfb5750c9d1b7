"""Tables of what the control room ordered: commands by id, answers on their way, schedules.

Times are microseconds, monotonic ones of the boot that stands beside them.
"""

from __future__ import annotations

COMMAND_TABLES = (
    """
    CREATE TABLE command (                       -- verified ones: an id is taken once
        row               INTEGER PRIMARY KEY,   -- in the order they came, never used twice
        id                TEXT NOT NULL UNIQUE,
        boot_id           TEXT NOT NULL,         -- in which it came
        t_mono_us         INTEGER NOT NULL,      -- when
        expires_utc_us    INTEGER NOT NULL,
        process           TEXT NOT NULL,         -- that carries the order out
        order_json        BLOB NOT NULL,
        until_mono_us     INTEGER,               -- when what it asks for ends
        state             TEXT NOT NULL,         -- refused, accepted, taken, done, failed
        answer_json       BLOB NOT NULL,         -- the newest, as it is signed
        picture           BLOB                   -- that belongs to it: WebP
    ) STRICT
    """,
    "CREATE INDEX command_open ON command (process, row) WHERE state IN ('accepted', 'taken')",
    """
    CREATE TABLE answer (                        -- not delivered yet
        row               INTEGER PRIMARY KEY,   -- never used twice
        command_row       INTEGER NOT NULL,
        answer_json       BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX answer_command ON answer (command_row)",
    """
    CREATE TABLE rule_schedule (                 -- what does not hold as configured
        rule              TEXT PRIMARY KEY,      -- a rule, or "operation:" and its name
        command_row       INTEGER NOT NULL       -- the newest order for it
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE command_horizon (               -- one row: beyond it ids are forgotten
        one               INTEGER PRIMARY KEY CHECK (one = 1),
        boot_id           TEXT NOT NULL,
        rebuilt_mono_us   INTEGER,               -- what came before is not known any more
        expired_utc_us    INTEGER NOT NULL       -- whatever expires until then has expired
    ) STRICT
    """,
)
