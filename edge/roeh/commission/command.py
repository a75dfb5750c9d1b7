"""The command line of `roeh commission`."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from roeh.bundle.report.page import Language
from roeh.commission.coverage_map import coverage_map
from roeh.commission.document import COVERAGE, PANORAMA, Enclosed, commissioning_pdf
from roeh.commission.facts import PoleFacts, read_facts
from roeh.commission.landmarks import Landmark, LandmarkAction
from roeh.commission.pictures import jpeg, landmark_jpeg, look_at, panorama_jpeg, sensor_jpeg
from roeh.commission.record import (
    CommissioningRecord,
    LedgerPlace,
    record_look,
    record_report,
)
from roeh.commission.technician import Technician, technician_from
from roeh.core.clock import NS_PER_US, Clock, SystemClock
from roeh.core.config import NodeConfig, SensorSection, load_config
from roeh.core.errors import EXIT_OK, ChecksFailed, OutputRefused, RoehError
from roeh.core.paths import evidence_socket, frames_socket, node_database
from roeh.custody.link import EvidenceLink, evidence_link
from roeh.custody.newest_picture import newest_picture
from roeh.doctor.machine_view import MachineView
from roeh.doctor.running import is_bound
from roeh.keys.cms import sign_detached
from roeh.keys.safe_files import replace_public
from roeh.media.frames import UInt8Image
from roeh.sources.one_picture import live_picture

_PATIENCE_S = 15.0
_MAX_NAME_CHARS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="NODE.toml", help="the node"
    )
    parser.add_argument(
        "--technician", required=True, metavar="NAME", help="who commissions the pole"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.pdf", help="the report goes here; new"
    )
    parser.add_argument(
        "--landmark",
        nargs=2,
        action=LandmarkAction,
        default=[],
        metavar=("NAME", "DEG"),
        help="something in sight and its true bearing, drawn into the pictures; several times",
    )
    parser.add_argument("--address", default="", metavar="TEXT", help="where it stands, in words")
    parser.add_argument(
        "--language", choices=[each.value for each in Language], default="en", help="default: en"
    )
    signing = parser.add_argument_group("the technician's signature")
    signing.add_argument("--key", type=Path, metavar="FILE", help="their key, PEM")
    signing.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="their certificate with its CA's, PEM; default: in the file of the key",
    )
    signing.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="of the key: its first line"
    )


def run(chosen: argparse.Namespace) -> int:
    """Make the report; FAIL in it ends as the doctor does, after the report is written.

    Raises:
        RoehError: what is wrong.
    """
    files = _files(chosen)
    config = load_config(chosen.config)
    name = _name(chosen.technician)
    technician = technician_from(chosen.key, chosen.certificate, chosen.passphrase_file)
    clock = SystemClock()
    with _link(config, clock) as link:
        facts = read_facts(
            config, technician=name, address=chosen.address, clock=clock, view=MachineView()
        )
        taken = _pictures(config, link, name, clock)
        enclosed = _enclosed(config, taken, chosen.landmark, files, is_recorded=link is not None)
        pdf = commissioning_pdf(facts, chosen.landmark, enclosed, Language(chosen.language))
        sha256 = hashlib.sha256(pdf).hexdigest()
        place = None if link is None else record_report(link, name, sha256, clock)
    record = _record(facts, chosen.landmark, files[0].name, sha256, place)
    replace_public(files[0], pdf)
    replace_public(files[1], msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    if technician is not None:
        replace_public(files[2], _signed(technician, pdf, clock))
    _say(files, record, technician)
    failed = any(each.verdict == "FAIL" for each in facts.findings)
    return ChecksFailed.exit_status if failed else EXIT_OK


def _files(chosen: argparse.Namespace) -> tuple[Path, Path, Path]:
    """Report, record and signature; nothing is overwritten."""
    out: Path = chosen.out
    if out.suffix.lower() != ".pdf":
        raise OutputRefused(what="no report's name", which=str(out), remedy="end it in .pdf")
    files = out, out.with_suffix(".json"), out.with_suffix(".pdf.p7s")
    for path in files:
        if path.exists() or path.is_symlink():
            raise OutputRefused(
                what="there is a file of that name, and no report is overwritten",
                which=str(path),
                remedy="name another with --out",
            )
    if not out.absolute().parent.is_dir():
        raise OutputRefused(
            what="there is no such directory",
            which=str(out.absolute().parent),
            remedy="make it, or name another with --out",
        )
    return files


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= _MAX_NAME_CHARS or not name.isprintable():
        raise OutputRefused(
            what="no name that can be put on record",
            which="--technician",
            remedy=f"give 1 to {_MAX_NAME_CHARS} characters",
        )
    return name


@contextlib.contextmanager
def _link(config: NodeConfig, clock: Clock) -> Iterator[EvidenceLink | None]:
    """The way to the ledger; None where the pole has none yet, or it is not ours to write to.

    A running node that cannot be asked is an error: nobody looks at a recording without a record.
    """
    if not is_bound(evidence_socket(config)) and not _owns_store(config):
        sys.stderr.write("roeh: the node does not run: the report does not go into its ledger\n")
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            link = stack.enter_context(evidence_link(config, clock))
        except RoehError as error:
            if is_bound(frames_socket(config)) or error.code != "EVIDENCE_REFUSED":
                raise
            sys.stderr.write(f"{error.line()}\n")
            yield None
            return
        yield link


def _owns_store(config: NodeConfig) -> bool:
    """Whether this user is evidence's: what another wrote, root too, evidence might not read."""
    try:
        return node_database(config).stat().st_uid == os.geteuid()
    except OSError:
        # None yet.
        return True


