"""A time-stamping authority (RFC 3161) for tests: its keys, and answers by OpenSSL."""

import datetime
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from roeh.keys.certificates import authority_name, certificate_pem, new_private_key, root_authority
from tests.authorities import days

_SETTINGS = """
[tsa]
default_tsa = here
[here]
serial = {directory}/serial
crypto_device = builtin
signer_cert = {directory}/tsa.pem
certs = {directory}/root.pem
signer_key = {directory}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class TimeStamper:
    """Stamps with the machine's clock, by `openssl ts` (package openssl)."""

    def __init__(self, directory, name="Time authority"):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.root = root_authority(
            authority_name(f"{name} root"), new_private_key(), days(-3650, 7300)
        )
        key = new_private_key()
        now = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(authority_name(name))
            .issuer_name(self.root.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True
            )
            .sign(self.root.private_key, hashes.SHA256())
        )
        self.root_file = directory / "root.pem"
        self.root_file.write_bytes(certificate_pem(self.root.certificate))
        (directory / "tsa.pem").write_bytes(certificate_pem(certificate))
        (directory / "tsa.key").write_bytes(_key_pem(key))
        (directory / "serial").write_text("01\n")
        (directory / "tsa.cnf").write_text(_SETTINGS.format(directory=directory))

    def stamp(self, content):
        """The answer for these bytes, DER."""
        message, query = self.directory / "message", self.directory / "query.tsq"
        message.write_bytes(content)
        answer = self.directory / "answer.tsr"
        self._ts("-query", "-data", message, "-sha256", "-cert", "-out", query)
        self._ts(
            *("-reply", "-queryfile", query, "-config", self.directory / "tsa.cnf"),
            *("-out", answer),
        )
        return answer.read_bytes()

    def _ts(self, *arguments):
        subprocess.run(["openssl", "ts", *map(str, arguments)], check=True, capture_output=True)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
