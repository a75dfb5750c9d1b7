"""A disk with a believed order is answered with the bundle; any other disk is left as it is."""

import fcntl
import hashlib
import os
import pwd
import signal
import struct
import threading
from pathlib import Path

import pytest

from roeh.core.errors import ExportFailed, PeerRefused, RoehError
from roeh.core.paths import exports_dir
from roeh.core.peers import Role, Verb
from roeh.core.retrieval import BeginExport, PersonRole, SealedFile
from roeh.usb.copying import Source, copy_bundle
from roeh.usb.insertion import Insertion
from roeh.usb.mounting import mounted
from roeh.usb.order import ORDER_OFFSET_BYTES, Order
from roeh.usb.preparing import prepare_disk
from roeh.usb.reading import opened_disk, read_order
from roeh.usb.rights import keep_two_rights
from tests.people import PeopledCity
from tests.process.children import CLOCK, PATIENCE_S, kill, start
from tests.process.small_disk import FS_IOC_SHUTDOWN, WITHOUT_JOURNAL
from tests.retrieval_node import retrieval_node
from tests.usb_disks import MIB, PARTITION_BYTES, usb_disk
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("as_root")
STATUS = Path("/proc/self/status")
#: No chunk of it is like another.
BUNDLE = b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(5 * MIB // 32))


@pytest.fixture
def node(tmp_path):
    with retrieval_node(tmp_path) as node:
        node.believe()
        node.record(3)
        yield node


@pytest.fixture
def disk(tmp_path):
    with usb_disk(tmp_path) as disk:
        yield disk


class Insert:
    """`roeh usb insert` of a disk, as a process of its own, which may pause where it says so."""

    def __init__(self, node, disk, *, again=False, pause_at=None):
        self._said = node.directory / f"said-{node.ids.new()}"
        self._said.write_text("")
        self._go = self._said.with_suffix(".go")
        pause = (pause_at, self._go)
        self.process = start(_insert, node.evidence.config, disk.device, self._said, again, pause)

    def said(self):
        return self._said.read_text()

    def wait_for(self, text):
        wait_until(lambda: text in self.said() or not self.process.is_alive())
        assert text in self.said(), self.said()

    def go_on(self):
        self._go.touch()

    def ended(self):
        self.process.join(PATIENCE_S)
        assert self.process.exitcode is not None, self.said()
        return self.process.exitcode

    def files(self):
        """The root of the disk, which this process alone has: a mount in no tree."""
        opened = Path(f"/proc/{self.process.pid}/fd").iterdir()
        (root,) = (path for path in opened if str(path.readlink()) == "/")
        assert root.stat().st_dev != Path("/").stat().st_dev
        return root


def _insert(config, device, said, again, pause):
    pause_at, go = pause

    def say(text):
        with said.open("a") as file:
            file.write(f"{text}\n")
        if pause_at is not None and pause_at in text:
            wait_until(go.exists)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    insertion = Insertion(config, CLOCK, stop, say)
    try:
        insertion.run(Path(device), again=again)
    except RoehError as error:
        say(error.line())
        raise SystemExit(error.exit_status) from None
    finally:
        insertion.close()


def ordered(node, disk, *, approver=None, city=None, trust_list=b"", version=0):
    """A request and an approval, written onto the disk; what both are."""
    request = node.a_request()
    investigator = city.person(PersonRole.INVESTIGATOR, "100") if city else node.investigator
    order = Order(
        investigator.sign_request(request),
        (approver or node.approver).approve(request),
        trust_list,
        version,
    )
    prepare_disk(Path(disk.device), order)
    return request, order


def build(node, export_id):
    """What the builder does, with a bundle of the test's own."""
    node.begin(export_id)
    node.tell(export_id, [SealedFile("data/export.json", "00" * 32, 7)])
    node.seal(export_id)
    directory = exports_dir(node.evidence.config)
    directory.mkdir(exist_ok=True)
    (directory / f"{export_id}.age").write_bytes(BUNDLE)
    sha256 = hashlib.sha256(BUNDLE).hexdigest()
    node.note(export_id, "ready", size_bytes=len(BUNDLE), sha256=sha256)


def ready(node, disk):
    """An order whose bundle is there already; the name that it will have."""
    request, order = ordered(node, disk)
    node.ask_signed(order.request_p7m)
    node.approve(order.approval_p7m, Role.USB)
    build(node, request.id)
    return request.id, f"roeh-export-{request.id}.zip.age"


def steps(node):
    return [body.step for body in node.bodies("export")]


def test_an_approved_order_is_answered_with_the_bundle_and_only_once(node, disk):
    request, _ = ordered(node, disk)
    insert = Insert(node, disk)
    insert.wait_for("is approved")
    build(node, request.id)
    assert insert.ended() == 0, insert.said()
    with disk.mounted() as files:
        assert (files / f"roeh-export-{request.id}.zip.age").read_bytes() == BUNDLE
    assert node.exports(request.id)[0].state == "taken"
    assert steps(node)[-2:] == ["ready", "taken"]
    before = disk.sha256()
    later = Insert(node, disk)
    assert later.ended() == 0
    assert "was taken before" in later.said()
    assert disk.sha256() == before
    assert Insert(node, disk, again=True).ended() == 0
    assert steps(node)[-2:] == ["taken", "taken"]


def test_a_disk_without_an_order_is_left_as_it_is_and_nothing_is_said_of_it(node, disk):
    for content in (b"ROEH-USB-ORDEX\r\n", b""):
        disk.write(ORDER_OFFSET_BYTES, content.ljust(70_000, b"\0"))
        before, records = disk.sha256(), len(node.records())
        insert = Insert(node, disk)
        assert insert.ended() == 0
        assert "nothing was done" in insert.said()
        assert (disk.sha256(), len(node.records())) == (before, records)


def test_an_order_that_is_damaged_is_told_and_nothing_else(node, disk):
    ordered(node, disk)
    disk.write(ORDER_OFFSET_BYTES + 100, b"\xff\x00\xff")
    before, records = disk.sha256(), len(node.records())
    insert = Insert(node, disk)
    assert insert.ended() == 37
    assert "checksum" in insert.said()
    assert (disk.sha256(), len(node.records())) == (before, records)


def test_an_order_that_nobody_believes_changes_nothing_and_is_one_refusal(node, disk):
    elsewhere = PeopledCity("Elsewhere")
    strangers = {"city": elsewhere, "approver": elsewhere.person(PersonRole.APPROVER, "200")}
    no_approver = {"approver": node.city.person(PersonRole.AUDITOR, "300")}
    for refusals, (said, who) in enumerate(
        [("unknown_authority", strangers), ("not_an_approver", no_approver)], start=1
    ):
        ordered(node, disk, **who)
        before = disk.sha256()
        insert = Insert(node, disk)
        assert insert.ended() == 36
        assert said in insert.said()
        assert disk.sha256() == before
        assert len(node.bodies("access_refused")) == refusals


def test_a_newer_trust_list_on_the_disk_is_taken_and_an_older_one_not_offered(node, disk):
    for version in (7, 2):
        signed = node.city.trust_list(version=version, issued_us=node.now_us)
        request, _ = ordered(node, disk, trust_list=signed, version=version)
        insert = Insert(node, disk)
        insert.wait_for(f"{request.id} is approved")
        kill(insert.process)
    assert [body.version for body in node.bodies("trust_list")][-1] == 7
    assert not node.bodies("access_refused")


def killed(insert):
    kill(insert.process)


def stopped(insert):
    insert.process.terminate()
    insert.go_on()
    assert insert.ended() == 37, insert.said()


def pulled_out(insert):
    descriptor = os.open(insert.files(), os.O_RDONLY)
    fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_JOURNAL))
    os.close(descriptor)
    insert.go_on()
    assert insert.ended() == 37, insert.said()