def _pictures(
    config: NodeConfig, link: EvidenceLink | None, technician: str, clock: Clock
) -> dict[str, UInt8Image]:
    """Each sensor's, from the running node's recording or from the camera itself."""
    if link is not None:
        record_look(link, technician, ", ".join(each.name for each in config.sensors))
    is_running = is_bound(frames_socket(config))
    taken: dict[str, UInt8Image] = {}
    for section in config.sensors:
        try:
            if is_running and link is not None:
                taken[section.name] = newest_picture(link, config, section, clock)
            else:
                taken[section.name] = _live(config, section, clock)
        except RoehError as error:
            # The report says so: a pole with a dead camera is to be reported too.
            sys.stderr.write(f"{error.line()}\n")
    return taken


def _live(config: NodeConfig, section: SensorSection, clock: Clock) -> UInt8Image:
    heading_deg = config.node.heading_deg
    return live_picture(section, clock=clock, heading_deg=heading_deg, patience_s=_PATIENCE_S)


def _enclosed(
    config: NodeConfig,
    taken: Mapping[str, UInt8Image],
    landmarks: list[Landmark],
    files: tuple[Path, Path, Path],
    *,
    is_recorded: bool,
) -> Enclosed:
    seen = look_at(config, taken)
    pictures = {COVERAGE: jpeg(coverage_map(config))}
    sensors = tuple(f"sensor-{section.name}" for section in config.sensors)
    marked = tuple(f"landmark-{number}" for number in range(1, len(landmarks) + 1))
    if seen:
        pictures[PANORAMA] = panorama_jpeg(config, seen, landmarks)
        for name in seen:
            pictures[f"sensor-{name}"] = sensor_jpeg(config, name, seen)
        for number, (name, landmark) in enumerate(zip(marked, landmarks, strict=True), start=1):
            pictures[name] = landmark_jpeg(config, landmark, number, seen)
    return Enclosed(
        pictures=pictures,
        sensors=sensors,
        marked=marked,
        record=files[1].name,
        signature=files[2].name,
        is_recorded=is_recorded,
    )


def _record(
    facts: PoleFacts,
    landmarks: list[Landmark],
    report: str,
    sha256: str,
    place: LedgerPlace | None,
) -> CommissioningRecord:
    node, now = facts.config.node, facts.now
    return CommissioningRecord(
        site=node.site,
        node=node.name,
        technician=facts.technician,
        t_utc_us=now.t_utc_ns // NS_PER_US,
        utc_error_us=now.utc_error_ns // NS_PER_US,
        synchronised=now.synchronised,
        report=report,
        report_sha256=sha256,
        serial=facts.serial,
        version=facts.release or facts.version,
        config_sha256=facts.config_sha256,
        models=dict(facts.models),
        certificates_sha256={state.usage.value: state.sha256 for state in facts.keys},
        landmarks_deg={landmark.name: landmark.bearing_deg for landmark in landmarks},
        findings=facts.findings,
        ledger=place,
    )


def _signed(technician: Technician, pdf: bytes, clock: Clock) -> bytes:
    t_utc_us = clock.read().t_utc_ns // NS_PER_US
    return sign_detached(
        pdf, chain_pem=technician.chain_pem, sign=technician.sign, t_utc_us=t_utc_us
    )


def _say(
    files: tuple[Path, Path, Path], record: CommissioningRecord, technician: Technician | None
) -> None:
    counts = {
        verdict: sum(each.verdict == verdict for each in record.findings)
        for verdict in ("OK", "WARN", "FAIL")
    }
    said = [
        f"{files[0]}: {counts['OK']} ok, {counts['WARN']} warnings, {counts['FAIL']} failed",
        f"{files[1]}: sha256 {record.report_sha256}",
    ]
    if record.ledger is None:
        said.append("  not in the pole's ledger: nobody answers for it")
    elif record.ledger.checkpoint is None:
        said.append(f"  in the pole's ledger at leaf {record.ledger.leaf}, no checkpoint yet")
    else:
        said.append(f"  in the pole's ledger at leaf {record.ledger.leaf}, under a checkpoint")
    if technician is not None:
        said.append(f"{files[2]}: signed by {technician.name}")
    sys.stdout.write("\n".join(said) + "\n")
