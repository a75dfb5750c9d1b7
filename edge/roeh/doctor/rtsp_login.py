"""Asking a network camera for the description of its stream, with the password once.

Sources: RFC 2326 (RTSP 1.0), 10.2; RFC 7617 (Basic); RFC 2617 and 7616 (Digest).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import socket
from urllib.parse import unquote, urlsplit

import msgspec

from roeh.sources.network.camera_address import CameraAddress

_MAX_ANSWER_BYTES = 65536
_UNAUTHORISED = 401


class StreamAnswer(msgspec.Struct, frozen=True):
    """What a camera answered; `status` None when it hung up."""

    status: int | None
    is_login_tried: bool
    is_h265: bool = False


def ask_for_stream(connection: socket.socket, address: CameraAddress, url: str) -> StreamAnswer:
    """DESCRIBE, and once more with the credentials of `address` if the camera wants some.

    Raises:
        OSError: the connection broke.
    """
    request = f"DESCRIBE {url} RTSP/1.0\r\nAccept: application/sdp\r\nUser-Agent: roeh\r\n"
    answer = exchange(connection, f"{request}CSeq: 2\r\n\r\n")
    credentials = urlsplit(address.opened)
    user, password = unquote(credentials.username or ""), unquote(credentials.password or "")
    login = _login(answer, user, password, url) if user else ""
    if _status(answer) != _UNAUTHORISED or not login:
        return _told(answer, is_login_tried=False)
    answer = exchange(connection, f"{request}CSeq: 3\r\nAuthorization: {login}\r\n\r\n")
    return _told(answer, is_login_tried=True)


def exchange(connection: socket.socket, request: str) -> str:
    """The whole answer, so that what follows is the next one's; empty when it hung up.

    Of what is no RTSP, as much as came at once.

    Raises:
        OSError: the connection broke, or there was no answer in time.
    """
    connection.sendall(request.encode())
    answer = b""
    while len(answer) < _MAX_ANSWER_BYTES and not _is_whole(answer):
        try:
            received = connection.recv(_MAX_ANSWER_BYTES)
        except ConnectionError:
            break
        if not received:
            break
        answer += received
    return answer.decode("latin-1")


def _is_whole(answer: bytes) -> bool:
    if not answer.startswith(b"RTSP/"[: len(answer)]):
        return True
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^Content-Length: *(\d{1,6})\s*$", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def _told(answer: str, *, is_login_tried: bool) -> StreamAnswer:
    # By the stream's description (RFC 4566, 7798): "a=rtpmap:96 H265/90000".
    is_h265 = re.search(r"(?im)^a=rtpmap:\d+ H265/", answer) is not None
    return StreamAnswer(_status(answer), is_login_tried=is_login_tried, is_h265=is_h265)


def _status(answer: str) -> int | None:
    found = re.match(r"RTSP/\d\.\d (\d{3})", answer)
    return int(found[1]) if found else None


def _login(answer: str, user: str, password: str, url: str) -> str:
    """The Authorization that a refusal asks for; empty where it asks for none that we know."""
    wanted = re.findall(r"(?im)^WWW-Authenticate: *(\w+) +(.*?)\r?$", answer)
    offers = {scheme.lower(): parameters for scheme, parameters in wanted}
    if "digest" in offers:
        told = {
            name.lower(): quoted or plain
            for name, quoted, plain in re.findall(
                r'(\w+)=(?:"([^"]*)"|([^,\s]*))', offers["digest"]
            )
        }
        return _digest(told, user, password, url)
    if "basic" in offers:
        return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    return ""


def _digest(told: dict[str, str], user: str, password: str, url: str) -> str:
    name = told.get("algorithm", "MD5").upper()
    # The camera chooses the hash; it protects the password on its way, nothing else.
    kind = {"MD5": "md5", "SHA-256": "sha256"}.get(name)
    if kind is None:
        return ""

    def digest(*parts: str) -> str:
        return hashlib.new(kind, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    realm, nonce = told.get("realm", ""), told.get("nonce", "")
    who, what = digest(user, realm, password), digest("DESCRIBE", url)
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": url}
    if "auth" in re.split(r"[,\s]+", told.get("qop", "")):
        ours = secrets.token_hex(8)
        fields["response"] = digest(who, nonce, "00000001", ours, "auth", what)
        more = f', qop=auth, nc=00000001, cnonce="{ours}"'
    else:
        fields["response"] = digest(who, nonce, what)
        more = ""
    if "opaque" in told:
        fields["opaque"] = told["opaque"]
    if "algorithm" in told:
        more += f", algorithm={name}"
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in fields.items()) + more
