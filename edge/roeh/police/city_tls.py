"""TLS to a pole: TLS 1.3 with the person's certificate, and the pole known by its own.

A pole is not reached by a name that anybody could vouch for: beside it police have a cable, an
address that the link made up, or an mDNS name that whoever is on the link may claim. So the
host name says nothing and is not looked at. What counts is the certificate: signed by a node CA
under the city's root, for TLS of a node, and naming the pole (site and node) that the person
asked for. A taken-over pole can so not pass for another one.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from roeh.core.errors import ConfigError, KeyRefused
from roeh.keys.certificates import node_name_of, usage_of
from roeh.keys.key_pem import UNPARSABLE
from roeh.keys.signer import KeyUsage, NodeName


class PoleContext(ssl.SSLContext):
    """What is demanded of the other end.

    Attributes:
        pole: which pole it has to be.
    """

    pole: NodeName


class _PoleSocket(ssl.SSLSocket):
    """A connection over which nothing is said before it is known to be the pole's."""

    def do_handshake(self, block: bool = False) -> None:
        """Greet, and look whose certificate it is.

        Raises:
            KeyRefused: not that pole's.
            OSError: there is no TLS 1.3 to be had.
        """
        try:
            super().do_handshake(block)
            context = self.context
            assert isinstance(context, PoleContext)
            check_pole(self.getpeercert(binary_form=True) or b"", context.pole)
        except (OSError, KeyRefused):
            self.close()
            raise


def pole_context(
    root: Path, certificate: Path, key: Path, passphrase: bytes, pole: NodeName
) -> PoleContext:
    """TLS with the person's certificate to one pole.

    Args:
        root: the city's root, PEM.
        certificate: the person's certificate with its CA's, PEM.
        key: the person's key, PEM.
        passphrase: of the key; empty: it is plain.
        pole: whose certificate the other end has to show.

    Raises:
        ConfigError: a file that cannot be read or is not what it should be.
    """
    context = PoleContext(ssl.PROTOCOL_TLS_CLIENT)
    context.pole = pole
    context.sslsocket_class = _PoleSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # See above: the pole is known by its certificate's subject, and that is demanded.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cafile=str(root))
    except (OSError, ssl.SSLError) as error:
        raise _unusable("--root", root, error) from error
    try:
        context.load_cert_chain(str(certificate), str(key), password=lambda: passphrase)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise _unusable("--cert and --key", f"{certificate}, {key}", error) from error
    return context


def check_pole(certificate_der: bytes, pole: NodeName) -> None:
    """Refuse a certificate, signed under the root, that is not the pole's for TLS.

    Raises:
        KeyRefused: it is another node's, or for another use.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        usage, named = usage_of(certificate.extensions), node_name_of(certificate.subject)
    except UNPARSABLE:
        usage, named = None, None
    if usage is not KeyUsage.TLS or named is None:
        raise KeyRefused(
            what="the other end is no pole",
            which=str(pole),
            remedy="check the address; do not go on if it is right",
        )
    if named != pole:
        raise KeyRefused(
            what=f"the other end is another pole, {named}",
            which=str(pole),
            remedy="check the address and --pole",
        )


def _unusable(option: str, named: object, error: Exception) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(
        what=f"cannot be used for TLS ({reason})",
        which=f"{option} {named}",
        remedy="give readable PEM files that belong together",
    )
