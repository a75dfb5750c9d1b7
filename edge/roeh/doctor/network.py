"""What the node reaches and what it offers: broker, network cameras, its own port."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
import stat
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import BrokerSection, NodeConfig, RtspSource, ack_mode
from roeh.core.errors import ConfigError
from roeh.core.paths import evidence_socket
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, bad_error, doubtful, good
from roeh.doctor.rtsp_login import StreamAnswer, ask_for_stream, exchange
from roeh.keys.tls_files import tls_pair
from roeh.sources.network.camera_address import camera_address
from roeh.transport.desk_keys import read_desk_keys
from roeh.transport.dialling import explain_failed_dial
from roeh.transport.tls import TlsFiles, tls_context

#: A broker refuses within a round trip.
_REFUSAL_S = 1.0
_TIMEOUT_S = 5.0
_RTSP_PORTS = {"rtsp": 554, "rtsps": 322}
_OK = 200
_REFUSED = frozenset({401, 403})
_NOT_FOUND = 404


def check_broker(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """Reachable, over TLS where that is configured; its files in order."""
    broker = config.broker
    yield from _credentials(broker)
    yield from _desk_keys(config)
    where = f"{broker.host}:{broker.port}"
    if not broker.tls.ca_file and not _is_loopback(broker.host):
        # Whether it can be reached now or not.
        yield doubtful(
            Code.BROKER_PLAIN,
            f"alerts and pictures go to {where} in the clear, and anybody can answer there",
            "set [broker.tls] ca_file, certificate_file and key_file",
        )
    try:
        context = tls_context(_tls_files(config)) if broker.tls.ca_file else None
    except ConfigError as error:
        yield bad_error(Code.BROKER_TLS, error)
        return
    try:
        with socket.create_connection((broker.host, broker.port), _TIMEOUT_S) as plain:
            if context is None:
                yield good(f"{where} takes connections, without TLS")
                return
            with context.wrap_socket(plain, server_hostname=broker.host) as secure:
                _wait_for_refusal(secure)
                yield good(f"{where} answers with {secure.version()}")
    except (OSError, ValueError) as error:
        what, remedy = explain_failed_dial(error)
        # Alerts wait in the outbox meanwhile: the node works, nobody hears it.
        yield bad(Code.BROKER_GONE, f"broker {where}: {what}", remedy)


def _wait_for_refusal(secure: ssl.SSLSocket) -> None:
    """In TLS 1.3 a certificate that is not wanted is told only after the handshake.

    A broker that took it waits for a CONNECT, which would end publish's connection.

    Raises:
        OSError: what it refused with.
    """
    secure.settimeout(_REFUSAL_S)
    try:
        is_over = not secure.recv(1)
    except TimeoutError:
        return
    if is_over:
        raise ConnectionResetError(errno.ECONNRESET, "the broker hung up after the handshake")


def check_ports(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """The page's port is free, or this node has it already."""
    host, port = config.retrieve.host, config.retrieve.port
    where = f"{host}:{port}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family):
            yield good(f"{where} is free, for the pole's page")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            yield bad(
                Code.PORT_REFUSED,
                f"cannot listen on {where} ({error.strerror})",
                "correct retrieve.host, and use a port above 1023",
            )
        elif _listens(evidence_socket(config)):
            yield good(f"{where} is taken; this node runs")
        else:
            yield bad(
                Code.PORT_TAKEN,
                f"{where} is taken by another program",
                "stop it, or give [retrieve] another port (0 takes any that is free)",
            )


