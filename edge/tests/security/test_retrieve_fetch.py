"""A bundle is fetched by who asked for it: from any byte on, and what arrived is on record."""

import contextlib
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from roeh.access.requests import request_bytes
from roeh.core.retrieval import PersonRole
from roeh.retrieve.api.routes import API
from tests.apt import require_packages
from tests.process.small_disk import small_disk, unmount
from tests.security.test_retrieve_garbage import tls_to
from tests.visited_poles import NODE_NAME, visited_pole
from tests.waiting import wait_until

_PATIENCE_S = 60.0


class Fetched:
    """A pole with one bundle that is ready, and whose it is."""

    def __init__(self, pole):
        self.pole = pole
        self.owner = pole.person(PersonRole.INVESTIGATOR)
        request = pole.request_of(self.owner)
        visitor = pole.visit(self.owner)
        assert visitor.post(f"{API}/exports", request_bytes(request)).status == 201
        signed = pole.approval_of(pole.person(PersonRole.APPROVER), request)
        self.path = f"{API}/exports/{request.id}"
        assert visitor.post_signed(f"{self.path}/approval", signed).status == 200
        self.id = request.id
        self.export = wait_until(lambda: self._ready(visitor), _PATIENCE_S)
        self.whole = visitor.get(f"{self.path}/bundle").body

    def _ready(self, visitor):
        export = visitor.get(self.path).json
        assert export["state"] != "failed", export
        return export if export["state"] == "ready" else None

    def ask(self, method="GET", holder=None, **headers):
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self.pole.visit(holder or self.owner).ask(method, f"{self.path}/bundle", None, named)

    def steps(self, step):
        bodies = (one["body"] for one in self.pole.records("export"))
        return [one for one in bodies if one["export_id"] == self.id and one["step"] == step]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """So slow a pole that a fetch can be cut."""
    with visited_pole(tmp_path_factory.mktemp("fetched"), build_bps=3_000_000) as pole:
        # The segment of the request closes.
        pole.end_recording()
        yield Fetched(pole)


@pytest.fixture(autouse=True)
def _everybody_leaves(fetched):
    yield
    fetched.pole.see_off()


def test_the_whole_of_it_is_what_was_put_on_record(fetched):
    sha256 = hashlib.sha256(fetched.whole).hexdigest()
    assert fetched.whole.startswith(b"age-encryption.org/v1\n")
    assert fetched.export["sha256"] == sha256
    assert fetched.steps("ready")[0]["sha256"] == sha256
    taken = wait_until(lambda: fetched.steps("taken"))[0]
    assert taken["sha256"] == sha256
    assert taken["person"] == fetched.steps("taken")[0]["person"] != ""


def test_a_head_tells_what_a_get_would_bring(fetched):
    answer = fetched.ask("HEAD")
    assert answer.status == 200
    assert answer.headers["ETag"] == f'"{fetched.export["sha256"]}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert int(answer.headers["Content-Length"]) == len(fetched.whole)
    assert answer.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=7-99", 7, 100), ("bytes=-5", -5, None),
     ("bytes=1000-999999999999", 1000, None)],
)  # fmt: skip
def test_any_byte_is_where_it_can_go_on(fetched, asked, start, stop):
    answer = fetched.ask(Range=asked, If_Range=f'"{fetched.export["sha256"]}"')
    assert answer.status == 206
    assert answer.body == fetched.whole[start:stop]
    first = start % len(fetched.whole)
    last = first + len(answer.body) - 1
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(fetched.whole)}"


@pytest.mark.parametrize(
    ("asked", "status"),
    [("bytes=5-4", 416), ("bytes=999999999999-", 416), ("bytes=-", 400), ("chapters=1-2", 400),
     ("bytes=a-b", 400), ("bytes=-0", 416)],
)  # fmt: skip
def test_a_range_of_nothing_is_told_so(fetched, asked, status):
    assert fetched.ask(Range=asked).status == status


def test_a_range_of_another_file_brings_the_whole(fetched):
    answer = fetched.ask("HEAD", Range="bytes=7-99", If_Range='"another"')
    assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(fetched.whole))


