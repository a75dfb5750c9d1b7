"""A desk's database with alerts in it as ingest commits them, and an outlet that remembers."""

import msgspec

from roeh.core.config import parse_desk_config
from roeh.core.types import Alert, AlertPhase
from roeh.desk.alarms.intake import take_alerts
from roeh.desk.commit_hook import NoHook
from roeh.desk.ingest.committing import commit
from roeh.desk.ingest.received import receive
from roeh.transport.messages import Outgoing
from roeh.transport.topics import Channel, Topic
from tests.alert_drafts import alert_draft
from tests.desks import incoming, said_picture

AUDIENCES = """
[[sectors]]
name = "quay"
poles = ["harbour/pole-7", "harbour/pole-8"]

[[sectors]]
name = "north-side"
poles = ["harbour/pole-7"]
bearing_from_deg = 300
bearing_to_deg = 60

[[places]]
name = "playground"
shown_as = "גן השעשועים"
poles = ["harbour/pole-7"]

[[places]]
name = "market"
shown_as = "Market"
poles = ["harbour/pole-8"]

[[audiences]]
kind = "joint"
name = "patrol-3"
sectors = ["quay", "north-side"]

[[audiences]]
kind = "parent"
name = "parents"
places = ["playground", "market"]
min_priority = 4
delay_s = 300
expire_s = 600
"""
JPEG = b"\xff\xd8\xff picture"


def audience_config(text=AUDIENCES, **changes):
    """desk.toml in a text; `changes` are whole sections."""
    return msgspec.structs.replace(parse_desk_config(text, name="desk.toml"), **changes)


def stored_alert(seq, *, bearing_deg=10.0, **changes):
    """An alert message of harbour/pole-7."""
    draft = alert_draft(**changes)
    where = msgspec.structs.replace(draft.where, bearing_deg=bearing_deg)
    return Alert(**{**msgspec.structs.asdict(draft), "where": where}, seq=seq)


def follow_up(alert, seq, phase=AlertPhase.UPDATED, *, bearing_deg=None, **changes):
    """A later message of the same alert."""
    bearing_deg = alert.where.bearing_deg if bearing_deg is None else bearing_deg
    return stored_alert(
        seq,
        bearing_deg=bearing_deg,
        phase=phase,
        raised_id=alert.raised_id,
        site=alert.site,
        node=alert.node,
        priority=alert.priority,
        rule=alert.rule,
        rule_kind=alert.rule_kind,
        **{"t_utc_us": alert.t_utc_us, **changes},
    )


def commit_alert(store, alert, clock):
    """Put it into the database, as ingest does."""
    topic = Topic(alert.site, alert.node, Channel.ALERT)
    _commit(store, Outgoing(topic, msgspec.json.encode(alert)), clock)


def commit_picture(store, alert, clock, picture=JPEG):
    """Likewise its picture."""
    said = said_picture(alert.id, picture, site=alert.site, node=alert.node)
    _commit(store, said, clock)


class _Alarms(NoHook):
    """Alerts become alarms, as at a desk; nothing else is done."""

    def on_alerts(self, transaction, alerts, now_utc_us):
        take_alerts(transaction, alerts, now_utc_us)


def _commit(store, message, clock):
    commit(store, [receive(incoming(message))], _Alarms(), None, clock.read())


class Remembered:
    """An outlet with everything that was said; `refuse` is raised instead of saying more."""

    def __init__(self):
        self.messages = []
        self.refuse = None

    def send(self, messages):
        for message in messages:
            if self.refuse is not None:
                raise self.refuse
            self.messages.append(message)

    def on(self, branch):
        """What was said under roeh/view/v1/BRANCH."""
        start = f"roeh/view/v1/{branch}"
        return [message for message in self.messages if message.topic.startswith(start)]
