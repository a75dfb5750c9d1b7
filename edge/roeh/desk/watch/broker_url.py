"""The broker as a URL: mqtt://user:password@host:port or mqtts://host/?ca=…&cert=…&key=…."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from roeh.core.errors import ConfigError
from roeh.transport.mqtt import BrokerOptions
from roeh.transport.tls import TlsFiles

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_TLS_FIELDS = {"ca": "ca_file", "cert": "certificate_file", "key": "key_file"}


def parse_broker_url(url: str, client_id: str) -> BrokerOptions:
    """Which broker a URL names.

    Raises:
        ConfigError: not such a URL; the password is not repeated.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(str(error), "the URL") from None
    shown = f"{parts.scheme}://{parts.hostname or ''}"
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise _refused("not the address of a broker", shown)
    return BrokerOptions(
        host=parts.hostname,
        port=_PORTS[parts.scheme] if port is None else port,
        client_id=client_id,
        tls=_tls(parts, shown),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _tls(parts: SplitResult, shown: str) -> TlsFiles | None:
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(asked) - set(_TLS_FIELDS))
    if unknown:
        raise _refused(f"unknown option {unknown[0]}", shown)
    if parts.scheme == "mqtt":
        if asked:
            raise _refused("certificates without TLS", shown)
        return None
    return msgspec.convert({_TLS_FIELDS[key]: value for key, value in asked.items()}, TlsFiles)


def _refused(what: str, shown: str) -> ConfigError:
    return ConfigError(
        what=what,
        which=shown,
        remedy="write mqtt://host:port, or mqtts://user:password@host:port/?ca=FILE&cert=FILE&key=FILE",
    )