@pytest.mark.parametrize("role", PersonRole)
def test_nobody_else_gets_any_of_it(fetched, role):
    answer = fetched.ask(holder=fetched.pole.person(role), Range="bytes=0-0")
    assert answer.status == 403
    assert fetched.whole[:1] not in [answer.body]


def test_the_same_person_with_another_certificate_gets_it(fetched):
    again = fetched.pole.person(PersonRole.INVESTIGATOR, fetched.owner.person.number)
    assert fetched.ask(holder=again, Range="bytes=0-9").body == fetched.whole[:10]


def test_a_fetch_that_is_cut_and_goes_on_is_on_record_as_both(fetched):
    pole, before = fetched.pole, len(fetched.steps("taken"))
    with tls_to(pole, pole.context(fetched.owner)) as tls:
        tls.sendall(f"GET {fetched.path}/bundle HTTP/1.1\r\nHost: {NODE_NAME}\r\n\r\n".encode())
        assert tls.recv(1000).startswith(b"HTTP/1.1 200")
    cut = wait_until(lambda: fetched.steps("untaken"), _PATIENCE_S)[-1]
    assert "byte" in cut["detail"]
    assert len(fetched.steps("taken")) == before
    # What is missing, and a little more; now every byte has been sent.
    assert fetched.ask(Range="bytes=1000-").status == 206
    assert fetched.ask(Range="bytes=0-2000").status == 206
    wait_until(lambda: len(fetched.steps("taken")) == before + 1)


def test_who_says_that_it_arrived_must_know_what(fetched):
    visitor = fetched.pole.visit(fetched.owner)
    wrong = visitor.post(f"{fetched.path}/taken", {"sha256": "0" * 64})
    assert (wrong.status, wrong.json["code"]) == (409, "EXPORT_FAILED")
    before = len(fetched.steps("taken"))
    said = visitor.post(f"{fetched.path}/taken", {"sha256": fetched.export["sha256"]})
    assert (said.status, said.json["state"]) == (200, "taken")
    assert len(fetched.steps("taken")) == before + 1


def test_a_bundle_that_is_not_as_it_was_made_is_not_given_out(fetched):
    path = fetched.pole.bundle_file(fetched.id)
    whole = path.read_bytes()
    with contextlib.ExitStack() as closing:
        closing.callback(path.write_bytes, whole)
        path.write_bytes(whole[:-1])
        answer = fetched.ask()
    assert (answer.status, answer.json["code"]) == (409, "EXPORT_FAILED")


@pytest.mark.apt("e2fsprogs")
@pytest.mark.usefixtures("as_root")
def test_a_disk_that_fails_midway_ends_the_answer_and_is_on_record(fetched, tmp_path):
    require_packages("e2fsprogs")
    path, before = fetched.pole.bundle_file(fetched.id), len(fetched.steps("untaken"))
    with small_disk(tmp_path) as disk, contextlib.ExitStack() as closing:
        shutil.copy(path, disk.point)
        subprocess.run(["mount", "--bind", disk.point, path.parent], check=True)
        closing.callback(unmount, path.parent, "--lazy")
        fetched.ask()
        # The second one waits for the bytes of the first to be paid for.
        with tls_to(fetched.pole, fetched.pole.context(fetched.owner)) as tls:
            tls.sendall(f"GET {fetched.path}/bundle HTTP/1.1\r\nHost: pole\r\n\r\n".encode())
            wait_until(lambda: is_opened(fetched.pole.retrieve.pid, path.name))
            disk.die()
            came = b"".join(iter(lambda: tls.recv(65536), b""))
    assert came.count(b"HTTP/1.1 ") <= 1
    assert b"UNEXPECTED" not in came
    (told,) = wait_until(lambda: fetched.steps("untaken")[before:])
    assert "disk ended at byte" in told["detail"]


def is_opened(pid, name):
    """Whether a process has a file of this name open."""
    opened = Path(f"/proc/{pid}/fd").iterdir()
    with contextlib.suppress(FileNotFoundError):
        return any(str(path.readlink()).endswith(name) for path in opened)
