"""TLS for people: this pole's key, and the authorities whose persons may come in."""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from roeh.core.errors import ConfigError


def people_context(tls_file: str, authorities_pem: str) -> ssl.SSLContext:
    """TLS 1.3 only; who comes shows a certificate that one of these authorities signed.

    Each authority is believed by itself: another one below the same root signs nodes, and a
    node is nobody's person. Nothing is resumed, so that each connection is judged anew.

    Args:
        tls_file: key and chain of this end, PEM in one file.
        authorities_pem: certificates of the authorities of persons.

    Raises:
        ConfigError: the file or the certificates cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key with a passphrase must not make a service wait at a prompt.
        context.load_cert_chain(tls_file, password=lambda: b"")
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            what=f"cannot be used for HTTPS ({reason})",
            which=tls_file,
            remedy="install the pole's keys again (roeh keys install)",
        ) from None
    try:
        context.load_verify_locations(cadata=authorities_pem)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            what=f"names authorities that cannot be used ({error})",
            which="the trust list in force",
            remedy="sign a new trust list with the certificates of the police and staff CA",
        ) from None
    return context


def claimed_number(certificate_der: bytes) -> str:
    """Whose a certificate is, to count by; empty where it names no number.

    Which number counts for rights is evidence's to say.
    """
    try:
        subject = x509.load_der_x509_certificate(certificate_der).subject
        numbers = subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    except ValueError:
        return ""
    # Case does not make two persons of one (access/people.py).
    return str(numbers[0].value).casefold() if numbers else ""
