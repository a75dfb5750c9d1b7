"""A city's root and node CA for tests, and what they sign."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from roeh.keys.certificates import (
    Validity,
    authority_name,
    certificate_pem,
    leaf_certificate,
    new_private_key,
    node_authority,
    node_subject,
    root_authority,
)
from roeh.keys.instants import microseconds
from roeh.keys.revocation import make_list
from roeh.keys.signer import KeyUsage, NodeName

NODE = NodeName(site="haifa", node="pole-7")
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def day(number):
    """A day of the tests' calendar; certificates count from day 0."""
    return START + datetime.timedelta(days=number)


def day_us(number):
    return microseconds(day(number))


def days(first, last):
    return Validity(day(first), day(last))


class City:
    """A root and a node CA, valid for ten years, and their lists."""

    def __init__(self, name="City"):
        self.root = root_authority(authority_name(f"{name} root"), new_private_key(), days(0, 3650))
        self.node_ca = node_authority(
            authority_name(f"{name} node CA"), new_private_key(), self.root, days(0, 3650)
        )
        self.anchors_pem = certificate_pem(self.root.certificate)

    def leaf(self, usage=KeyUsage.MEDIA, *, name=NODE, validity=None):
        key = new_private_key()
        return leaf_certificate(
            node_subject(name, usage.value),
            key.public_key(),
            usage,
            self.node_ca,
            validity or days(0, 1000),
        )

    def chain(self, leaf):
        return certificate_pem(leaf, self.node_ca.certificate)


def revoked(certificate, *, on_day, compromised_on_day=None):
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(certificate.serial_number)
        .revocation_date(day(on_day))
    )
    if compromised_on_day is not None:
        builder = builder.add_extension(x509.InvalidityDate(day(compromised_on_day)), False)
    return builder.build()


def list_pem(issuer, *entries, made_on_day=200):
    made = make_list(issuer, entries, number=1, validity=days(made_on_day, made_on_day + 365))
    return made.public_bytes(Encoding.PEM)
