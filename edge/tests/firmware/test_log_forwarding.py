"""The journal reaches the control room by mutual TLS, with the one file that publish has too.

The real systemd-journal-upload with our settings, against a server that asks for a certificate.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import firmware_tools as tools
import pytest
from apt import require_packages

pytestmark = [
    pytest.mark.apt("systemd-journal-remote openssl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root"),
]

ENTRY = (
    "__REALTIME_TIMESTAMP=1700000000000000\n__MONOTONIC_TIMESTAMP=1000\n"
    "_BOOT_ID=0123456789abcdef0123456789abcdef\nMESSAGE=the case is open\nPRIORITY=4\n\n"
)
_UPLOAD = """
mount -t tmpfs none /etc/systemd
mkdir -p /etc/systemd/journal-upload.conf.d
cp "$1" /etc/systemd/journal-upload.conf.d/
timeout 20 /lib/systemd/systemd-journal-upload --directory="$2" --save-state="$3" --follow=no
"""


class Sink(BaseHTTPRequestHandler):
    """Takes a journal, as systemd-journal-remote does."""

    def do_POST(self):
        journal = b""
        while size := int(self.rfile.readline().strip(), 16):
            journal += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        subject = dict(pair for (pair,) in self.connection.getpeercert()["subject"])
        self.server.taken.append((subject["commonName"], self.path, journal))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *words):
        """It has nothing to say."""


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certify(folder, name, *, by="ca"):
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
    openssl(folder, "req", *new, f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
    issuer = ["-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial", "-days", "2"]
    names = ["-extfile", "names", "-out", f"{name}.crt"]
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *issuer, *names)
    parts = (f"{name}.key", f"{name}.crt")
    (folder / f"{name}.pem").write_text("".join((folder / part).read_text() for part in parts))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A city's CA, another one, certificates of both, and a journal with one entry."""
    require_packages("systemd-journal-remote", "openssl")
    folder = tmp_path_factory.mktemp("journal")
    for ca in ("ca", "other"):
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
        subject = ["-subj", f"/CN={ca}", "-days", "2", "-out", f"{ca}.crt"]
        openssl(folder, "req", "-x509", *new, f"{ca}.key", *subject)
    certify(folder, "pole-1")
    certify(folder, "localhost")
    certify(folder, "stranger", by="other")
    (folder / "entry").write_text(ENTRY)
    (folder / "said").mkdir()
    remote = "/lib/systemd/systemd-journal-remote"
    tools.run(remote, f"--output={folder}/said/system.journal", folder / "entry")
    return folder


@pytest.fixture
def sink(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "localhost.pem")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED

    class Server(HTTPServer):
        def get_request(self):
            connection, address = super().get_request()
            return context.wrap_socket(connection, server_side=True), address

    with Server(("127.0.0.1", 0), Sink) as server:
        server.taken = []
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def upload(folder, tmp_path, sink, *, key):
    """What systemd-journal-upload says with our settings, for this key and this sink."""
    settings = (tools.FIRMWARE / "common/journal-upload/roeh.conf").read_text()
    changes = {
        "https://logs.example.org:19532": f"https://localhost:{sink.server_address[1]}",
        "/run/credentials/systemd-journal-upload.service/tls.pem": f"{folder}/{key}.pem",
        "/etc/roeh/broker-ca.pem": f"{folder}/ca.crt",
    }
    for there, instead in changes.items():
        assert there in settings
        settings = settings.replace(there, instead)
    (tmp_path / "roeh.conf").write_text(settings)
    arguments = (tmp_path / "roeh.conf", folder / "said", tmp_path / "state")
    return tools.in_namespace(_UPLOAD, *arguments)


def test_what_the_pole_said_arrives_under_its_name(folder, tmp_path, sink):
    done = upload(folder, tmp_path, sink, key="pole-1")

    assert done.returncode == 0, done.stdout
    ((name, path, journal),) = sink.taken
    assert (name, path) == ("pole-1", "/upload")
    assert b"MESSAGE=the case is open" in journal


def test_nobody_elses_journal_is_taken(folder, tmp_path, sink):
    done = upload(folder, tmp_path, sink, key="stranger")

    assert done.returncode != 0
    assert sink.taken == []
