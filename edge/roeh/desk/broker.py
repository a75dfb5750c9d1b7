"""The broker as desk.toml names it, for each part of the desk."""

from __future__ import annotations

import socket

from roeh.core.config import DeskConfig
from roeh.core.config.password import read_password
from roeh.desk.service_tls import service_tls
from roeh.keys.service_names import ServiceKind
from roeh.transport.mqtt import BrokerOptions

#: What each part's certificate says that it is.
_KINDS = {
    "ingest": ServiceKind.DESK,
    "witness": ServiceKind.WITNESS,
    "republish": ServiceKind.REPUBLISH,
}


def desk_broker_options(config: DeskConfig, part: str) -> BrokerOptions:
    """How a part of the desk ("ingest", "witness", "republish") reaches the broker.

    Its name there is the desk's, the part's and the machine's: the same after a restart, and
    another one on another machine. A broker that names clients by their certificate passes
    over it.

    Raises:
        ConfigError: the password file cannot be read.
    """
    broker = config.broker
    return BrokerOptions(
        host=broker.host,
        port=broker.port,
        client_id=f"roeh-{config.name}-{part}-{socket.gethostname()}",
        tls=service_tls(config, _KINDS[part]),
        username=broker.username,
        password=read_password(broker.password_file, key="broker.password_file"),
        keepalive_s=broker.keepalive_s,
    )
