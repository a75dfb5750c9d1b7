"""`roeh police` against a pole: asked, agreed to, fetched over a way that is cut, refused."""

import hashlib
import json
import os
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from roeh.access.requests import read_approval, read_signed_request
from roeh.bundle.encryption import parse_identities
from roeh.cli import main
from roeh.core.config import config_as_toml
from roeh.core.gop import StreamEnd
from roeh.core.paths import exports_dir
from roeh.core.peers import Done, EndStream, Role, Verb
from roeh.core.retrieval import PersonRole
from tests.cutting_proxy import cutting_proxy
from tests.people import PeopledCity, write_person
from tests.process.children import kill, start
from tests.process.small_disk import small_disk
from tests.usb_disks import usb_disk
from tests.visited_poles import visited_pole
from tests.waiting import wait_until

#: Of the pictures: what cannot be compressed makes a bundle longer than a socket's buffers.
NOISE = 60


class Desk:
    """Police at their desk, and the pole that they ask."""

    def __init__(self, pole, directory):
        self.pole, self.directory = pole, directory
        self.root = directory / "root.pem"
        self.root.write_bytes(pole.city.root_pem)
        self.investigator = pole.person(PersonRole.INVESTIGATOR, name="Ada Levi")
        self.approver = pole.person(PersonRole.APPROVER, name="Ben Katz")
        self.mine = write_person(self.investigator, directory / "ada.pem")
        self.theirs = write_person(self.approver, directory / "ben.pem")
        self.identity = directory / "ada.age"
        assert police("police", "keygen", "--out", self.identity) == 0
        self.recipient = parse_identities(self.identity.read_text())[0].recipient
        #: Request and approval of the export that is ready, as they were signed.
        self.order = (directory / "request.p7m", directory / "approval.p7m")
        #: Of the export that is ready, as the pole keeps it.
        self.bundle = b""
        self._export_id = None

    def online(self, key, port=None):
        """What names pole, root and person."""
        options = ("--pole", "harbour/pole", "--root", self.root, "--key", key)
        return (f"https://127.0.0.1:{port or self.pole.port}", *options)

    def request(self, *where):
        begins_us = self.pole.begins_us
        return (
            *("police", "request", *where, "--pole", "harbour/pole", "--root", self.root),
            *("--key", self.mine, "--case", "2026/7", "--legal-basis", "warrant 3"),
            *("--reason", "Assault", "--camera", "north", "--to-recipient", self.recipient),
            *("--from", utc(begins_us), "--to", utc(begins_us + 1_000_000)),
        )

    def ready(self):
        """The id of an export that is there to be fetched."""
        if self._export_id is None:
            request = self.pole.request_of(
                self.investigator,
                recipients=(self.recipient,),
                to_utc_us=self.pole.begins_us + 5_000_000,
            )
            signed = self.investigator.sign_request(request)
            answer = self.pole.visit(self.investigator).post_signed("/api/v1/exports", signed)
            assert answer.status == 201, answer.body
            approval = self.pole.approval_of(self.approver, request)
            path = f"/api/v1/exports/{request.id}/approval"
            assert self.pole.visit(self.approver).post_signed(path, approval).status == 200
            self._export_id = request.id
            for path, content in zip(self.order, (signed, approval), strict=True):
                path.write_bytes(content)
            visit = self.pole.visit(self.investigator)
            wait_until(
                lambda: visit.get(f"/api/v1/exports/{request.id}").json["state"] == "ready", 60.0
            )
            self.bundle = (exports_dir(self.pole.config) / f"{request.id}.age").read_bytes()
        return self._export_id

    def fetch(self, out, *more, port=None):
        return ("police", "fetch", *self.online(self.mine, port), self.ready(), "--out", out, *more)


def utc(t_us):
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=t_us)).isoformat()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    directory = tmp_path_factory.mktemp("police")
    with visited_pole(directory, noise=NOISE, build_bps=10_000_000_000) as pole:
        # The last segment is closed: what is still written cannot be taken.
        ended = EndStream("north", StreamEnd.SOURCE_ENDED)
        pole.ask(Role.CAPTURE, Verb.STREAM_END, ended, Done)
        yield Desk(pole, directory)


def police(*arguments):
    return main([str(argument) for argument in arguments])