def test_a_copy_that_ends_early_goes_on_when_the_disk_is_put_in_again(node, disk):
    export_id, name = ready(node, disk)
    for ends in (killed, stopped, pulled_out):
        insert = Insert(node, disk, pause_at="40 % on the disk")
        insert.wait_for("40 %")
        assert [path.name for path in insert.files().glob("*.age*")] == [f"{name}.part"]
        ends(insert)
        wait_until(lambda: not _is_looped(disk))
        assert node.exports(export_id)[0].state == "ready"
        assert (steps(node)[-1] == "untaken") == (ends is not killed)
    with disk.mounted() as files:
        assert not (files / name).exists()
        # What lies there is compared, not believed.
        with (files / f"{name}.part").open("ab") as part:
            part.write(b"\0" * 100)
    assert Insert(node, disk).ended() == 0
    with disk.mounted() as files:
        assert (files / name).read_bytes() == BUNDLE
    assert disk.names() == [name]
    taken = node.bodies("export")[-1]
    assert taken.step == "taken"
    assert "from a copy before" in taken.detail


def test_what_lies_there_under_the_name_is_a_part_until_it_was_compared(node, disk):
    _, name = ready(node, disk)
    with disk.mounted() as files:
        (files / name).write_bytes(BUNDLE[: 2 * MIB] + b"no more of it")
    insert = Insert(node, disk, pause_at="60 % on the disk")
    insert.wait_for("60 %")
    assert [path.name for path in insert.files().glob("*.age*")] == [f"{name}.part"]
    insert.go_on()
    assert insert.ended() == 0, insert.said()
    with disk.mounted() as files:
        assert (files / name).read_bytes() == BUNDLE


