"""The broker's configuration and access lists, as text: one ready mosquitto for one city.

Two listeners, because mosquitto takes every certificate of a listener's authorities and knows
its bearer by the common name alone. Poles come in by one and can be nothing but poles there,
whatever their certificate says; the control room's side by the other. Without IO.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from roeh.core.config import DeskConfig
from roeh.core.errors import ConfigError
from roeh.keys.service_names import ServiceKind, ServiceName, service_name
from roeh.transport.topics import ROOT, TOPICS, Channel, Direction
from roeh.transport.view_topics import CONTROL, ONVIF, VIEW_ROOT, view_filter

CONFIG_FILE = "mosquitto.conf"
KEY_FILE = "broker.pem"
POLES = "poles"
SERVICES = "services"

_WITNESS_ALARMS = "roeh/desk/v1"
#: The desk's own ledger, its audit, is witnessed under this site (edge/design/desk.md).
_DESK_SITE = "desk"


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker listens, as whom it runs, and where it keeps what it holds.

    Attributes:
        directory: of its files, absolute.
        state_dir: of its database, absolute.
        user: the system user that mosquitto becomes when root starts it.
        bind: address of both listeners; empty: all.
    """

    directory: str
    state_dir: str
    user: str
    poles_port: int
    services_port: int
    bind: str = ""


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come, by name. `sites`: whose poles."""

    sites: tuple[str, ...]
    desks: tuple[ServiceName, ...]
    republishers: tuple[ServiceName, ...]
    witnesses: tuple[ServiceName, ...]
    operators: tuple[ServiceName, ...]
    audiences: tuple[ServiceName, ...]
    onvif_prefix: str = ""


def admitted(
    config: DeskConfig,
    *,
    sites: Iterable[str],
    desks: Iterable[str] = (),
    witnesses: Iterable[str] = (),
    operators: Iterable[str] = (),
) -> Admitted:
    """Whom a desk's configuration and its administrator name.

    Raises:
        ConfigError: no site, or a name that stands for something else already.
        KeyRefused: a name that no certificate can have.
    """
    named_poles = [pole for sector in config.sectors for pole in sector.poles]
    named_poles += [pole for place in config.places for pole in place.poles]
    known_sites = dict.fromkeys((*sites, *(pole.partition("/")[0] for pole in named_poles)))
    if not known_sites:
        raise ConfigError(
            what="no site",
            which="whose poles may come",
            remedy="give --site SITE, or name poles in [[sectors]] of desk.toml",
        )
    if _DESK_SITE in known_sites:
        raise ConfigError(
            what="no site may be called so", which=_DESK_SITE, remedy="rename the site"
        )
    onvif = config.adapters.onvif
    own_witness = (config.witness.name,) if config.witness.enabled else ()
    return Admitted(
        sites=tuple(known_sites),
        desks=_services(ServiceKind.DESK, (config.name, *desks)),
        republishers=_services(ServiceKind.REPUBLISH, (config.name,)),
        witnesses=_services(ServiceKind.WITNESS, (*own_witness, *witnesses)),
        operators=_services(ServiceKind.OPERATOR, operators),
        audiences=_services(
            ServiceKind.AUDIENCE,
            (
                *(item.name for item in config.audiences),
                # For systems of others, which need not see what operators see.
                CONTROL,
                *((ONVIF,) if onvif.enabled else ()),
            ),
        ),
        onvif_prefix=onvif.prefix if onvif.enabled else "",
    )


def ca_file(listener: str) -> str:
    """Name of the file with the CAs that a listener believes."""
    return f"{listener}-ca.pem"


def list_file(listener: str) -> str:
    """Name of the file with the revocation lists of these CAs."""
    return f"{listener}-revoked.pem"


def access_file(listener: str) -> str:
    """Name of the file with what who comes in by a listener may read and write."""
    return f"{listener}-access"


def poles_access(who: Admitted) -> str:
    """What a pole may: speak as itself and hear what is said to it. %u is its certificate's CN."""
    lines = ["# A pole publishes under its own name only; %u is the CN of its certificate."]
    for site in who.sites:
        own = f"{ROOT}/{site}/%u"
        lines += [f"pattern write {own}/up/{name}" for name in _channels(Direction.UP)]
        lines.append("# It reads its own state, to correct an old will, and what is said to it.")
        lines.append(f"pattern read {own}/up/{Channel.STATE.value}")
        lines += [f"pattern read {own}/down/{name}" for name in _channels(Direction.DOWN)]
    return _text(lines)


