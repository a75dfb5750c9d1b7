"""A way to a server that is cut at chosen bytes, or stands still there."""

import contextlib
import socket
import threading


class CuttingProxy:
    """Forwards to 127.0.0.1:`port`.

    `cuts`: after so many bytes from the server each connection is cut, one after the other;
    when they are used up nothing is cut. With `stalls` it stands still there instead.
    """

    def __init__(self, port, cuts=(), *, stalls=False):
        self._target, self._cuts, self._stalls = port, list(cuts), stalls
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        self.connections = 0
        #: Set once a connection stands still.
        self.stalled = threading.Event()
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def cuts_left(self):
        return len(self._cuts)

    def close(self):
        self._over.set()
        _end(self._listener)
        with self._lock:
            for one in self._sockets:
                _end(one)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket()
            # Little is under way: what is sent after a cut is noticed.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            server.connect(("127.0.0.1", self._target))
            with self._lock:
                self._sockets += [client, server]
                self.connections += 1
                left = self._cuts.pop(0) if self._cuts else None
            threading.Thread(target=self._forward, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, left), daemon=True).start()

    def _forward(self, source, sink, left):
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536 if left is None else max(1, min(65536, left))):
                sink.sendall(chunk)
                if left is not None:
                    left -= len(chunk)
                    if left <= 0:
                        if self._stalls:
                            self.stalled.set()
                            self._over.wait()
                        break
        _end(source)
        _end(sink)


def _end(connection):
    # Closing alone would not wake whoever receives from it.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def cutting_proxy(port, cuts=(), *, stalls=False):
    proxy = CuttingProxy(port, cuts, stalls=stalls)
    try:
        yield proxy
    finally:
        proxy.close()
