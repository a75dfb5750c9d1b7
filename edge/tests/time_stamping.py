"""A time-stamping authority (RFC 3161): its keys, answers by OpenSSL, behind HTTP on loopback."""

import contextlib
import datetime
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

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

    def query(self, content):
        """A question for these bytes, DER, with a nonce."""
        message, query = self.directory / "message", self.directory / "query.tsq"
        message.write_bytes(content)
        openssl("ts", "-query", "-data", message, "-sha256", "-cert", "-out", query)
        return query.read_bytes()

    def answer(self, query):
        """What the authority answers to a query, DER."""
        posted, answer = self.directory / "posted.tsq", self.directory / "answer.tsr"
        posted.write_bytes(query)
        openssl(
            *("ts", "-reply", "-queryfile", posted, "-config", self.directory / "tsa.cnf"),
            *("-out", answer),
        )
        return answer.read_bytes()

    def stamp(self, content):
        """The answer for these bytes, DER."""
        return self.answer(self.query(content))


def openssl(*arguments):
    """What OpenSSL says to this; it has to succeed."""
    done = subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    return done.stdout.decode()


@contextlib.contextmanager
def serving(answer, status=200):
    """The address of a server that answers a posted query so, one after the other."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            query = self.rfile.read(int(self.headers["Content-Length"]))
            content = answer(query)
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsa"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
