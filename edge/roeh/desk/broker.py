"""The broker as desk.toml names it, for each part of the desk."""

from __future__ import annotations

import socket
from pathlib import Path

from roeh.core.config import DeskConfig
from roeh.core.errors import ConfigError
from roeh.transport.mqtt import BrokerOptions
from roeh.transport.tls import TlsFiles

_MAX_PASSWORD_BYTES = 4096


def desk_broker_options(config: DeskConfig, part: str) -> BrokerOptions:
    """How a part of the desk ("ingest", "witness") reaches the broker.

    Its name there is the desk's, the part's and the machine's: the same after a restart, and
    another one on another machine. A broker that names clients by their certificate passes
    over it.

    Raises:
        ConfigError: the password file cannot be read.
    """
    broker = config.broker
    files = broker.tls
    tls = None
    if files.ca_file:
        tls = TlsFiles(files.ca_file, files.certificate_file, files.key_file)
    return BrokerOptions(
        host=broker.host,
        port=broker.port,
        client_id=f"roeh-{config.name}-{part}-{socket.gethostname()}",
        tls=tls,
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
