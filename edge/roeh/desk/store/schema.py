"""The tables of the desk's database, once for both databases.

`{row}` is a number that grows with each row, `{bytes}` a byte string, `{real}` a double,
INTEGER eight bytes.
Times are UTC of the desk's clock in microseconds unless a comment says whose they are; ids
are UUIDs as text; 0 and 1 stand for no and yes.
"""

from __future__ import annotations

#: Of the tables below; a database of another one is refused.
SCHEMA_VERSION = 1

#: What ingest keeps of what poles say.
_POLE_TABLES = (
    """
    CREATE TABLE pole (
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        online             INTEGER,            -- as the newest state says; NULL: never told
        connection_number  INTEGER NOT NULL,   -- of that state; a lower one is old news
        boot_id            TEXT NOT NULL,      -- as the newest of state and health says
        software           TEXT NOT NULL,
        log_chain_pem      TEXT NOT NULL,      -- of the ledger's key, leaf first; may be empty
        log_spki           {bytes},            -- the key its answers are verified by
        log_standing       TEXT NOT NULL,      -- why it is believed, or ''
        state_payload      {bytes},            -- StateMessage as it came
        health_payload     {bytes},            -- HealthMessage as it came
        condition          TEXT NOT NULL,      -- of that health: ok, degraded, blind, ...; or ''
        clock_synchronised INTEGER,            -- of that health
        t_heard_utc_us     INTEGER NOT NULL,   -- when anything but a will was last heard
        is_silent          INTEGER NOT NULL,   -- not heard for longer than it may be, since then
        PRIMARY KEY (site, node)
    )
    """,
    """
    CREATE TABLE alert (                       -- a message: raised, updated or cleared
        row                {row},
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        id                 TEXT NOT NULL,
        seq                INTEGER NOT NULL,   -- in the node's count
        raised_id          TEXT NOT NULL,      -- of the message that raised this alert
        phase              TEXT NOT NULL,
        priority           INTEGER NOT NULL,   -- 1 (lowest) to 9
        rule               TEXT NOT NULL,
        rule_kind          TEXT NOT NULL,
        zone               TEXT,
        label              TEXT NOT NULL,
        bearing_deg        {real} NOT NULL,
        range_m            {real} NOT NULL,
        latitude_deg       {real},
        longitude_deg      {real},
        t_utc_us           INTEGER NOT NULL,   -- the pole's clock
        clock_error_us     INTEGER NOT NULL,
        thumbnail_sha256   TEXT,
        payload            {bytes} NOT NULL,   -- as it came
        sha256             TEXT NOT NULL,      -- of payload
        t_received_utc_us  INTEGER NOT NULL,
        UNIQUE (site, node, id)
    )
    """,
    "CREATE INDEX alert_raised ON alert (raised_id)",
    "CREATE INDEX alert_received ON alert (t_received_utc_us)",
    """
    CREATE TABLE thumbnail (
        row                {row},
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        id                 TEXT NOT NULL,      -- of the alert message it belongs to
        picture            {bytes} NOT NULL,   -- JPEG or WebP
        sha256             TEXT NOT NULL,
        t_received_utc_us  INTEGER NOT NULL,
        UNIQUE (site, node, id)
    )
    """,
    "CREATE INDEX thumbnail_received ON thumbnail (t_received_utc_us)",
    """
    CREATE TABLE tombstone (                   -- of an alert that was evicted unsent
        row                {row},
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        id                 TEXT NOT NULL,
        seq                INTEGER NOT NULL,
        sha256             TEXT NOT NULL,
        t_received_utc_us  INTEGER NOT NULL,
        UNIQUE (site, node, id)
    )
    """,
    "CREATE INDEX tombstone_seq ON tombstone (site, node, seq)",
    """
    CREATE TABLE seq_known (                   -- numbers with an alert, a tombstone, or lost
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        first              INTEGER NOT NULL,
        last               INTEGER NOT NULL,
        PRIMARY KEY (site, node, first)
    )
    """,
    """
    CREATE TABLE seq_missing (                 -- the gaps between them, from 1 on
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        first              INTEGER NOT NULL,
        last               INTEGER NOT NULL,
        t_since_utc_us     INTEGER NOT NULL,   -- when it was first seen to be overtaken
        t_asked_utc_us     INTEGER,            -- when it was last asked for
        PRIMARY KEY (site, node, first)
    )
    """,
    """
    CREATE TABLE seq_lost (                    -- the node's own word: not there any more
        row                {row},
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        first              INTEGER NOT NULL,
        last               INTEGER NOT NULL,
        command_id         TEXT NOT NULL,      -- whose answer says so
        t_utc_us           INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE counter (                     -- what happened how often, a pole and a name
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        name               TEXT NOT NULL,
        value              INTEGER NOT NULL,
        PRIMARY KEY (site, node, name)
    )
    """,
)

