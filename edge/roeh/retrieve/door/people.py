"""The service for people while the pole runs: the listener, and the trust that it greets with."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from roeh.access.trust_list import HeldTrust, read_trust_list
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import ConfigError, RoehError
from roeh.core.log import log_error, log_for
from roeh.core.peers import Done, Verb
from roeh.core.retrieval import MAX_SIGNED_BYTES, NoteStranger, TrustHeld, TrustHeldRequest
from roeh.keys.person_certificates import AuthorityClass
from roeh.keys.tls_files import retrieve_tls_pair
from roeh.retrieve.api.application import add_api
from roeh.retrieve.door.guard import Guard, add_headers
from roeh.retrieve.door.https import PeopleListener
from roeh.retrieve.door.problems import HttpProblem
from roeh.retrieve.door.tls import people_context
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.pages import add_pages
from roeh.retrieve.visits.service import Service

#: Of a form with a signed object in it; nothing larger is ever held.
_MAX_BODY_BYTES = MAX_SIGNED_BYTES + 4096
#: How often it is looked for another trust list, or another key of this pole.
_PERIOD_S = 2.0
#: Strangers that wait to be told to evidence, and how many a second are.
_MAX_STRANGERS = 32
_STRANGERS_PERIOD_S = 0.5

_log = log_for("retrieve.people")


class PeopleServer:
    """HTTPS for people; `start` and `stop` on one event loop."""

    def __init__(
        self, config: NodeConfig, clock: Clock, link: EvidenceLink, service: Service
    ) -> None:
        self._config = config
        self._link = link
        self.service = service
        self._strangers: asyncio.Queue[str] = asyncio.Queue(_MAX_STRANGERS)
        self.listener = PeopleListener(config.access, clock, self._on_stranger)
        self.guard = Guard(clock, config.access.requests_per_minute)
        self._greets_with = ""
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        #: The newest trust list in force; None: not heard yet.
        self.trust: TrustHeld | None = None
        #: Why nobody can be let in; empty: they can.
        self.complaint = "no trust list was heard of yet"

    @property
    def greets(self) -> bool:
        """Whether anybody can be let in at all."""
        return bool(self._greets_with)

    async def start(self) -> str:
        """Listen; the address.

        Raises:
            PortTaken: another program listens there.
            ConfigError: this machine cannot listen there.
        """
        app = web.Application(
            middlewares=[self.guard.middleware()],
            client_max_size=_MAX_BODY_BYTES,
        )
        app.on_response_prepare.append(add_headers)
        add_api(app, self.service)
        add_pages(app, self.service)
        address = await self.listener.start(app)
        await self._renew_trust()
        self._tasks = (
            asyncio.create_task(self._keep_trust()),
            asyncio.create_task(self._tell_strangers()),
        )
        return address

    async def stop(self) -> None:
        """End every connection and stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.listener.stop()

    def _on_stranger(self, reason: str) -> None:
        if not self._strangers.full():
            self._strangers.put_nowait(reason)

    async def _tell_strangers(self) -> None:
        while True:
            reason = await self._strangers.get()
            try:
                await self._link.ask(Verb.STRANGER_NOTE, NoteStranger(reason[:200]), Done)
            except RoehError as error:
                log_error(_log, error)
            except HttpProblem:
                continue  # counted here, if not there
            await asyncio.sleep(_STRANGERS_PERIOD_S)

    async def _keep_trust(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD_S)
            await self._renew_trust()

    async def _renew_trust(self) -> None:
        """Greet with the authorities of the list in force, and this pole's newest key."""
        try:
            self.trust = await self._link.ask(Verb.TRUST_HELD, TrustHeldRequest(), TrustHeld)
            await asyncio.to_thread(self._renew, self.trust)
        except RoehError as error:
            # What was in force stays: each request is judged by evidence all the same.
            complaint = f"{error.what}: {error.which}"
            if complaint != self.complaint:
                log_error(_log, error)
            self.complaint = complaint
        else:
            self.complaint = ""

    def _renew(self, held: TrustHeld) -> None:
        pair = retrieve_tls_pair(self._config)
        if pair is None:
            raise ConfigError(
                what="this pole has no certificate to show to people",
                which="[keys] retrieve_tls_dir",
                remedy="install the pole's keys: roeh keys install",
            )
        if not held.signed:
            raise ConfigError(
                what="there is no trust list: nobody is let in",
                which="the trust list in force",
                remedy="give [access] trust_file, or send one over MQTT or USB",
            )
        stamp = _stamp(Path(pair.certificate_file))
        greets_with = f"{hashlib.sha256(held.signed).hexdigest()} {stamp}"
        if greets_with == self._greets_with:
            return
        trust = read_trust_list(held.signed, _read(self._config.access.root_file), None)
        self.listener.use(people_context(pair.certificate_file, authorities_pem(trust)))
        self._greets_with = greets_with
        _log.info("greets with trust list %d", held.version)


def authorities_pem(trust: HeldTrust) -> str:
    """The authorities of persons in a list; those of poles let nobody in."""
    return "".join(
        one.certificate.public_bytes(Encoding.PEM).decode()
        for one in trust.authorities
        if one.authority_class is not AuthorityClass.DEVICE
    )


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            what=f"cannot be read ({error.strerror})",
            which=f"[access] root_file = {path!r}",
            remedy="name the city's root, readable by retrieve",
        ) from None
