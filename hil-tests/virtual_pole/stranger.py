"""Speaks TLS to an address without a certificate, and prints how that ended.

Run by itself in another network namespace, so it needs nothing but Python.
"""

import socket
import ssl
import sys

_PATIENCE_S = 10.0


def knock(address: str, port: int, root: str) -> str:
    """What the other end says to somebody without a certificate.

    Args:
        address: whom.
        port: where.
        root: the certificate it is believed with.
    """
    context = ssl.create_default_context(cafile=root)
    try:
        with (
            socket.create_connection((address, port), _PATIENCE_S) as raw,
            context.wrap_socket(raw, server_hostname=address) as secured,
        ):
            # In TLS 1.3 the refusal comes after the handshake, with the first bytes read.
            secured.sendall(b"\x10\x00")
            return "let in" if secured.recv(1) else "hung up"
    except ssl.SSLError as error:
        return f"refused: {error.reason or error}"
    except OSError as error:
        return f"unreachable: {error}"


if __name__ == "__main__":
    print(knock(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