#: What operators order, and what became of it.
_COMMAND_TABLES = (
    """
    CREATE TABLE command (
        id                 TEXT PRIMARY KEY,
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        operator           TEXT NOT NULL,
        kind               TEXT NOT NULL,      -- of its order
        command_json       {bytes} NOT NULL,   -- Command; ingest signs it
        not_before_utc_us  INTEGER NOT NULL,
        expires_utc_us     INTEGER NOT NULL,
        state              TEXT NOT NULL,      -- pending, accepted, done, refused, failed, expired
        t_created_utc_us   INTEGER NOT NULL,
        t_sent_utc_us      INTEGER,            -- last; NULL: not yet
        times_sent         INTEGER NOT NULL,
        answer_json        {bytes},            -- Answer, its signature verified
        statement          {bytes},            -- that answer as the node signed it
        t_answered_utc_us  INTEGER
    )
    """,
    "CREATE INDEX command_state ON command (state, site, node)",
    """
    CREATE TABLE pole_trust_list (             -- whom a pole lets take evidence: the newest given
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        version            INTEGER NOT NULL,   -- as it says itself: the desk believes nothing
        signed             {bytes} NOT NULL,   -- CMS, as it came
        sha256             TEXT NOT NULL,
        t_created_utc_us   INTEGER NOT NULL,
        t_sent_utc_us      INTEGER,            -- last; NULL: not yet
        PRIMARY KEY (site, node)
    )
    """,
    """
    CREATE TABLE command_picture (             -- that a snapshot was answered with
        command_id         TEXT PRIMARY KEY,
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        picture            {bytes} NOT NULL,   -- JPEG or WebP
        sha256             TEXT NOT NULL,
        t_received_utc_us  INTEGER NOT NULL
    )
    """,
)

#: What operators work on (desk/alarms/rows.py has them as types).
_ALARM_TABLES = (
    """
    CREATE TABLE alarm (
        row                {row},
        id                 TEXT NOT NULL UNIQUE, -- hexadecimal, a hash of what it is about
        site               TEXT NOT NULL,      -- '' and '': the desk itself
        node               TEXT NOT NULL,
        kind               TEXT NOT NULL,      -- a rule's kind, or what the desk found
        is_own             INTEGER NOT NULL,   -- found by the desk, told by no alert
        subject            TEXT NOT NULL,      -- raised_id; of the desk's own: what it is about
        rule               TEXT NOT NULL,      -- '' of the desk's own, zone and label too
        zone               TEXT NOT NULL,
        label              TEXT NOT NULL,
        priority           INTEGER NOT NULL,   -- the highest that was told
        phase              TEXT NOT NULL,      -- cleared once that was told
        detail             TEXT NOT NULL,      -- of the desk's own: one line
        messages           INTEGER NOT NULL,
        bearing_deg        {real},             -- of the newest message
        range_m            {real},
        latitude_deg       {real},
        longitude_deg      {real},
        state              TEXT NOT NULL,      -- new, acknowledged, shelved, closed
        version            INTEGER NOT NULL,   -- how many steps brought it there
        changed_by         TEXT NOT NULL,      -- the last step's
        t_changed_utc_us   INTEGER NOT NULL,
        shelved_until_utc_us INTEGER,
        state_unshelved    TEXT,               -- what it becomes when the shelving ends
        closed_as          TEXT,               -- real, false alarm, over
        is_kept            INTEGER NOT NULL,   -- lives for kept_alarm_days
        t_first_utc_us     INTEGER NOT NULL,   -- of the first message, the pole's clock
        t_last_utc_us      INTEGER NOT NULL,   -- of the newest, likewise
        t_opened_utc_us    INTEGER NOT NULL,
        attended_by        TEXT,               -- who did anything with it first
        t_attended_utc_us  INTEGER,
        t_over_utc_us      INTEGER             -- of the desk's own; NULL while it holds
    )
    """,
    "CREATE INDEX alarm_subject ON alarm (subject)",
    "CREATE INDEX alarm_state ON alarm (state, row)",
    "CREATE INDEX alarm_held ON alarm (kind) WHERE is_own = 1 AND t_over_utc_us IS NULL",
    """
    CREATE TABLE alarm_history (
        row                {row},
        alarm_id           TEXT NOT NULL,
        version            INTEGER NOT NULL,   -- what the step led to
        kind               TEXT NOT NULL,      -- acknowledged, shelved, closed, ...
        operator           TEXT NOT NULL,      -- desk: the desk itself
        t_utc_us           INTEGER NOT NULL,
        reason             TEXT NOT NULL,
        until_utc_us       INTEGER,            -- of a shelving
        closed_as          TEXT,
        UNIQUE (alarm_id, version)
    )
    """,
    """
    CREATE TABLE note (                        -- handed over to the next shift
        row                {row},
        alarm_id           TEXT,               -- NULL: about the shift
        t_utc_us           INTEGER NOT NULL,
        operator           TEXT NOT NULL,
        text               TEXT NOT NULL
    )
    """,
    "CREATE INDEX note_alarm ON note (alarm_id, row)",
    """
    CREATE TABLE witness_alarm (               -- as a witness signed it
        row                {row},
        witness            TEXT NOT NULL,
        origin             TEXT NOT NULL,      -- the ledger
        kind               TEXT NOT NULL,      -- forked, shrunk
        statement          {bytes} NOT NULL,
        sha256             TEXT NOT NULL UNIQUE,
        t_received_utc_us  INTEGER NOT NULL
    )
    """,
)