def ask_rtsp(source: RtspSource) -> Outcome:
    """Whether an RTSP server answers and lets this node in, without asking it for video.

    A password is tried once: cameras lock accounts out.
    """
    url = urllib.parse.urlsplit(source.url)
    try:
        host, port = url.hostname or "", url.port or _RTSP_PORTS[url.scheme]
    except ValueError as error:
        return bad(Code.CAMERA_ADDRESS, f"not an address ({error})", "correct the source's url")
    where = f"{host}:{port}"
    try:
        address = camera_address(source)
    except ConfigError as error:
        return bad_error(Code.CAMERA_LOGIN, error)
    # The address without credentials: a camera that wants them says so, and answers.
    bare = f"{url.scheme}://{where}{url.path}{'?' * bool(url.query)}{url.query}"
    request = f"OPTIONS {bare} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: roeh\r\n\r\n"
    try:
        with socket.create_connection((host, port), _TIMEOUT_S) as connection:
            if url.scheme == "rtsps":
                return good(f"{where} takes connections (TLS not tried)")
            connection.settimeout(_TIMEOUT_S)
            if exchange(connection, request).startswith("RTSP/"):
                return _judged(source, where, ask_for_stream(connection, address, bare))
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return bad(
            Code.CAMERA_SILENT,
            f"camera {where}: {reason}",
            "check the camera, its cable, its address and its port",
        )
    return bad(
        Code.CAMERA_NOT_RTSP, f"{where} does not speak RTSP", "correct the port in the source's url"
    )


def _described(source: RtspSource, where: str, answer: StreamAnswer) -> Outcome:
    """What is to be said of a stream that can be had."""
    if answer.is_h265 and source.transport == "udp":
        return doubtful(
            Code.CAMERA_UDP,
            f"{where} sends H.265 over UDP: nobody notices a packet that is lost, and smeared "
            "pictures may raise or hide something",
            'set transport = "tcp", or H.264 in the camera',
        )
    return good(f"{where} speaks RTSP and describes the stream")


def _judged(source: RtspSource, where: str, answer: StreamAnswer) -> Outcome:
    """What a camera that speaks RTSP said when asked for the stream."""
    if answer.status == _OK:
        return _described(source, where, answer)
    if answer.status in _REFUSED and answer.is_login_tried:
        return bad(
            Code.CAMERA_LOGIN,
            f"camera {where} refuses the user name or password",
            "correct password_file (or the url), and wait some minutes: after a few wrong "
            "ones many cameras refuse right ones too",
        )
    if answer.status in _REFUSED:
        return bad(
            Code.CAMERA_LOGIN,
            f"camera {where} wants a user name and a password",
            "write user:password into a file and set password_file",
        )
    if answer.status == _NOT_FOUND:
        return bad(
            Code.CAMERA_STREAM,
            f"camera {where} has no stream of that name",
            "correct the url's path",
        )
    if answer.status is None:
        return good(f"{where} speaks RTSP (it hung up when asked for the stream)")
    return doubtful(
        Code.CAMERA_STRANGE,
        f"camera {where} answers {answer.status} when asked for the stream",
        "look at it",
    )


def _credentials(broker: BrokerSection) -> Iterator[Outcome]:
    if broker.password_file and not _readable(broker.password_file):
        yield bad(
            Code.SECRET_UNREADABLE,
            f"cannot read {broker.password_file}",
            "correct broker.password_file or its owner",
        )
    for secret in (broker.password_file, broker.tls.key_file):
        if secret and _readable(secret) and Path(secret).stat().st_mode & stat.S_IRWXO:
            yield doubtful(
                Code.SECRET_OPEN,
                f"{secret} is open to every user of this machine",
                f"chmod o-rwx {secret}",
            )


def _desk_keys(config: NodeConfig) -> Iterator[Outcome]:
    """Whose word takes alerts out of the outbox, and whether it could be verified."""
    path = config.desk.keys_file
    if not path:
        return
    try:
        keys = read_desk_keys(Path(path))
    except ConfigError as error:
        yield bad_error(Code.DESK_KEYS, error)
        return
    if ack_mode(config) == "desk" and not keys.ack:
        yield bad(
            Code.DESK_KEYS,
            f"no key for acknowledgements in {path}: nothing would leave the outbox",
            "add the ack line that roeh desk keys shows",
        )
    else:
        yield good(f"{path} names whom this node believes")


def _tls_files(config: NodeConfig) -> TlsFiles:
    """As publish takes them."""
    files = config.broker.tls
    pair = None if files.certificate_file else tls_pair(config)
    if pair is not None:
        return TlsFiles(files.ca_file, *pair)
    return TlsFiles(files.ca_file, files.certificate_file, files.key_file)


def _readable(path: str) -> bool:
    try:
        with Path(path).open("rb"):
            return True
    except OSError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            return probe.connect_ex(str(path)) == 0
        except OSError:
            return False  # a path longer than a socket's can be
