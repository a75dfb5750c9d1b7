"""Certificates and requests as this product makes them: small, ECDSA P-256, one usage each.

The media chain (leaf and node CA) goes into the SEI of every GOP, so nothing stands in it
that its reader does not need. Without IO.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roeh.keys.service_names import ServiceName
from roeh.keys.signer import EXTENDED_KEY_USAGES, KeyUsage, NodeName

#: The organisational unit of what a node made for itself.
UNPROVISIONED = "UNPROVISIONED"

#: Before any node's clock, and RFC 5280's "no well-defined end": a node that makes a set
#: for itself may not know the time yet.
ALWAYS_FROM = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
ALWAYS_UNTIL = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)

_SERIAL_BITS = 63
_SERVICE_USAGES = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate counts, UTC."""

    not_before: datetime.datetime
    not_after: datetime.datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its certificate and the key it signs with."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


def new_private_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key out of the system's randomness."""
    return ec.generate_private_key(ec.SECP256R1())


def authority_name(common_name: str) -> x509.Name:
    """The subject of a CA."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def node_subject(name: NodeName, unit: str) -> x509.Name:
    """The subject of a node's certificate; `unit` is the usage, for human readers."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name.site),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, name.node),
        ]
    )


def root_authority(
    subject: x509.Name, private_key: ec.EllipticCurvePrivateKey, validity: Validity
) -> Authority:
    """A root over its own key: one CA may stand between it and a leaf."""
    builder = _builder(subject, subject, private_key.public_key(), validity)
    builder = _as_authority(builder, private_key.public_key(), path_length=1)
    return Authority(builder.sign(private_key, hashes.SHA256()), private_key)


def node_authority(
    subject: x509.Name,
    private_key: ec.EllipticCurvePrivateKey,
    root: Authority,
    validity: Validity,
) -> Authority:
    """A node CA under a root: it signs leaves only."""
    return authority_under(subject, private_key, root, validity, None)


def service_authority(
    subject: x509.Name,
    private_key: ec.EllipticCurvePrivateKey,
    root: Authority,
    validity: Validity,
) -> Authority:
    """A CA under a root for brokers and whoever connects to them, and for nothing else.

    Its extended key usages hold for all below it: it cannot vouch for a recording.
    """
    return authority_under(subject, private_key, root, validity, _SERVICE_USAGES)


def authority_under(
    subject: x509.Name,
    private_key: ec.EllipticCurvePrivateKey,
    root: Authority,
    validity: Validity,
    usages: x509.ExtendedKeyUsage | None,
) -> Authority:
    """A CA under a root that signs leaves only, for these extended key usages (None: any)."""
    builder = _builder(root.certificate.subject, subject, private_key.public_key(), validity)
    builder = _as_authority(builder, private_key.public_key(), path_length=0)
    builder = builder.add_extension(authority_key(root), critical=False)
    if usages is not None:
        builder = builder.add_extension(usages, critical=False)
    return Authority(builder.sign(root.private_key, hashes.SHA256()), private_key)


def is_service_authority(certificate: x509.Certificate) -> bool:
    """Whether a CA is one for services, and so not for nodes."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return set(usages) == set(_SERVICE_USAGES)


def leaf_certificate(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    usage: KeyUsage,
    issuer: Authority,
    validity: Validity,
) -> x509.Certificate:
    """A node's certificate for one usage; that for TLS names the node as a server too."""
    builder = _leaf(subject, public_key, issuer, validity).add_extension(
        _extended_key_usage(usage), critical=False
    )
    name = node_name_of(subject)
    if usage is KeyUsage.TLS and name is not None:
        builder = builder.add_extension(_server_names([name.node]), critical=False)
    return builder.sign(issuer.private_key, hashes.SHA256())


def leaf_for(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    usages: x509.ExtendedKeyUsage,
    issuer: Authority,
    validity: Validity,
) -> x509.Certificate:
    """A certificate for signatures with these extended key usages."""
    builder = _leaf(subject, public_key, issuer, validity)
    builder = builder.add_extension(usages, critical=False)
    return builder.sign(issuer.private_key, hashes.SHA256())


def service_certificate(
    name: ServiceName,
    hosts: Sequence[str],
    public_key: ec.EllipticCurvePublicKey,
    issuer: Authority,
    validity: Validity,
) -> x509.Certificate:
    """The certificate of a broker, by its hosts' names, or of one who connects to it."""
    usage = ExtendedKeyUsageOID.SERVER_AUTH if name.is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _leaf(authority_name(str(name)), public_key, issuer, validity).add_extension(
        x509.ExtendedKeyUsage([usage]), critical=False
    )
    if hosts:
        builder = builder.add_extension(_server_names(hosts), critical=False)
    return builder.sign(issuer.private_key, hashes.SHA256())


def signing_request(
    name: NodeName, usage: KeyUsage, private_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateSigningRequest:
    """A node's request for a certificate of one usage, signed by the key itself."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(node_subject(name, usage.value))
        .add_extension(_extended_key_usage(usage), critical=False)
        .sign(private_key, hashes.SHA256())
    )


def usage_of(extensions: x509.Extensions) -> KeyUsage | None:
    """The usage whose extended key usages these are; None when they are any other set."""
    try:
        stated = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    found = {oid.dotted_string for oid in stated}
    for usage, wanted in EXTENDED_KEY_USAGES.items():
        if found == set(wanted):
            return usage
    return None


def node_name_of(subject: x509.Name) -> NodeName | None:
    """The node that a subject names; None when it names none."""
    site = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    node = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(site) != 1 or len(node) != 1:
        return None
    return NodeName(site=str(site[0].value), node=str(node[0].value))


def is_unprovisioned(certificate: x509.Certificate) -> bool:
    """Whether it says of itself that a node made it for itself."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return any(str(unit.value).startswith(UNPROVISIONED) for unit in units)


def certificate_of(der: bytes) -> x509.Certificate:
    """A certificate out of its DER, whose every byte the issuer's signature fixes.

    The count of unused bits before the signature is not signed, and others read over it.

    Raises:
        ValueError, TypeError, ...: see UNPARSABLE in keys/key_pem.py.
    """
    certificate = x509.load_der_x509_certificate(der)
    if not der.endswith(b"\x00" + certificate.signature):
        raise ValueError("a signature that does not fill its last byte")
    return certificate


def certificate_pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as PEM, one after the other."""
    return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in certificates)


def spki_der(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as SubjectPublicKeyInfo, DER."""
    return public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def authority_key(issuer: Authority) -> x509.AuthorityKeyIdentifier:
    """Which key of its issuer signed a certificate or list."""
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    validity: Validity,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        # The highest bit set: always of the same length.
        .serial_number(secrets.randbits(_SERIAL_BITS) | 1 << (_SERIAL_BITS - 1))
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def _leaf(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer: Authority,
    validity: Validity,
) -> x509.CertificateBuilder:
    return (
        _builder(issuer.certificate.subject, subject, public_key, validity)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(authority_key(issuer), critical=False)
    )


def _server_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_server_name(host) for host in hosts])


def _server_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _as_authority(
    builder: x509.CertificateBuilder, public_key: ec.EllipticCurvePublicKey, path_length: int
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=path_length), critical=True
        )
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _extended_key_usage(usage: KeyUsage) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in EXTENDED_KEY_USAGES[usage]])
