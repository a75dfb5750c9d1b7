"""TLS to the broker: which files, and what is demanded of the other end."""

from __future__ import annotations

import ssl

import msgspec

from roeh.core.errors import ConfigError


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
    """TLS 1.2 at the least, 1.3 where the broker can, the broker's name checked.

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


def _unusable_file(field: str, named: str, error: Exception) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(
        what=f"cannot be used for TLS ({reason})",
        which=f"{field} = {named}",
        remedy="give readable PEM files that belong together, the key without passphrase",
    )
