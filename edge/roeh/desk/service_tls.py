"""The key and certificate with which each part of a desk comes to the broker.

At the broker a certificate's name is the client id, so each part needs one of its own:
`desk.pem`, `witness.pem`, `republish.pem` in `tls` in paths.data_dir, as `roeh keys service`
writes them, unless [broker.tls] names another file.
"""

from __future__ import annotations

from pathlib import Path

from roeh.core.config import DeskConfig
from roeh.core.errors import ConfigError
from roeh.keys.service_names import ServiceKind
from roeh.transport.tls import TlsFiles


def service_tls(config: DeskConfig, kind: ServiceKind) -> TlsFiles | None:
    """Which files; None: no TLS, on loopback only.

    Raises:
        ConfigError: the part has no certificate, and no user name to ask for a password with.
    """
    files = config.broker.tls
    if not files.ca_file:
        return None
    if files.certificate_file:
        return TlsFiles(files.ca_file, files.certificate_file, files.key_file)
    own = tls_dir(config) / f"{kind.value}.pem"
    if not own.exists():
        if not config.broker.username:
            raise ConfigError(
                what="no certificate to come to the broker with",
                which=str(own),
                remedy=f"put there what roeh keys service --kind {kind.value} wrote",
            )
        return TlsFiles(files.ca_file)
    return TlsFiles(files.ca_file, str(own), str(own))


def tls_dir(config: DeskConfig) -> Path:
    """Where the parts' own files lie."""
    return Path(config.paths.data_dir) / "tls"
