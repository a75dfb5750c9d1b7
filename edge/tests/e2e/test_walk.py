"""A whole walk on one machine: from people before a pole to a bundle that a court's tools take.

The city's keys are made as the pages say, the pole is the demo's with real footage, its witness
signs, a time-stamping authority of openssl's stamps; then stock tools judge, beside our own.
"""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from roeh.core.clock import SystemClock
from roeh.core.config import AccessSection
from roeh.core.errors import SourceUnreadable
from roeh.demo.broker import choose_broker
from roeh.demo.desk import DemoDesk
from roeh.demo.footage import fetch_footage
from roeh.demo.node import DemoNode
from roeh.demo.scene import composed_scene, on_this_machine, panorama_scene
from roeh.ledger.note import witness_verifier_key
from tests.apt import require_packages
from tests.ports import free_port
from tests.time_stamping import TimeStamper, serving
from tests.waiting import wait_until

pytestmark = [pytest.mark.apt("age ffmpeg openssl poppler-utils unzip"), pytest.mark.timeout(240)]

SECONDS = 10
POLE = "demo/pole-1"
PATIENCE_S = 60.0
ROEH = (sys.executable, "-m", "roeh")


def run(*command, status=0, cwd=None, env=None):
    """What a program of the walk prints; its status has to be this."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=env,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def roeh(*arguments, status=0):
    return run(*ROEH, *arguments, status=status)


def utc_text(t_us):
    moment = datetime.datetime.fromtimestamp(t_us / 1e6, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def make_city(directory):
    """Root, CAs, their lists, an investigator, an approver, a trust list: as docs/keys.md says."""
    root = directory / "root"
    roeh("keys", "root", root, "--name", "Walk root", "--plain")
    for name in ("nodes", "police", "staff"):
        roeh("keys", "ca", directory / name, "--root", root, "--for", name, "--plain")
        roeh("keys", "revoke", "--ca", directory / name)
    roeh("keys", "revoke", "--ca", root)
    for name, number, role in (("ben", "1001", "investigator"), ("dana", "1002", "approver")):
        roeh("keys", "person", "request", directory / f"{name}.key", "--name", name.title(),
             "--number", number, "--organisation", "Police", "--out", directory / f"{name}.csr",
             "--plain")  # fmt: skip
        roeh("keys", "person", "sign", directory / f"{name}.csr", "--ca", directory / "police",
             "--role", role, "--out", directory / f"{name}.pem")  # fmt: skip
    signer = directory / "signer.pem"
    roeh("keys", "trust-list", "signer", signer, "--root", root, "--plain")
    cas = [
        part
        for option, name in (("--device", "nodes"), ("--police", "police"), ("--staff", "staff"))
        for part in (option, directory / name / "ca.pem", "--crl", directory / name / "revoked.pem")
    ]
    roeh("keys", "trust-list", "make", "--signer", signer, *cas, "--crl", root / "revoked.pem",
         "--version", "1", "--out", directory / "trust-list.p7m")  # fmt: skip


def provision(city, config_path):
    """The pole's own keys, signed by the city's node CA."""
    requests, certificates = city / "requests.pem", city / "certificates.pem"
    roeh("keys", "request", "-c", config_path, "--out", requests)
    roeh("keys", "sign", requests, "--ca", city / "nodes", "--out", certificates)
    roeh("keys", "install", certificates, "-c", config_path)


@contextmanager
def running_authority(directory):
    """A time-stamping authority's address and root: openssl answers each query."""
    stamper = TimeStamper(directory / "tsa")
    with serving(stamper.answer) as url:
        yield url, stamper.root_file


class Officer:
    """Somebody at their own computer, with the client of the police."""

    def __init__(self, city, name, port):
        self.url = f"https://127.0.0.1:{port}"
        self.credentials = ["--key", city / f"{name}.key", "--cert", city / f"{name}.pem"]
        self.at_pole = ["--pole", POLE, "--root", city / "root" / "ca.pem"]

    def ask(self, verb, *options):
        """What the client prints as JSON."""
        said = roeh("police", verb, self.url, *options, *self.at_pole, *self.credentials, "--json")
        return json.loads(said.splitlines()[-1])


@dataclass
class Walk:
    """What the walk leaves: the bundle, and what is needed to judge it."""

    bundle: Path
    opened: Path
    identity: Path
    beliefs: list
    tsa_root: Path
    city: Path
    report: dict