def services_access(who: Admitted) -> str:
    """What each of the control room's side may, by name; who is not named may nothing."""
    up = {name: f"{ROOT}/+/+/up/{name}" for name in _channels(Direction.UP)}
    down = f"{ROOT}/+/+/down"
    onvif = (f"{who.onvif_prefix}/#",) if who.onvif_prefix else ()
    lines: list[str] = []
    for desk in who.desks:
        own = f"{ROOT}/{_DESK_SITE}/{desk.name}"
        lines += [
            "",
            "# Ingest: hears every pole; acknowledges and commands; has its audit witnessed.",
            f"user {desk}",
            *_may("read", up.values()),
            *_may("write", (f"{down}/ack", f"{down}/cmd", f"{down}/trust")),
            *_may("write", (f"{own}/up/checkpoint",)),
            *_may("read", (f"{own}/down/cosign", f"{_WITNESS_ALARMS}/+/alarm")),
        ]
    for witness in who.witnesses:
        lines += [
            "",
            "# A witness: hears checkpoints; cosigns, and gives alarm under its own name.",
            f"user {witness}",
            *_may("read", (up["checkpoint"], up["health"], up["state"])),
            *_may("write", (f"{down}/cosign", f"{_WITNESS_ALARMS}/{witness.name}/alarm")),
        ]
    for republisher in who.republishers:
        lines += [
            "",
            "# The republisher: passes on what is in the desk's database; hears nothing.",
            f"user {republisher}",
            *_may("write", (f"{VIEW_ROOT}/#", *onvif)),
        ]
    for operator in who.operators:
        lines += [
            "",
            "# An operator's screen: sees all and says nothing.",
            f"user {operator}",
            *_may("read", (*up.values(), view_filter(CONTROL), f"{_WITNESS_ALARMS}/+/alarm")),
            *_may("read", onvif),
        ]
    for audience in who.audiences:
        lines += [
            "",
            "# An audience: its own branch.",
            f"user {audience}",
            *_may("read", (_branch(who, audience.name),)),
        ]
    return _text(["# Who is not named here may read and write nothing.", *lines])


def _branch(who: Admitted, audience: str) -> str:
    return f"{who.onvif_prefix}/#" if audience == ONVIF else view_filter(audience)


def configuration(listening: Listening) -> str:
    """mosquitto.conf."""
    return "\n".join(
        (
            _GENERAL.format(user=listening.user, state_dir=listening.state_dir),
            "# The poles: certificates of the node CAs.",
            _listener(listening, listening.poles_port, POLES, max_connections=10000),
            "# The control room's side: certificates of the service CA.",
            _listener(listening, listening.services_port, SERVICES, max_connections=200),
        )
    )


_GENERAL = """\
# Written by roeh desk broker, which overwrites it; edge/docs/broker.md explains it.

# Each listener has its own access list: a pole can be nothing but a pole.
per_listener_settings true
# Root's rights are given up for this user's.
user {user}

# Sessions, queued and retained messages outlive a restart. At a kill the last minutes are
# lost (autosave is every 30 min); poles send again what the desk has not signed for.
persistence true
persistence_location {state_dir}/
# A session whose owner stays away is forgotten.
persistent_client_expiration 7d

# Poles send at most 20,000 bytes, desks a little more; larger packets end the connection.
max_packet_size 65536
# Messages on their way to a client; its own receive maximum may be lower. A desk commits
# up to this many at once.
max_inflight_messages 500
# What waits for a client that is away; more is dropped, and comes again from the poles.
max_queued_messages 10000
max_queued_bytes 67108864
# No client can take more memory than this from the others; then new messages are refused.
memory_limit 536870912
# A dead connection is seen within one and a half times this.
max_keepalive 3600
# Small messages leave at once.
set_tcp_nodelay true
# No figures of the broker are published.
sys_interval 0

log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
"""

_LISTENER = """\
listener {where}
protocol mqtt
# One certificate, one name: it is the user name, and the client id too, so that nobody can
# throw another off by taking its client id.
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
allow_zero_length_clientid false
tls_version tlsv1.3
certfile {directory}/{key}
keyfile {directory}/{key}
# Believed by themselves and not for the root above them.
cafile {directory}/{ca}
# Every CA above needs its list here, and one that has not ended: else all are refused.
crlfile {directory}/{revoked}
acl_file {directory}/{access}
max_connections {max_connections}
max_qos 1
max_topic_alias 10
"""


def _listener(listening: Listening, port: int, name: str, *, max_connections: int) -> str:
    return _LISTENER.format(
        where=f"{port} {listening.bind}".strip(),
        directory=listening.directory,
        key=KEY_FILE,
        ca=ca_file(name),
        revoked=list_file(name),
        access=access_file(name),
        max_connections=max_connections,
    )


def _services(kind: ServiceKind, names: Iterable[str]) -> tuple[ServiceName, ...]:
    return tuple(service_name(kind, name) for name in dict.fromkeys(names))


def _channels(direction: Direction) -> list[str]:
    return [row.channel.value for row in TOPICS.values() if row.direction is direction]


def _may(what: str, topics: Iterable[str]) -> list[str]:
    return [f"topic {what} {topic}" for topic in topics]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
