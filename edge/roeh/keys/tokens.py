"""The control room's tokens of enrolment, in the directory of the node CA.

    <ca>/tokens/0f3c….json    one a token: for whom, until when, and what it was used for

A file is of mode 0600: as long as its token is open, the key in it could authenticate a
request. Using a token and signing are two steps in this order: the file is replaced, durably,
by one that names the one request and holds no key any more; then the CA signs that request.
So no certificate comes before its token is bound, and a crash in between is mended by the
same request: it is the only one that the token is good for, and the CA signs a key once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import KeyRefused, OutputRefused, TokenRefused
from roeh.keys.authority import (
    CERTIFICATE_FILE,
    AuthorityDirectory,
    Issued,
    Wanted,
    only_certificate,
)
from roeh.keys.certificates import node_name_of, spki_der
from roeh.keys.enrolment import EnrolmentRequest, Token, is_token_id, parse_enrolment_request
from roeh.keys.instants import as_text, microseconds
from roeh.keys.key_pem import is_p256
from roeh.keys.safe_files import opened_directory, read_private, replace_private
from roeh.keys.signer import NodeName

TOKENS = "tokens"
_US_PER_HOUR = 3_600_000_000


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the control room keeps of a token.

    Attributes:
        id: names it, and its file.
        serial: of the one board that may use it.
        until_utc_us: from then on it is too late.
        key: what authenticates a request, hexadecimal; empty once it is used.
        request: the digest of the one request that it was used for; empty while it is open.
    """

    id: str
    site: str
    node: str
    serial: str
    until_utc_us: int
    key: str = ""
    request: str = ""

    @property
    def name(self) -> NodeName:
        """The pole."""
        return NodeName(site=self.site, node=self.node)

    @property
    def is_open(self) -> bool:
        """Whether nobody has used it; it may be too late for it."""
        return not self.request


class Enrolled(msgspec.Struct, frozen=True):
    """A signed enrolment.

    Attributes:
        certificates_pem: what the pole installs.
        issued: what is in it.
        replaced: serial numbers of other certificates of this pole that still count.
    """

    record: TokenRecord
    certificates_pem: bytes
    issued: list[Issued]
    replaced: list[str]