def untaken(desk):
    return [r for r in desk.pole.records("export") if r["body"]["step"] == "untaken"]


def test_a_request_and_its_approval_travel_as_files(desk, tmp_path, capsys):
    request, approval = tmp_path / "request.p7m", tmp_path / "approval.p7m"
    assert police(*desk.request("--offline", request)) == 0
    assert police("police", "approve", request, "--key", desk.theirs, "--out", approval) == 36
    assert "nobody is there to agree" in capsys.readouterr().err
    assert not approval.exists()
    agreed = ("police", "approve", request, "--key", desk.theirs, "--out", approval, "--yes")
    assert police(*agreed) == 0
    shown = capsys.readouterr().out
    for words in ("harbour/pole", "north", "warrant 3", "Ada Levi", "2026/7", "Ben Katz", "AGREES"):
        assert words in shown
    asked = read_signed_request(request.read_bytes()).request
    assert read_approval(approval.read_bytes()).request == asked
    # It is not written over.
    assert police(*agreed) == 27
    path = ("police", "approve", request, "--key", desk.mine, "--out", tmp_path / "own", "--yes")
    assert police(*path) == 36
    assert "self_approval" in capsys.readouterr().err


def test_a_request_is_posted_seen_and_refused_over_https(desk, capsys):
    assert police(*desk.request(desk.online(desk.mine)[0]), "--json") == 0
    export = json.loads(capsys.readouterr().out)
    assert export["state"] == "requested"
    assert police("police", "list", *desk.online(desk.mine)) == 0
    assert export["id"] in capsys.readouterr().out
    refuse = (*desk.online(desk.theirs), "--refuse", "--yes", "--note", "no cause")
    address, *options = refuse
    assert police("police", "approve", address, export["id"], *options) == 0
    capsys.readouterr()
    assert police("police", "show", *desk.online(desk.theirs), export["id"]) == 0
    shown = capsys.readouterr().out
    assert "refused: no cause" in shown
    assert "Ben Katz" in shown
    fetched = ("police", "fetch", *desk.online(desk.mine), export["id"], "--out", "/nowhere/x")
    assert police(*fetched) == 27
    assert police(*fetched[:-1], desk.directory / "never") == 37
    assert not list(desk.directory.glob("never"))


