"""The least of an RTSP server: one stream, over the connection itself (RFC 2326)."""

from __future__ import annotations

import socket

_MAX_HEAD_BYTES = 8192


def shake_hands(connection: socket.socket, sdp: str) -> bool:
    """Answer what a client asks until it wants pictures; False when it left before.

    Raises:
        OSError: the connection broke, or the client fell silent.
    """
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            piece = connection.recv(4096)
            if not piece or len(pending) > _MAX_HEAD_BYTES:
                return False
            pending += piece
        head, _, pending = pending.partition(b"\r\n\r\n")
        method, reply = answer(head.decode("latin-1"), sdp)
        connection.sendall(reply.encode())
        if method in {"PLAY", "TEARDOWN"}:
            return method == "PLAY"


def answer(head: str, sdp: str) -> tuple[str, str]:
    """The method of a request, and the reply to it."""
    first, *lines = head.split("\r\n")
    method, address = first.split()[:2]
    fields = {
        key.strip().lower(): value.strip()
        for key, _, value in (line.partition(":") for line in lines)
    }
    body = sdp if method == "DESCRIBE" else ""
    more = {
        "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n",
        "DESCRIBE": f"Content-Base: {address}/\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n",
        "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n",
        "PLAY": "Session: 1\r\nRange: npt=0.000-\r\n",
    }.get(method, "")
    return method, f"RTSP/1.0 200 OK\r\nCSeq: {fields.get('cseq', '0')}\r\n{more}\r\n{body}"
