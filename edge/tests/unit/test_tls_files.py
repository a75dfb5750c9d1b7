"""Files of TLS are used when they were replaced and belong together, and not before."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from roeh.publish.certificates import Certificates
from roeh.transport.tls import TlsFiles, TlsFilesWatch, certificate_ends_us, whole_days

DAY_US = 86_400 * 1_000_000
END = datetime.datetime(2036, 1, 1, tzinfo=datetime.timezone.utc)


def pair():
    """A key and its certificate, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pole")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(END - datetime.timedelta(days=3650))
        .not_valid_after(END)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key_pem, certificate.public_bytes(Encoding.PEM)


@pytest.fixture
def files(tmp_path):
    files = TlsFiles("", str(tmp_path / "pole.pem"), str(tmp_path / "pole.key"))
    key_pem, certificate_pem = pair()
    (tmp_path / "pole.key").write_bytes(key_pem)
    (tmp_path / "pole.pem").write_bytes(certificate_pem)
    return files


def test_what_stays_is_not_used_anew(files):
    watch = TlsFilesWatch(lambda: files)
    assert not watch.changed()
    assert not watch.changed()


def test_a_pair_that_is_replaced_one_after_the_other_is_used_when_it_is_whole(files, tmp_path):
    watch = TlsFilesWatch(lambda: files)
    key_pem, certificate_pem = pair()
    (tmp_path / "pole.pem").write_bytes(certificate_pem)
    assert watch.changed()
    assert "belong together" in watch.complaint
    (tmp_path / "pole.key").write_bytes(key_pem)
    assert watch.changed()
    assert watch.complaint == ""
    assert not watch.changed()


def test_what_a_connection_began_with_is_no_news(files, tmp_path):
    watch = TlsFilesWatch(lambda: files)
    key_pem, certificate_pem = pair()
    (tmp_path / "pole.pem").write_bytes(certificate_pem)
    (tmp_path / "pole.key").write_bytes(key_pem)
    watch.used()
    assert not watch.changed()


def test_a_certificate_that_is_gone_or_broken_has_no_known_end(files, tmp_path):
    assert certificate_ends_us(files) == int(END.timestamp()) * 1_000_000
    (tmp_path / "pole.pem").write_bytes(b"no certificate")
    assert certificate_ends_us(files) is None
    (tmp_path / "pole.pem").unlink()
    assert certificate_ends_us(files) is None
    assert certificate_ends_us(TlsFiles()) is None


def test_days_are_whole_ones_and_told_from_thirty_on():
    now_us = 1_000 * DAY_US
    certificates = Certificates()
    assert certificates.complaint(now_us) == ""
    certificates.own_ends_us = now_us + 31 * DAY_US
    assert certificates.complaint(now_us) == ""
    assert "ends in 30 days" in certificates.complaint(now_us + DAY_US // 2)
    assert "has ended" in certificates.complaint(now_us + 32 * DAY_US)
    assert whole_days(now_us - 1, now_us) == -1