def test_what_is_held_is_shown_and_can_be_kept(desk, capsys):
    span = ("--from", utc(desk.pole.begins_us - 10**6), "--to", utc(desk.pole.begins_us + 10**7))
    assert police("police", "timeline", *desk.online(desk.mine), *span) == 0
    assert "video" in capsys.readouterr().out
    more = ("--camera", "north", "--reason", "case 7")
    assert police("police", "hold", *desk.online(desk.mine), *span, *more, "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "active"


def test_a_bundle_arrives_whole_however_often_the_way_is_cut(desk, tmp_path, capsys):
    out = tmp_path / "bundle.age"
    chance = random.Random(11)
    # In the greeting, in the head, and anywhere in the bundle.
    cuts = [1, 3000, *(chance.randrange(5000, 120_000) for _ in range(6))]
    before = len(untaken(desk))
    with cutting_proxy(desk.pole.port, cuts) as proxy:
        assert police(*desk.fetch(out, port=proxy.port)) == 0
        assert proxy.cuts_left == 0
    assert out.read_bytes() == desk.bundle
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle.age"]
    assert hashlib.sha256(desk.bundle).hexdigest() in capsys.readouterr().out
    steps = [record["body"]["step"] for record in desk.pole.records("export")]
    assert steps[-1] == "taken"
    assert len(untaken(desk)) > before
    # Again: it is there.
    assert police(*desk.fetch(out)) == 0


def test_a_client_that_is_killed_goes_on_and_two_do_not_write_one_file(desk, tmp_path, capsys):
    out = tmp_path / "bundle.age"
    part = tmp_path / "bundle.age.part"
    with cutting_proxy(desk.pole.port, [100_000], stalls=True) as proxy:
        client = start(main, [str(word) for word in desk.fetch(out, port=proxy.port)])
        wait_until(lambda: part.exists() and part.stat().st_size > 50_000)
        assert police(*desk.fetch(out)) == 37
        assert "somebody else is fetching it" in capsys.readouterr().err
        kill(client)
    came = part.stat().st_size
    assert not out.exists()
    assert police(*desk.fetch(out)) == 0
    assert out.read_bytes() == desk.bundle
    assert came > 50_000


def test_a_part_that_is_not_of_this_bundle_is_begun_anew(desk, tmp_path):
    out = tmp_path / "bundle.age"
    (tmp_path / "bundle.age.part").write_bytes(b"another" * 1000)
    assert police(*desk.fetch(out)) == 0
    assert out.read_bytes() == desk.bundle
    # As a power cut can leave it: of the right bundle, and not what was written.
    again = tmp_path / "again.age"
    (tmp_path / "again.age.part").write_bytes(b"\0" * 100_000)
    (tmp_path / "again.age.part.of").write_text(f"{hashlib.sha256(desk.bundle).hexdigest()}\n")
    assert police(*desk.fetch(again)) == 0
    assert again.read_bytes() == desk.bundle


@pytest.mark.usefixtures("as_root")
def test_a_full_disk_keeps_the_part_and_room_lets_it_go_on(desk, tmp_path, capsys):
    with small_disk(tmp_path) as disk:
        # Of the room that the bundle needs, some is there.
        disk.fill()
        with (disk.point / "filler").open("r+b") as filler:
            filler.truncate(os.fstat(filler.fileno()).st_size - 100_000)
        out = disk.point / "bundle.age"
        assert police(*desk.fetch(out)) == 27
        assert "make room and fetch it again" in capsys.readouterr().err
        assert (disk.point / "bundle.age.part").stat().st_size > 30_000
        disk.free()
        assert police(*desk.fetch(out)) == 0
        assert out.read_bytes() == desk.bundle


def test_a_pole_is_known_by_its_certificate_alone(desk, tmp_path, capsys):
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_bytes(PeopledCity("Elsewhere").root_pem)
    address, *options = desk.online(desk.mine)
    other_pole = ["harbour/pole-2" if option == "harbour/pole" else option for option in options]
    assert police("police", "list", address, *other_pole) == 28
    assert "another pole, harbour/pole" in capsys.readouterr().err
    other_root = [elsewhere if option == desk.root else option for option in options]
    assert police("police", "list", address, *other_root) == 36
    assert "not under the city's root" in capsys.readouterr().err


def test_a_stranger_is_turned_away_in_one_line(desk, tmp_path, capsys):
    stranger = PeopledCity("Elsewhere").person(PersonRole.INVESTIGATOR)
    key = write_person(stranger, tmp_path / "stranger.pem")
    assert police("police", "list", *desk.online(key)) in (21, 36)
    said = capsys.readouterr().err
    assert "your certificate" in said
    assert said.count("\n") == 1


def test_what_was_fetched_is_opened_and_judged(desk, tmp_path, capsys):
    bundle, out = tmp_path / "bundle.age", tmp_path / "opened"
    assert police(*desk.fetch(bundle)) == 0
    judged = ("--identity", desk.identity, "--trust", desk.root)
    status = police("police", "open", bundle, *judged, "--out", out)
    shown = capsys.readouterr().out
    assert police("police", "verify", bundle, *judged) == status
    assert str(out / f"roeh-export-{desk.ready()}" / "data" / "report" / "report.he.html") in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle.age", "opened"]
    assert [path.name for path in out.iterdir()] == [f"roeh-export-{desk.ready()}"]


def test_a_pole_that_is_not_there_is_told_after_the_time_that_was_given(desk, tmp_path, capsys):
    with cutting_proxy(desk.pole.port) as proxy:
        gone = proxy.port
    desk.ready()
    out = tmp_path / "bundle.age"
    assert police(*desk.fetch(out, "--timeout", "0.5", port=gone)) == 21
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.usefixtures("as_root")
def test_an_order_on_a_disk_is_answered_by_the_pole_alone(desk, tmp_path):
    export_id = desk.ready()
    node = tmp_path / "node.toml"
    node.write_text(config_as_toml(desk.pole.config))
    with usb_disk(tmp_path) as disk:
        assert police("usb", "prepare", disk.device, *desk.order) == 0
        insert = ("usb", "insert", disk.device, "-c", node, "--again")
        command = [sys.executable, "-m", "roeh", *map(str, insert)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with disk.mounted() as files:
            assert (files / f"roeh-export-{export_id}.zip.age").read_bytes() == desk.bundle