class TokenBook:
    """The tokens of one node CA; its key is not needed.

    Raises:
        KeyRefused: no CA's directory.
    """

    def __init__(self, directory: Path) -> None:
        only_certificate(directory / CERTIFICATE_FILE)
        self._folder = directory / TOKENS

    def make(
        self, name: NodeName, serial: str, valid_h: int, clock: Clock
    ) -> tuple[Token, TokenRecord]:
        """A new token for a pole on a board; an open one of this pole counts no more.

        Raises:
            OutputRefused: it cannot be kept.
        """
        token = Token.new()
        record = TokenRecord(
            id=token.id,
            site=name.site,
            node=name.node,
            serial=serial,
            until_utc_us=_now_us(clock) + valid_h * _US_PER_HOUR,
            key=token.key.hex(),
        )
        with self.locked():
            for other in self.records():
                if other.is_open and other.name == name:
                    self._remove(other)
            self._put(record)
        return token, record

    def records(self) -> list[TokenRecord]:
        """Every token that was not withdrawn, by its pole.

        Raises:
            KeyRefused, TokenRefused: a file of them is unsafe or damaged.
        """
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        records = [self.read(name) for name in names if is_token_id(name)]
        return sorted(records, key=lambda record: (record.site, record.node, record.until_utc_us))

    def withdraw(self, wanted: str) -> list[TokenRecord]:
        """Forget open tokens, by the id of one or as SITE/POLE.

        Raises:
            TokenRefused: none of that name is open.
        """
        with self.locked():
            found = [
                record
                for record in self.records()
                if record.is_open and wanted in (record.id, str(record.name))
            ]
            if not found:
                raise TokenRefused(
                    what="no open token", which=wanted, remedy="see roeh keys tokens --ca DIR"
                )
            for record in found:
                self._remove(record)
        return found

    def withdraw_all(self, name: NodeName) -> list[TokenRecord]:
        """Forget the open tokens of a pole; there may be none."""
        with self.locked():
            found = [record for record in self.records() if record.is_open and record.name == name]
            for record in found:
                self._remove(record)
        return found

    def read(self, token_id: str) -> TokenRecord:
        """A token's record.

        Raises:
            TokenRefused: there is none, or it is damaged.
            KeyRefused: it is not ours alone.
        """
        path = self._folder / f"{token_id}.json"
        try:
            with opened_directory(self._folder) as folder:
                content = read_private(folder, path, os.geteuid())
        except (FileNotFoundError, NotADirectoryError):
            content = b""
        if not content:
            raise TokenRefused(
                what="unknown here, or withdrawn",
                which=f"the token {token_id}",
                remedy="make a new one: roeh keys token",
            )
        try:
            return msgspec.json.decode(content, type=TokenRecord)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise TokenRefused(
                what="its record is damaged", which=str(path), remedy="remove it, make a new token"
            ) from error

    def use(self, record: TokenRecord, digest: str) -> None:
        """Bind a token to one request for ever; durable when this returns.

        Raises:
            OutputRefused: it cannot be written; then it is as it was.
        """
        self._put(msgspec.structs.replace(record, key="", request=digest))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """For one writer at a time."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise OutputRefused(
                what=f"cannot be made ({error.strerror})",
                which=str(self._folder),
                remedy="run as the user whose CA it is, with room on the disk",
            ) from error
        with opened_directory(self._folder) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield

    def _put(self, record: TokenRecord) -> None:
        content = msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
        replace_private(self._folder / f"{record.id}.json", content, os.geteuid())

    def _remove(self, record: TokenRecord) -> None:
        (self._folder / f"{record.id}.json").unlink()
        with opened_directory(self._folder) as folder:
            os.fsync(folder)


def sign_enrolment(
    authority: AuthorityDirectory, content: bytes, days: int, clock: Clock
) -> Enrolled:
    """Sign the requests of a pole that shows by its token that they are its own.

    For one request it may be repeated, also after the token's end, and gives the same.

    Raises:
        TokenRefused: unknown, used for another request, too late, or for another pole or board.
        KeyRefused: what the CA does not sign in any case; the token stays open then.
        OutputRefused: the directory cannot be written.
    """
    request = parse_enrolment_request(content)
    book = TokenBook(authority.directory)
    with book.locked():
        record = book.read(request.enrolment.token)
        _check(record, request, clock)
        wanted = authority.wanted(request.requests_pem)
        if any(name != record.name for name, _, _ in wanted):
            raise _refused(record, f"a request is not of {record.name}", "request anew")
        _check_none_revoked(authority, wanted)
        if record.is_open:
            book.use(record, request.digest)
        certificates, issued = authority.sign(request.requests_pem, days, clock)
    return Enrolled(record, certificates, issued, _others(authority, record.name, issued, clock))


def _check(record: TokenRecord, request: EnrolmentRequest, clock: Clock) -> None:
    """Refuse a request that the token is not for."""
    asked = request.enrolment
    again = "make a new token: roeh keys token"
    if not record.is_open:
        if record.request != request.digest:
            raise _refused(record, "was used for another request", again)
        return
    if asked.name != record.name:
        raise _refused(record, f"is for {record.name}, and {asked.name} asks", again)
    if asked.serial != record.serial:
        what = f"is for the board {record.serial}, and {asked.serial} asks"
        raise _refused(record, what, "see which board that is; " + again)
    if not request.is_authentic(bytes.fromhex(record.key)):
        what = "its authenticator does not fit the requests"
        raise _refused(record, what, "request anew with this token, and find out who changed them")
    if _now_us(clock) >= record.until_utc_us:
        raise _refused(record, f"ended at {as_text(record.until_utc_us)}", again)


def _check_none_revoked(authority: AuthorityDirectory, wanted: list[Wanted]) -> None:
    """Refuse to hand out again what was revoked."""
    revoked = authority.revoked_serials()
    keys = {spki_der(public_key) for _, _, public_key in wanted}
    for certificate in authority.issued():
        public_key = certificate.public_key()
        if (
            certificate.serial_number in revoked
            and is_p256(public_key)
            and spki_der(public_key) in keys
        ):
            raise KeyRefused(
                what=f"its key's certificate {certificate.serial_number:x} is revoked",
                which=f"a request of {node_name_of(certificate.subject)}",
                remedy="remove pending in the pole's key directory, and request anew",
            )


def _others(
    authority: AuthorityDirectory, name: NodeName, issued: list[Issued], clock: Clock
) -> list[str]:
    """Serial numbers of a pole's other certificates that neither ended nor were revoked."""
    known = {item.serial for item in issued}
    revoked = authority.revoked_serials()
    return [
        serial
        for certificate in authority.issued()
        if node_name_of(certificate.subject) == name
        and (serial := f"{certificate.serial_number:x}") not in known
        and certificate.serial_number not in revoked
        and microseconds(certificate.not_valid_after_utc) > _now_us(clock)
    ]


def _refused(record: TokenRecord, what: str, remedy: str) -> TokenRefused:
    return TokenRefused(what=what, which=f"the token {record.id}", remedy=remedy)


def _now_us(clock: Clock) -> int:
    return clock.read().t_utc_ns // NS_PER_US