def take(home, city, port):
    """Somebody looks, holds, asks; a second person agrees; the bundle is fetched."""
    ben, dana = Officer(city, "ben", port), Officer(city, "dana", port)
    identity = home / "ben.age"
    recipient = re.search("age1[0-9a-z]{58}", roeh("police", "keygen", "--out", identity))[0]
    alert_us, to_us = wait_for_alert(ben)
    span = ["--camera", "dome", "--from", utc_text(alert_us - 3e6), "--to", utc_text(to_us)]
    hold = ben.ask("hold", *span, "--reason", "case 26-1187")
    assert hold["state"] == "active"
    asked = ben.ask("request", *span, "--case", "26-1187", "--legal-basis", "court order 9",
                    "--reason", "assault on the plaza", "--to-recipient", recipient)  # fmt: skip
    assert asked["state"] == "requested"
    dana.ask("approve", asked["id"], "--yes")
    bundle = home / "case-26-1187.zip.age"
    roeh("police", "fetch", ben.url, asked["id"], "--out", bundle, *ben.at_pole, *ben.credentials)
    return bundle, identity


def wait_for_alert(officer):
    """When an alert was, and up to when its video is closed behind it."""
    found = []

    def is_there():
        now_us = SystemClock().read().t_utc_ns // 1000
        around = ["--from", utc_text(now_us - 120e6), "--to", utc_text(now_us + 5e6)]
        try:
            seen = officer.ask("timeline", *around)
        except AssertionError:
            return False  # the pole is starting
        ended_us = [
            bar["to_utc_us"]
            for lane in seen["lanes"]
            for bar in lane["bars"]
            if not bar["is_written"]
        ]
        if not seen["alerts"] or not ended_us:
            return False
        found[:] = [seen["alerts"][0]["t_utc_us"], max(ended_us)]
        return found[1] > found[0] + 2e6

    wait_until(is_there, PATIENCE_S)
    return found


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    require_packages("age", "ffmpeg", "openssl", "poppler-utils", "unzip")
    home = tmp_path_factory.mktemp("walk")
    city = home / "city"
    city.mkdir()
    make_city(city)
    try:
        scene = panorama_scene(fetch_footage())
    except SourceUnreadable:
        scene = composed_scene()
    clock, stop, port = SystemClock(), threading.Event(), free_port()
    broker = choose_broker(clock)
    broker.start()
    with (
        tempfile.TemporaryDirectory(prefix="roeh-run-") as run_dir,
        running_authority(home) as (tsa_url, tsa_root),
    ):
        desk = DemoDesk(home, broker.port)
        desk.start()
        desk.wait_until_there(clock, stop)
        config = on_this_machine(
            scene, home, broker_port=broker.port, duration_s=SECONDS, run_dir=Path(run_dir),
            desk_keys=desk.keys_file,
        )  # fmt: skip
        access = AccessSection(
            host="127.0.0.1", port=port, root_file=str(city / "root" / "ca.pem"),
            trust_file=str(city / "trust-list.p7m"), allow_unsynchronised=True, tsa_url=tsa_url,
        )  # fmt: skip
        config = msgspec.structs.replace(config, access=access)
        node = DemoNode(config, home, clock, quiet=True)
        provision(city, home / "node.toml")
        node.start()
        try:
            bundle, identity = take(home, city, port)
        finally:
            node.stop()
            desk.stop()
            broker.stop()
    witness_key = home / "witness.key"
    witness_key.write_text(witness_verifier_key(desk.witness) + "\n")
    beliefs = ["--trust", city / "root" / "ca.pem", "--witness", witness_key,
               "--crl", city / "nodes" / "revoked.pem", "--crl", city / "root" / "revoked.pem",
               "--crl", city / "police" / "revoked.pem", "--tsa", tsa_root]  # fmt: skip
    opened = home / "opened"
    run("age", "-d", "-i", identity, "-o", home / "bundle.zip", bundle)
    run("unzip", "-q", home / "bundle.zip", "-d", opened)
    (bag,) = opened.iterdir()
    said = roeh("verify", bundle, "--identity", identity, *beliefs, "--json")
    return Walk(bundle, bag, identity, beliefs, tsa_root, city, json.loads(said))


def test_everything_is_right(walk):
    checks = {each["aspect"]: each["check"] for each in walk.report["conclusions"]}
    assert checks == {
        "bytes intact": "OK",
        "signer trusted": "OK",
        "complete": "OK",
        "time anchored": "OK",
        "custody": "OK",
    }
    assert walk.report["exit_status"] == 0


