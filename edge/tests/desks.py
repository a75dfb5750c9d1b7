"""Desks for tests: configured, with keys, and what poles say to them."""

import hashlib

import msgspec

from roeh.core.config import parse_desk_config
from roeh.core.types import Alert, Tombstone
from roeh.desk.keys import make_desk_keys
from roeh.transport.messages import Incoming, Outgoing, StateMessage, state_message
from roeh.transport.topics import Channel, Topic
from tests.alert_drafts import alert_draft

BOOT_ID = "8be4df61-93ca-4ad2-9b9b-0242ac120002"

DESK = """
name = "haifa"
{more}
[paths]
data_dir = "{directory}/desk"
[witness]
state_dir = "{directory}/witness"
"""


def desk_in(directory, more=""):
    """A desk that lives in `directory`; `more` is TOML of other tables."""
    # Tables end where the next begins: what has no table stays first.
    head, tables = ("", more) if more.lstrip().startswith("[") else (more, "")
    text = DESK.format(directory=directory, more=head) + tables
    return parse_desk_config(text, name="desk.toml")


def desk_with_keys(directory, more=""):
    """The same, and its keys are made."""
    config = desk_in(directory, more)
    make_desk_keys(config)
    return config


def said_alert(seq, *, site="harbour", node="pole-7", **changes):
    """Alert `seq` of a pole as it publishes it; `changes` are fields of the draft."""
    draft = alert_draft(site=site, node=node, **changes)
    alert = Alert(**msgspec.structs.asdict(draft), seq=seq)
    return Outgoing(Topic(site, node, Channel.ALERT), msgspec.json.encode(alert))


def said_tombstone(seq, *, site="harbour", node="pole-7"):
    """The tombstone of alert `seq`."""
    tombstone = Tombstone(evicted_seq=seq, id=alert_draft().id)
    return Outgoing(Topic(site, node, Channel.ALERT), msgspec.json.encode(tombstone))


def said_picture(alert_id, picture=b"\xff\xd8 a picture", *, site="harbour", node="pole-7"):
    """The picture of an alert."""
    sha256 = hashlib.sha256(picture).hexdigest()
    return Outgoing(
        Topic(site, node, Channel.THUMB), picture, (("alert_id", alert_id), ("sha256", sha256))
    )


def said_state(number=1, *, online=True, site="harbour", node="pole-7", chain_pem="", **changes):
    """A birth, or the will of that connection."""
    state = StateMessage(
        site=site,
        node=node,
        online=online,
        connection_number=number,
        boot_id=changes.pop("boot_id", BOOT_ID),
        t_utc_us=changes.pop("t_utc_us", 1_760_000_000_000_000),
        software="1.0",
        log_chain_pem=chain_pem,
    )
    return state_message(state)


def incoming(message, *, retained=False):
    """What the broker makes of it."""
    return Incoming(str(message.topic), message.payload, message.user_properties, retained)


def id_of(message):
    """Of an alert's or a tombstone's message."""
    return msgspec.json.decode(message.payload)["id"]
