"""Building that is interrupted goes on or fails cleanly; custody tells of it."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from roeh.core.errors import ExportFailed
from roeh.core.paths import exports_dir
from roeh.core.peers import Verb
from roeh.retrieve.exports.builder import BuildLater
from roeh.retrieve.exports.building import MAX_ATTEMPTS, ExportBuilding
from tests.apt import require_packages
from tests.built_exports import OpenedBundle, approved, build, bundle_path, step, with_access
from tests.process.children import CLOCK, start
from tests.process.dying_builders import build_and_die
from tests.process.small_disk import small_disk
from tests.retrieval_node import retrieval_node
from tests.waiting import wait_until

SECONDS = 4
#: No builder of this program does anything: what the parent does by itself is seen.
NO_BUILDER = "/bin/false"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with retrieval_node(tmp_path_factory.mktemp("node")) as node:
        node.believe()
        node.record(2 * SECONDS)
        yield node


def spooled(node):
    return {path.name.split(".")[1] for path in exports_dir(node.evidence.config).iterdir()}


def steps_of(node, export_id):
    return [one.step for one in node.bodies("export") if one.export_id == export_id]


def builders():
    """Children of this process that build, whichever thread started them."""
    named = Path("/proc/self/task").glob("*/children")
    children = [pid for path in named for pid in path.read_text().split()]
    return [
        int(pid)
        for pid in children
        if b"roeh.retrieve.exports.builder" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def killed(node, export_id, verb, step="", *, is_answered=False):
    config = with_access(node.evidence.config)
    process = start(build_and_die, config, export_id, verb, step, is_answered)
    process.join(20)
    assert process.exitcode == -9


@pytest.mark.parametrize(
    ("verb", "is_answered"),
    [
        (Verb.EXPORT_BEGIN, True),
        (Verb.RECORDS_PAGE, False),
        (Verb.EXPORT_PROOFS, True),
        (Verb.EXPORT_FILES, True),
        (Verb.EXPORT_SEAL, False),
        (Verb.EXPORT_SEAL, True),
    ],
    ids=lambda value: getattr(value, "value", "answered" if value else "asked"),
)
def test_a_builder_that_was_killed_leaves_nothing_and_is_begun_again(node, verb, is_answered):
    export_id = approved(node, 2).id
    killed(node, export_id, verb, is_answered=is_answered)
    assert not bundle_path(node, export_id).exists()
    step(node, NO_BUILDER)
    assert not list(exports_dir(node.evidence.config).glob(f"{export_id}.*"))
    assert "interrupted" in steps_of(node, export_id)
    bundle = build(node, export_id)
    assert node.exports(export_id)[0].sha256 == bundle.sha256
    assert OpenedBundle(node, export_id).document.damage == ()
    told = steps_of(node, export_id)
    assert told.count("begun") == 2
    assert told[-2:] == ["sealed", "ready"]


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_whole_bundle_that_was_not_told_is_told_at_the_next_start(node, is_answered):
    export_id = approved(node, 1).id
    killed(node, export_id, Verb.EXPORT_NOTE, "ready", is_answered=is_answered)
    written = bundle_path(node, export_id).read_bytes()
    step(node, NO_BUILDER)
    assert bundle_path(node, export_id).read_bytes() == written
    row = node.exports(export_id)[0]
    assert (row.state, row.size_bytes) == ("ready", len(written))
    assert steps_of(node, export_id) == ["begun", "sealed", "ready"]


def test_a_bundle_that_cannot_be_read_again_holds_up_no_other(node):
    export_id, other_id = approved(node, 1).id, approved(node, 1).id
    killed(node, export_id, Verb.EXPORT_NOTE, "ready")
    path = bundle_path(node, export_id)
    build(node, other_id)
    bundle_path(node, other_id).unlink()
    path.unlink()
    path.mkdir()
    with pytest.raises(ExportFailed, match="Is a directory"):
        step(node, NO_BUILDER)
    # What was to be done for it was done.
    assert node.exports(other_id)[0].state == "expired"
    path.rmdir()
    step(node, NO_BUILDER)
    build(node, export_id)
    assert "interrupted" in steps_of(node, export_id)


def test_a_builder_that_only_ever_ends_is_given_up(node):
    export_id = approved(node, 1).id
    step(node, NO_BUILDER, times=MAX_ATTEMPTS)
    assert node.exports(export_id)[0].state == "approved"
    step(node, NO_BUILDER, times=MAX_ATTEMPTS + 1)
    failed = node.exports(export_id)[0]
    assert failed.state == "failed"
    assert str(MAX_ATTEMPTS) in failed.detail
    assert steps_of(node, export_id) == ["failed"]


def test_the_last_words_of_a_builder_are_in_the_journal(node, tmp_path, caplog):
    program = tmp_path / "builder"
    program.write_text(
        "#!/bin/sh\ncat > /dev/null\nprintf 'at first\\nlast words\\n' >&2\nexit 3\n"
    )
    program.chmod(0o755)
    export_id = approved(node, 1).id
    step(node, str(program))
    assert f"{export_id}: its builder ended with 3: last words" in caplog.text
    assert "at first" not in caplog.text
    build(node, export_id)


def test_a_pole_that_stops_takes_its_builder_with_it(node):
    # A bundle that takes a minute at this rate.
    export_id = approved(node, SECONDS).id
    config = with_access(node.evidence.config, build_bps=1_000_000)
    with contextlib.closing(ExportBuilding(config, CLOCK)) as building:
        building.start()
        part = exports_dir(config) / f"{export_id}.part"
        wait_until(part.exists)
        (builder,) = builders()
        # Last in the queue for CPU, and for the disk.
        assert os.getpriority(os.PRIO_PROCESS, builder) == 10
        said = subprocess.run(["ionice", "-p", str(builder)], capture_output=True, check=True)
        assert said.stdout == b"idle\n"
    assert not builders()
    assert not part.exists()
    build(node, export_id)
    assert steps_of(node, export_id).count("ready") == 1


def test_a_bundle_ends_after_its_days_and_its_file_with_it(node):
    export_id = approved(node, 1).id
    build(node, export_id)
    step(node, keep_days=1.0)
    assert bundle_path(node, export_id).exists()
    since = exports_dir(node.evidence.config) / f"{export_id}.since"
    since.write_text(f"{int(since.read_text()) - 86_400_000_000}\n")
    step(node, keep_days=1.0)
    assert not bundle_path(node, export_id).exists()
    assert not since.exists()
    assert node.exports(export_id)[0].state == "expired"


def test_a_bundle_whose_file_somebody_removed_is_expired_and_says_so(node):
    export_id = approved(node, 1).id
    build(node, export_id)
    bundle_path(node, export_id).unlink()
    step(node)
    row = node.exports(export_id)[0]
    assert row.state == "expired"
    assert "not there" in row.detail


@pytest.mark.apt("e2fsprogs")
@pytest.mark.parametrize("verb", [Verb.RECORDS_PAGE, Verb.EXPORT_SEAL])
def test_a_disk_that_is_full_midway_fails_the_export_and_leaves_nothing(node, tmp_path, verb):
    require_packages("e2fsprogs")
    with small_disk(tmp_path) as disk:
        export_id = approved(node, SECONDS).id
        spool = disk.point / "exports"
        with pytest.raises(ExportFailed) as failed:
            build(node, export_id, before=(verb, disk.fill), exports_dir=str(spool))
        assert "no room" in failed.value.what
        assert list(spool.iterdir()) == []
    row = node.exports(export_id)[0]
    assert (row.state, steps_of(node, export_id)[-1]) == ("failed", "failed")
    build(node, approved(node, 1).id)  # and the next one is built


def test_a_segment_that_is_pruned_meanwhile_is_told(node):
    export_id = approved(node, 3).id
    path = node.directory / "data/segments/north/00000003.mp4"
    content = path.read_bytes()
    gone = (Verb.RECORDS_PAGE, lambda: path.unlink(missing_ok=True))
    build(node, export_id, before=gone)
    path.write_bytes(content)
    states = [entry.state for entry in OpenedBundle(node, export_id).segments]
    assert states == ["intact", "intact", "missing", "intact"]


def test_evidence_that_goes_away_meanwhile_is_waited_for(node):
    export_id = approved(node, 2).id
    node.evidence.kill()
    with pytest.raises(BuildLater):
        build(node, export_id)
    node.evidence.start()
    build(node, export_id)
    assert node.exports(export_id)[0].state == "ready"
    assert "part" not in spooled(node)
