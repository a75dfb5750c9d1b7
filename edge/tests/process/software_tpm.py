"""A TPM 2.0 in software, reached over a socket as its command-line tools would."""

import contextlib
import socket
import subprocess

from tests.apt import require_packages
from tests.waiting import wait_until


class SoftwareTpm:
    """swtpm over two unix sockets; its state lies in a directory and outlives it."""

    def __init__(self, directory):
        self._directory = directory
        self._process = None
        self._socket = directory / "tpm"

    @property
    def tcti(self):
        return f"swtpm:path={self._socket}"

    def start(self):
        state = self._directory / "state"
        state.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [
                "swtpm",
                "socket",
                "--tpm2",
                "--tpmstate",
                f"dir={state}",
                "--server",
                f"type=unixio,path={self._socket}",
                "--ctrl",
                f"type=unixio,path={self._socket}.ctrl",
                "--flags",
                "not-need-init,startup-clear",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        wait_until(self._listens)

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()
        for path in (self._socket, self._socket.with_name("tpm.ctrl")):
            path.unlink(missing_ok=True)

    def _listens(self):
        """Whether its control channel takes connections; the other would end with one."""
        assert self._process.poll() is None, self._process.stderr.read()
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(f"{self._socket}.ctrl")
            except OSError:
                return False
            return self._socket.exists()


@contextlib.contextmanager
def software_tpm(directory):
    require_packages("swtpm", "libtss2-dev")
    tpm = SoftwareTpm(directory)
    tpm.start()
    try:
        yield tpm
    finally:
        tpm.stop()