def test_a_file_system_cannot_bring_the_pole_down(node, disk):
    ready(node, disk)
    disk.ask_for_panic_on_errors()
    insert = Insert(node, disk, pause_at="40 % on the disk")
    insert.wait_for("40 %")
    root = insert.files()
    closed = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC
    assert os.statvfs(root).f_flag & closed == closed
    loop = Path(f"/sys/dev/block/{os.major(root.stat().st_dev)}:{os.minor(root.stat().st_dev)}")
    options = Path(f"/proc/fs/ext4/{loop.resolve().name}/options").read_text().splitlines()
    assert "errors=remount-ro" in options
    insert.go_on()
    assert insert.ended() == 0, insert.said()


def test_no_other_disk_gets_the_name_of_one_that_is_being_answered(node, disk):
    """It stays open from before it is read for the last time until the copy is over."""
    ready(node, disk)
    insert = Insert(node, disk, pause_at="40 % on the disk")
    insert.wait_for("40 %")
    opened = Path(f"/proc/{insert.process.pid}/fd").iterdir()
    assert disk.device in [str(path.readlink()) for path in opened]
    insert.go_on()
    assert insert.ended() == 0, insert.said()


def _answer_as_a_user(device, bundle, said):
    """What `roeh usb insert` does around a bundle, and what it could do beside it."""
    keep_two_rights("daemon")
    with opened_disk(device) as disk:
        found = read_order(disk)
        copied = Source(bundle, len(BUNDLE), hashlib.sha256(BUNDLE).hexdigest(), "bundle")
        with mounted(device, found.partition) as directory:
            copy_bundle(copied, directory, lambda _place_bytes: None)
    rights = dict(line.split(":\t") for line in STATUS.read_text().splitlines())
    said.write_text(f"{os.getuid()} {rights['CapPrm']} {rights['CapAmb']} {rights['NoNewPrivs']}")


def test_a_disk_is_answered_without_root_with_two_rights_that_its_reader_has_not(
    node, disk, tmp_path
):
    """The reader refuses to look at anything as long as it has rights. (CAP_SYS_ADMIN is bit 21,
    CAP_DAC_OVERRIDE bit 1.)"""
    ordered(node, disk)
    bundle, said = tmp_path / "bundle", tmp_path / "said"
    bundle.write_bytes(BUNDLE)
    bundle.chmod(0o600)
    said.touch()
    process = start(_answer_as_a_user, Path(disk.device), bundle, said)
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    daemon = pwd.getpwnam("daemon").pw_uid
    assert said.read_text() == f"{daemon} {1 << 21 | 1 << 1:016x} {0:016x} 1"
    with disk.mounted() as files:
        assert (files / "bundle").read_bytes() == BUNDLE


def test_a_disk_without_a_file_system_is_told(node, disk):
    ready(node, disk)
    disk.write(PARTITION_BYTES, b"\0" * 65_536)
    insert = Insert(node, disk)
    assert insert.ended() == 37
    assert "none of ext4, exfat, vfat" in insert.said()
    assert steps(node)[-1] == "untaken"


def test_a_full_disk_ends_the_copy_cleanly_and_is_on_record(node, tmp_path):
    with usb_disk(tmp_path, size_mib=8) as disk:
        export_id, name = ready(node, disk)
        insert = Insert(node, disk)
        assert insert.ended() == 37
        assert "no room" in insert.said()
        assert node.exports(export_id)[0].state == "ready"
        assert steps(node)[-1] == "untaken"
        assert name not in disk.names()


def test_a_bundle_that_is_not_what_was_made_is_not_handed_out(node, disk):
    export_id, name = ready(node, disk)
    spooled = exports_dir(node.evidence.config) / f"{export_id}.age"
    spooled.write_bytes(BUNDLE[:-1] + b"\0")
    insert = Insert(node, disk)
    assert insert.ended() == 37
    assert "not what was made" in insert.said()
    assert name not in disk.names()


def test_whoever_answers_disks_may_build_nothing(node):
    with pytest.raises(PeerRefused):
        node.call(Verb.EXPORT_BEGIN, BeginExport(node.ids.new()), Role.USB)


def test_an_order_is_not_written_onto_a_disk_in_use_or_where_something_else_stands(node, disk):
    # As the kernel does when it, or a partition of it, is mounted.
    in_use = os.open(disk.device, os.O_RDONLY | os.O_EXCL)
    with pytest.raises(ExportFailed, match="busy"):
        ordered(node, disk)
    os.close(in_use)
    disk.write(ORDER_OFFSET_BYTES + 2 * MIB, b"grub")
    before = disk.sha256()
    with pytest.raises(ExportFailed, match="something stands"):
        ordered(node, disk)
    assert disk.sha256() == before


def _is_looped(disk):
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    return any(path.read_text().strip() == disk.device for path in backing if path.exists())