def test_stock_tools_take_it(walk):
    bag, root = walk.opened, walk.city / "root" / "ca.pem"
    run("sha256sum", "--check", "--quiet", "manifest-sha256.txt", cwd=bag)
    run("sha256sum", "--check", "--quiet", "tagmanifest-sha256.txt", cwd=bag)
    cms_verify(bag / "manifest.p7s", root, "-content", bag / "manifest-sha256.txt")
    approval = json.loads(cms_verify(bag / "data" / "approval.p7m", root))
    assert approval["verdict"] == "approved"
    assert approval["request"]["case_number"] == "26-1187"
    assert approval["approver_number"] != approval["request"]["requester_number"]
    cms_verify(bag / "data" / "trust-list.p7m", root)
    for stamp, content in STAMPS.items():
        run("openssl", "ts", "-verify", "-in", bag / stamp, "-data", bag / content,
            "-CAfile", walk.tsa_root)  # fmt: skip


STAMPS = {
    "seal/manifest.tsr": "manifest-sha256.txt",
    "data/timestamps/checkpoint.tsr": "data/checkpoints/pole.txt",
}


def cms_verify(signed, root, *content, status=0):
    return run("openssl", "cms", "-verify", "-inform", "DER", "-binary", "-in", signed, *content,
               "-CAfile", root, "-purpose", "any", status=status)  # fmt: skip


def test_what_was_recorded_can_be_played_and_read(walk):
    films = [walk.opened / "data" / "video.mp4", *(walk.opened / "data").glob("segments/*/*.mp4")]
    assert len(films) > 1
    for film in films:
        said = run("ffprobe", "-v", "error", "-count_frames", "-show_entries",
                   "stream=nb_read_frames", "-of", "csv=p=0", film)  # fmt: skip
        assert int(said.split(",")[0]) > 0
    for language in ("en", "he"):
        page = (walk.opened / "data" / "report" / f"report.{language}.html").read_text()
        assert "26-1187" in page
        text = run("pdftotext", walk.opened / "data" / "report" / f"report.{language}.pdf", "-")
        assert "26-1187" in text
    assert list((walk.opened / "data" / "report" / "stills").glob("*.jpg"))


def test_the_verifier_needs_nothing_but_its_own_extra(walk, tmp_path):
    """As a stranger's expert has it: one file, and a Python that has nothing installed."""
    verifier = Path(__file__).parents[3] / "build" / "roeh-verify.pyz"
    run("make", "verifier", cwd=verifier.parents[1])
    clean = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    said = run("python3", "-I", verifier, walk.bundle, "--identity", walk.identity,
               *walk.beliefs, env=clean)  # fmt: skip
    assert "custody         OK" in said


def flipped(path, offset, directory):
    """A copy of a file with one bit of one byte changed."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    copy = directory / path.name
    copy.write_bytes(content)
    return copy


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.999999])
def test_one_bit_of_what_was_fetched_is_found(walk, share, tmp_path):
    copy = flipped(walk.bundle, int(share * walk.bundle.stat().st_size), tmp_path)
    decrypt = ("age", "-d", "-i", walk.identity, "-o", os.devnull, copy)
    assert subprocess.run(decrypt, capture_output=True, check=False).returncode != 0
    done = subprocess.run(
        [*ROEH, "verify", copy, "--identity", walk.identity, *map(str, walk.beliefs)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


CHANGED = {
    "manifest-sha256.txt": 1,
    "data/approval.p7m": 16,
    "data/records.jsonl": 1 | 4,
    "data/video.mp4": 1,
    "seal/record.json": 16,
    "report": 1,
    "segment": 1,
}


@pytest.mark.parametrize("what", CHANGED)
def test_one_bit_of_what_was_opened_is_found_and_placed(walk, what, tmp_path):
    bag = tmp_path / walk.opened.name
    shutil.copytree(walk.opened, bag)
    changed = {
        "report": bag / "data/report/report.en.pdf",
        "segment": min((bag / "data/segments").rglob("*.mp4")),
    }.get(what, bag / what)
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    name = changed.relative_to(bag).as_posix()
    manifest = "manifest-sha256.txt" if name.startswith("data/") else "tagmanifest-sha256.txt"
    told = subprocess.run(
        ["sha256sum", "--check", "--quiet", manifest], cwd=bag, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert f"{name}: FAILED" in told.stdout
    done = subprocess.run(
        [*ROEH, "verify", bag, "--json", *map(str, walk.beliefs)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode & 64, done.stdout[:2000]
    assert done.returncode & CHANGED[what]
    placed = [
        each["path"]
        for each in json.loads(done.stdout)["findings"]
        if each["weight"] == "fail" and "path" in each
    ]
    assert any(path.endswith(name) for path in placed)
    if what == "manifest-sha256.txt":
        cms_verify(bag / "manifest.p7s", walk.city / "root" / "ca.pem", "-content",
                   bag / "manifest-sha256.txt", status=4)  # fmt: skip
