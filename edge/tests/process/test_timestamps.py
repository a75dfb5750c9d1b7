"""Time-stamps by a real authority (openssl ts) behind HTTP, and by one that cheats or is away."""

import contextlib
import http.server
import subprocess
import threading

import pytest

from roeh.bundle.timestamps import TimestampAuthority
from roeh.core.clock import SystemClock
from tests.apt import require_packages

CONTENT = b"roeh/hq/pole-1\n17\nroot\n"
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


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The directory of an authority: key.pem, root.pem (its own), tsa.conf."""
    require_packages("openssl")
    directory = tmp_path_factory.mktemp("tsa")
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


def stamped(url):
    return TimestampAuthority(url, SystemClock()).stamp(CONTENT)


@pytest.mark.apt("openssl")
def test_openssl_accepts_what_is_taken(authority, tmp_path):
    with serving(lambda query: granted(authority, query)) as url:
        stamp = stamped(url)
    assert stamp.entry.state == "granted"
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "stamp.tsr").write_bytes(stamp.response)
    said = openssl(
        tmp_path,
        *("ts", "-verify", "-data", "content", "-in", "stamp.tsr"),
        *("-CAfile", authority / "root.pem"),
    )
    assert b"Verification: OK" in said.stdout


@pytest.mark.apt("openssl")
def test_an_answer_to_another_question_is_not_taken(authority):
    kept = []

    def first_always(query):
        kept.append(granted(authority, query))
        return kept[0]

    with serving(first_always) as url:
        assert stamped(url).entry.state == "granted"
        again = stamped(url)
    assert again.response == b""
    assert again.entry.state == "failed"
    assert "nonce" in again.entry.detail


@pytest.mark.apt("openssl")
def test_a_stamp_of_something_else_is_not_taken(authority):
    def of_something_else(_query):
        openssl(authority, "ts", "-query", "-data", "tsa.conf", "-sha256", "-out", "other.tsq")
        return granted(authority, (authority / "other.tsq").read_bytes())

    with serving(of_something_else) as url:
        stamp = stamped(url)
    assert (stamp.entry.state, stamp.response) == ("failed", b"")


@pytest.mark.parametrize(
    "answer", [b"", b"garbage", b"0" * 1_000_000], ids=["none", "garbage", "far too long"]
)
def test_garbage_is_told_and_not_taken(answer):
    with serving(lambda _query: answer) as url:
        stamp = stamped(url)
    assert (stamp.entry.state, stamp.response) == ("failed", b"")
    assert stamp.entry.detail


def test_an_authority_that_is_away_or_refuses_is_told():
    with serving(lambda _query: b"", status=503) as url:
        assert "503" in stamped(url).entry.detail
    assert stamped(url).entry.state == "failed"
    assert stamped("http://[nonsense").entry.state == "failed"


def test_without_an_authority_none_is_asked():
    stamp = stamped("")
    assert (stamp.entry.state, stamp.response) == ("none", b"")
