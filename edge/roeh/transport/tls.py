"""TLS to the broker: which files, and what is demanded of the other end."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509

from roeh.core.errors import ConfigError

_DAY_US = 86_400 * 1_000_000


class TlsFiles(msgspec.Struct, frozen=True):
    """Files for TLS; an empty `ca_file` means the system's authorities."""

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class _Connection(ssl.SSLSocket):
    """A TLS connection that lets its socket go when the greeting fails; paho would not."""

    def do_handshake(self, block: bool = False) -> None:
        """Greet, or close and say that it was TLS that failed."""
        try:
            super().do_handshake(block)
        except (ConnectionError, TimeoutError) as error:
            self.close()
            raise ssl.SSLError(f"no TLS answer: {error.strerror or error}") from None
        except OSError:
            self.close()
            raise


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.3 where this end shows a certificate, else 1.2 at the least; the name is checked.

    Raises:
        ConfigError: a file that cannot be read or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=files.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise _unusable_file("broker.tls.ca_file", files.ca_file, error) from None
    context.sslsocket_class = _Connection
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate_file:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if files.certificate_file:
        try:
            context.load_cert_chain(
                files.certificate_file,
                files.key_file or None,
                # A key with a passphrase must not make a service wait at a prompt.
                password=lambda: b"",
            )
        except (OSError, ssl.SSLError, ValueError) as error:
            named = f"{files.certificate_file}, {files.key_file}"
            raise _unusable_file("broker.tls.certificate_file and key_file", named, error) from None
    return context


def certificate_ends_us(files: TlsFiles) -> int | None:
    """When this end's certificate ends, microseconds of UTC; None: there is none to be read."""
    if not files.certificate_file:
        return None
    try:
        pem = Path(files.certificate_file).read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
    except (OSError, ValueError):
        return None  # using it says what is wrong
    return ends_us(certificate)


def peer_certificate_ends_us(connection: object) -> int | None:
    """When the certificate of the other end ends; None without TLS."""
    if not isinstance(connection, ssl.SSLSocket):
        return None
    try:
        der = connection.getpeercert(binary_form=True)
        return None if not der else ends_us(x509.load_der_x509_certificate(der))
    except (OSError, ValueError):
        return None  # the connection is over, or it was no certificate


def ends_us(certificate: x509.Certificate) -> int:
    """When it ends, microseconds of UTC."""
    return int(certificate.not_valid_after_utc.timestamp()) * 1_000_000


def whole_days(ends_us: int | None, now_utc_us: int) -> int | None:
    """Days until an end, rounded down: -1 from the end on."""
    return None if ends_us is None else (ends_us - now_utc_us) // _DAY_US


class TlsFilesWatch:
    """Whether the files of TLS were replaced, and whether the new ones can be used.

    Args:
        files: which they are now.
    """

    def __init__(self, files: Callable[[], TlsFiles]) -> None:
        self._files = files
        self._seen = self._look()
        #: Why those that are there now cannot be used; empty: they can.
        self.complaint = ""

    def used(self) -> None:
        """A connection begins with what is there now."""
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether they are others than when this was asked last, or could not be used then.

        A certificate and its key are two files: between one and the other they do not belong
        together, so what cannot be used is looked at again.
        """
        seen = self._look()
        if seen == self._seen and not self.complaint:
            return False
        self._seen = seen
        try:
            tls_context(self._files())
        except ConfigError as error:
            self.complaint = str(error)
        else:
            self.complaint = ""
        return True

    def _look(self) -> tuple[tuple[str, int, int, int], ...]:
        files = self._files()
        named = (files.ca_file, files.certificate_file, files.key_file)
        return tuple((path, *_stamp(path)) for path in named if path)


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


def _unusable_file(field: str, named: str, error: Exception) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(
        what=f"cannot be used for TLS ({reason})",
        which=f"{field} = {named}",
        remedy="give readable PEM files that belong together, the key without passphrase",
    )
