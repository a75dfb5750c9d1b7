"""Retrieval by people: the city's root, the trust list, this pole's TLS file, room for exports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from roeh.access.trust_list import HeldTrust, read_trust_list, staleness
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import RoehError
from roeh.core.moments import size_text
from roeh.core.paths import exports_dir, trust_list_file
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, bad_error, doubtful, good
from roeh.keys.key_pem import certificates_in
from roeh.keys.tls_files import retrieve_tls_pair
from roeh.retrieve.door.people import authorities_pem
from roeh.retrieve.door.tls import people_context

_US_PER_DAY = 86_400_000_000


def check_access(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """Whether people can be let in, and exports built."""
    if not config.access.host:
        yield good("retrieval over HTTPS is off: [access] host is empty")
        return
    try:
        root_pem = Path(config.access.root_file).read_bytes()
    except OSError as error:
        yield bad(
            Code.ACCESS_ROOT,
            f"the city's root cannot be read ({error.strerror}): {config.access.root_file!r}",
            "name it in [access] root_file; the key keeper has it as ca.pem",
        )
        return
    try:
        trust = _held(config, root_pem)
    except RoehError as error:
        yield bad_error(Code.TRUST_REFUSED, error)
        return
    yield from _judge_trust(config, clock, trust)
    yield from _judge_tls(config, trust, root_pem)
    yield _judge_room(config)


def _held(config: NodeConfig, root_pem: bytes) -> HeldTrust | None:
    """The list in force, or the one that the first start will take."""
    for path in (trust_list_file(config), Path(config.access.trust_file or os.devnull)):
        try:
            signed = path.read_bytes()
        except OSError:
            continue
        if signed:
            return read_trust_list(signed, root_pem, None)
    return None


def _judge_trust(config: NodeConfig, clock: Clock, trust: HeldTrust | None) -> Iterator[Outcome]:
    access = config.access
    if trust is None:
        yield doubtful(
            Code.TRUST_NONE,
            "there is no trust list: nobody is let in",
            "give [access] trust_file, or send one over MQTT or USB",
        )
        return
    stands = staleness(
        trust,
        clock.read(),
        int(access.stale_after_days * _US_PER_DAY),
        access.allow_unsynchronised,
    )
    said = f"trust list {trust.trust_list.version}"
    if stands.age_us is None:
        yield doubtful(
            Code.TRUST_AGE,
            f"{said}: no clock tells its age, so nothing new may leave",
            "let the clock be synchronised, or set [access] allow_unsynchronised",
        )
    elif stands.is_stale:
        yield doubtful(
            Code.TRUST_STALE,
            f"{said} is stale: {stands.age_us / _US_PER_DAY:.1f} days old",
            "have the key keeper sign a new one: roeh keys trust-list make",
        )
    else:
        yield good(f"{said}, {stands.age_us / _US_PER_DAY:.1f} days old")


def _judge_tls(config: NodeConfig, trust: HeldTrust | None, root_pem: bytes) -> Iterator[Outcome]:
    pair = retrieve_tls_pair(config)
    if pair is None:
        yield bad(
            Code.ACCESS_TLS,
            "this pole has no certificate to show to people",
            "install the pole's keys again: roeh keys install",
        )
        return
    if trust is None:
        return
    try:
        people_context(pair.certificate_file, authorities_pem(trust))
    except RoehError as error:
        yield bad_error(Code.ACCESS_TLS, error)
        return
    revoked = _revoked(Path(pair.certificate_file), trust, root_pem)
    if revoked:
        yield bad(Code.CERT_REVOKED, f"the certificate for TLS: {revoked}")
    else:
        yield good("this pole can show who it is to people")


def _revoked(chain_file: Path, trust: HeldTrust, root_pem: bytes) -> str:
    """What the lists that came with the trust list say of the pole's own chain."""
    path = certificates_in(chain_file.read_bytes())
    path += [root for root in certificates_in(root_pem) if root not in path]
    return trust.revocations.judge(tuple(path)).revoked


def _judge_room(config: NodeConfig) -> Outcome:
    directory = exports_dir(config)
    there = next(path for path in (directory, *directory.parents) if path.exists())
    disk = os.statvfs(there)
    free = disk.f_bavail * disk.f_frsize - config.evidence.min_free_bytes
    wanted = config.access.exports_max_bytes
    if free < wanted:
        return doubtful(
            Code.EXPORT_ROOM,
            f"{size_text(max(0, free))} for exports on {there}, of {size_text(wanted)} allowed",
            "lower [access] exports_max_bytes, or put exports_dir on a larger disk",
        )
    return good(f"{size_text(wanted)} for exports in {directory}")
