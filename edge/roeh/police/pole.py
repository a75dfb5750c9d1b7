"""Speaking with a pole over HTTPS: the one place that knows urllib3 and the pole's routes."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator
from typing import Annotated, TypeVar

import msgspec
import urllib3
from msgspec import Meta
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from roeh.core.errors import (
    AccessRefused,
    ExportFailed,
    MessageRefused,
    PeerGone,
    RoehError,
    error_by_code,
)
from roeh.police.city_tls import PoleContext

DEFAULT_PORT = 8443
SIGNED_TYPE = "application/pkcs7-mime"

_API = "/api/v1"
_URL = re.compile(
    r"https://(?P<host>\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?/?"
)
_CONNECT_S, _READ_S = 10.0, 60.0
#: An answer that is read whole.
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
#: TLS alerts (RFC 8446 section 6.2) with which a pole turns a certificate away.
_TURNED_AWAY = re.compile(
    r"ALERT[ _](CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_REVOKED|"
    r"CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|ACCESS_DENIED|UNSUPPORTED_CERTIFICATE)"
)

_Text = Annotated[str, Meta(max_length=1000)]
_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)


class _Problem(msgspec.Struct, frozen=True):
    """The body of an answer that is not what was asked for."""

    code: _Text
    what: _Text
    which: _Text
    remedy: _Text


class Address(msgspec.Struct, frozen=True):
    """Where a pole is reached."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"https://{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """A pole's address: https://HOST or https://HOST:PORT.

    Raises:
        MessageRefused: anything else.
    """
    match = _URL.fullmatch(text)
    port = int(match["port"] or DEFAULT_PORT) if match else 0
    if match is None or not 0 < port < 2**16:
        raise MessageRefused(
            what="not the address of a pole",
            which=text[:200],
            remedy=f"write https://HOST or https://HOST:PORT (default {DEFAULT_PORT})",
        )
    return Address(match["host"], port)


class Busy(Exception):
    """The pole cannot just now; it may in a while.

    Attributes:
        after_s: when it says that it can; 0: it does not say.
        error: what is told when there is no patience left.
    """

    def __init__(self, error: RoehError, after_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.after_s = error, after_s


class Stream:
    """The bytes of an answer from some offset on.

    Attributes:
        offset_bytes: of the first of them.
        total_bytes: of the whole.
        etag: which whole it is.
    """

    def __init__(
        self,
        answer: urllib3.BaseHTTPResponse,
        address: Address,
        *,
        offset_bytes: int,
        total_bytes: int,
    ) -> None:
        self.offset_bytes, self.total_bytes = offset_bytes, total_bytes
        self.etag = answer.headers.get("etag", "").strip('"')
        self._answer, self._address = answer, address

    def chunks(self) -> Iterator[bytes]:
        """What comes, to the end of it.

        Raises:
            Busy: it was cut.
        """
        place = self.offset_bytes
        try:
            # As it comes: what arrived before a cut is not asked for again.
            while chunk := self._answer.read1(_CHUNK_BYTES, decode_content=False):
                place += len(chunk)
                yield chunk
        except (HTTPError, OSError) as error:
            raise _cut(self._address, error) from error
        if place < self.total_bytes:
            raise _cut(self._address, EOFError(f"it ended at byte {place}"))


class Pole:
    """One pole's API. Connections are kept between requests."""

    def __init__(self, address: Address, context: PoleContext) -> None:
        self.address = address
        self._pool = urllib3.HTTPSConnectionPool(
            address.host,
            address.port,
            ssl_context=context,
            assert_hostname=False,
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
        )

    def close(self) -> None:
        """Let the connections go."""
        self._pool.close()

    def get(self, path: str, answer_type: type[_AnswerT]) -> _AnswerT:
        """A typed answer.

        Raises:
            Busy: nobody there, or no time for it.
            RoehError: what the pole answered instead.
        """
        return self._decoded(self._asked("GET", path), answer_type)

    def post(
        self, path: str, body: bytes, content_type: str, answer_type: type[_AnswerT]
    ) -> _AnswerT:
        """The same with a body."""
        headers = {"Content-Type": content_type}
        return self._decoded(self._asked("POST", path, body=body, headers=headers), answer_type)

    @contextlib.contextmanager
    def stream(self, path: str, offset_bytes: int, etag: str) -> Iterator[Stream]:
        """The bytes of something large from an offset on, if it is still the same; else from 0.

        Raises:
            Busy: nobody there, or no time for it.
            RoehError: what the pole answered instead.
        """
        headers = {"Accept-Encoding": "identity"}
        if offset_bytes:
            headers |= {"Range": f"bytes={offset_bytes}-", "If-Range": f'"{etag}"'}
        answer = self._send("GET", path, headers=headers)
        try:
            if answer.status not in (200, 206):
                raise self._refused(answer, answer.read(_MAX_ANSWER_BYTES))
            offset_bytes, total_bytes = self._place(answer)
            yield Stream(answer, self.address, offset_bytes=offset_bytes, total_bytes=total_bytes)
        finally:
            # What was not read would else be taken for the next answer.
            answer.close()

    def _place(self, answer: urllib3.BaseHTTPResponse) -> tuple[int, int]:
        """Offset and total of what an answer holds."""
        if answer.status == 200:
            length = answer.headers.get("content-length", "")
            if length.isdecimal():
                return 0, int(length)
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("content-range", ""))
        if answer.status == 206 and found:
            return int(found[1]), int(found[3])
        raise self._unreadable("no length")

    def _asked(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        answer = self._send(method, path, body=body, headers=headers)
        try:
            content = answer.read(_MAX_ANSWER_BYTES + 1)
        except (HTTPError, OSError) as error:
            raise _cut(self.address, error) from error
        finally:
            answer.close()
        if not 200 <= answer.status < 300:
            raise self._refused(answer, content)
        if len(content) > _MAX_ANSWER_BYTES:
            raise self._unreadable("too large")
        return content

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.urlopen(
                method,
                _API + path,
                body=body,
                headers={"Accept": "application/json", **(headers or {})},
                redirect=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            raise _cut(self.address, error) from error

    def _decoded(self, content: bytes, answer_type: type[_AnswerT]) -> _AnswerT:
        try:
            return msgspec.json.decode(content, type=answer_type)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise self._unreadable(str(error)) from None

    def _refused(self, answer: urllib3.BaseHTTPResponse, content: bytes) -> Exception:
        """What an answer without success is raised as."""
        try:
            problem = msgspec.json.decode(content, type=_Problem)
        except (msgspec.MsgspecError, RecursionError):
            problem = _Problem(
                ExportFailed.code,
                f"answered with HTTP status {answer.status}",
                str(self.address),
                "try again",
            )
        error = error_by_code(problem.code)(
            what=problem.what, which=problem.which, remedy=problem.remedy
        )
        after = answer.headers.get("retry-after", "")
        if answer.status in (429, 502, 503, 504):
            return Busy(error, float(after) if after.isdecimal() else 0.0)
        return error

    def _unreadable(self, why: str) -> ExportFailed:
        return ExportFailed(
            what=f"the pole's answer cannot be read ({why})",
            which=str(self.address),
            remedy="use the client of the pole's version",
        )


def _cut(address: Address, error: Exception) -> Exception:
    """What a connection that failed or ended is raised as."""
    if isinstance(error, MaxRetryError) and isinstance(error.reason, Exception):
        error = error.reason
    turned_away = _TURNED_AWAY.search(str(error).upper().replace(" ", "_"))
    if turned_away:
        return AccessRefused(
            what="the pole turned your certificate away",
            which=str(address),
            remedy="ask whether its CA stands in the pole's trust list, and if it counts today",
        )
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return AccessRefused(
            what=f"the other end is not under the city's root ({cause.verify_message})",
            which=str(address),
            remedy="check --root and the address; do not go on if they are right",
        )
    if isinstance(cause, (ConnectionResetError, ssl.SSLEOFError)):
        # With TLS 1.3 a certificate is looked at after the greeting, and some just hang up.
        return Busy(
            PeerGone(
                what="the pole ended the connection without an answer",
                which=str(address),
                remedy="try again; if it always does, it does not let your certificate in: ask"
                " whether its CA stands in the pole's trust list",
            )
        )
    why = "cannot be reached" if isinstance(error, NewConnectionError) else "was cut"
    return Busy(
        PeerGone(
            what=f"the connection {why} ({type(cause).__name__}: {str(cause)[:200]})",
            which=str(address),
            remedy="check the cable and the address, and try again",
        )
    )
