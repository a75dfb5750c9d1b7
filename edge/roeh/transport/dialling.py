"""Why a broker could not be reached, in words for the person who configured it."""

from __future__ import annotations

import socket
import ssl


def explain_failed_dial(error: OSError | ValueError) -> tuple[str, str]:
    """What went wrong while dialling, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the broker's certificate is not trusted ({error.verify_message})",
            "check broker.tls.ca_file, and that the certificate names this host",
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS failed ({getattr(error, 'reason', None) or error})",
            "check that this port speaks TLS and wants this client certificate",
        )
    if isinstance(error, socket.gaierror):
        return "the host name is not known", "check broker.host and the name service"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there", "start the broker, or correct broker.host and broker.port"
    if isinstance(error, TimeoutError):
        return "no answer", "check the network, the firewall, broker.host and broker.port"
    reason = getattr(error, "strerror", None) or str(error)
    return f"cannot connect ({reason})", "check the network, broker.host and broker.port"
