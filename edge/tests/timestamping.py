"""A time-stamping authority: openssl ts behind HTTP on loopback."""

import contextlib
import http.server
import subprocess
import threading

from tests.apt import require_packages

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {directory}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
[ext]
extendedKeyUsage = critical,timeStamping
[req]
distinguished_name = name
[name]
"""


def new_authority(directory):
    """An authority in `directory`: key.pem, root.pem (its own root), tsa.conf."""
    require_packages("openssl")
    (directory / "tsa.conf").write_text(CONFIG.format(directory=directory))
    (directory / "serial").write_text("01\n")
    openssl(
        directory,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", "key.pem", "-out", "root.pem", "-subj", "/CN=TSA", "-days", "30"),
        *("-config", "tsa.conf", "-extensions", "ext"),
    )
    return directory


def openssl(directory, *arguments, **said):
    return subprocess.run(
        ["openssl", *arguments], cwd=directory, capture_output=True, check=True, **said
    )


def granted(directory, query):
    """What the authority answers to a query."""
    (directory / "query.tsq").write_bytes(query)
    openssl(
        directory,
        *("ts", "-reply", "-queryfile", "query.tsq", "-out", "answer.tsr", "-config", "tsa.conf"),
        *("-signer", "root.pem", "-inkey", "key.pem", "-chain", "root.pem"),
    )
    return (directory / "answer.tsr").read_bytes()


@contextlib.contextmanager
def serving(answer, status=200):
    """The address of a server that answers a posted query so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            query = self.rfile.read(int(self.headers["Content-Length"]))
            content = answer(query)
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsa"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