#: Written once: a row is never changed or deleted.
_AUDIT_TABLES = (
    """
    CREATE TABLE audit (
        leaf               INTEGER PRIMARY KEY, -- from 0 without holes
        t_utc_us           INTEGER NOT NULL,
        operator           TEXT NOT NULL,
        action             TEXT NOT NULL,
        subject            TEXT NOT NULL,
        json               {bytes} NOT NULL    -- canonical, as it is hashed
    )
    """,
    """
    CREATE TABLE audit_node (                  -- of its tree, over complete stretches of leaves
        level              INTEGER NOT NULL,   -- 0: leaf hashes
        position           INTEGER NOT NULL,   -- over [position << level, (position+1) << level)
        hash               {bytes} NOT NULL,   -- 32 bytes
        PRIMARY KEY (level, position)
    )
    """,
    """
    CREATE TABLE audit_checkpoint (
        size               INTEGER NOT NULL,
        cosignatures       INTEGER NOT NULL,   -- how many it has; a later row has more
        note               TEXT NOT NULL,
        t_utc_us           INTEGER NOT NULL,
        PRIMARY KEY (size, cosignatures)
    )
    """,
)

#: What the parts remember for themselves.
_PART_TABLES = (
    """
    CREATE TABLE cursor (                      -- how far a part has come
        name               TEXT PRIMARY KEY,   -- "republish/joint-north", "cap", ...
        row                INTEGER NOT NULL    -- of what it follows; all up to it is done
    )
    """,
    """
    CREATE TABLE parent_text (                 -- what a parent patrol is told, or was not
        id                 TEXT PRIMARY KEY,   -- it is told under; drawn by lot
        audience           TEXT NOT NULL,
        place              TEXT NOT NULL,
        site               TEXT NOT NULL,
        node               TEXT NOT NULL,
        raised_id          TEXT NOT NULL,      -- of the alert it is about
        rule_kind          TEXT NOT NULL,
        t_alert_utc_us     INTEGER NOT NULL,
        age_least_us       INTEGER NOT NULL,   -- of the alert at the stamp that follows
        age_most_us        INTEGER NOT NULL,
        t_utc_us           INTEGER NOT NULL,
        t_mono_us          INTEGER NOT NULL,   -- of that boot
        boot_id            TEXT NOT NULL,
        synchronised       INTEGER NOT NULL,
        state              TEXT NOT NULL,      -- waiting, told, withdrawn, expired
        UNIQUE (audience, place, site, node, raised_id)
    )
    """,
    "CREATE INDEX parent_text_state ON parent_text (state)",
)

_SELF_TABLES = (
    """
    CREATE TABLE roeh_desk (                   -- one row: that this is a desk's database
        schema_version     INTEGER NOT NULL
    )
    """,
)

TABLES = (
    *_SELF_TABLES,
    *_POLE_TABLES,
    *_COMMAND_TABLES,
    *_ALARM_TABLES,
    *_AUDIT_TABLES,
    *_PART_TABLES,
)

#: Tables of which no row may be changed or deleted.
WRITTEN_ONCE = ("audit", "audit_node", "audit_checkpoint", "witness_alarm")
