"""The broker as desk.toml names it, for each part of the desk."""

from __future__ import annotations

import socket
from pathlib import Path

from roeh.core.config import DeskConfig
from roeh.core.errors import ConfigError
from roeh.desk.service_tls import service_tls
from roeh.keys.service_names import ServiceKind
from roeh.transport.mqtt import BrokerOptions

_MAX_PASSWORD_BYTES = 4096


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
        password=_password(broker.password_file),
        keepalive_s=broker.keepalive_s,
    )


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_MAX_PASSWORD_BYTES).strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            what=f"cannot be read ({getattr(error, 'strerror', None) or error})",
            which=f"broker.password_file = {path}",
            remedy="give a file with the password, readable for the desk alone",
        ) from None
