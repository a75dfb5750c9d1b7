"""What `make camera-vm` does outside its machine: keys, mirrors, the report, the comparison."""

import inspect

import pytest
from camera_vm.guest.signatures import differences
from camera_vm.recipe import HERE, INGREDIENTS
from camera_vm.report import Check, Outcome, Took, check_in, closing_lines, is_good, line_of
from qemu_machine.disks import only_one
from qemu_machine.recipe import key_of, package_names
from qemu_machine.troubles import MachineFailed

from roeh.core.errors import ReleaseFailed
from roeh.release.mirror import debian_sources
from roeh.sources.picamera2.binding import USED
from tests.picamera2_stand_in import named

OK = Check("test_streams", Outcome.OK, 3.25, "Both streams come.")
FAILED = Check("test_gap", Outcome.FAILED, 12.0, "A gap is signed.")


def test_the_disk_s_key_follows_every_ingredient_and_nothing_else(tmp_path):
    assert all(path.is_file() for path in INGREDIENTS)
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("ab")
    second.write_text("c")
    key = key_of((first, second), "QEMU 7.2")
    assert key == key_of((first, second), "QEMU 7.2")
    assert key != key_of((first, second), "QEMU 8.0")
    assert key != key_of((second, first), "QEMU 7.2")
    first.write_text("a")
    second.write_text("bc")
    assert key != key_of((first, second), "QEMU 7.2")


def test_package_lists_hold_names_alone():
    guest = package_names(HERE / "guest_packages.txt")
    assert {"linux-image-amd64", "python3-libcamera", "python3-venv"} < set(guest)
    for name in (*guest, *package_names(HERE / "host_packages.txt")):
        assert name.strip() == name
        assert " " not in name


def etc_with(tmp_path, **files):
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text("NAME=Debian\nVERSION_CODENAME=bookworm\n")
    for name, text in files.items():
        (tmp_path / "apt/sources.list.d" / name.replace("_", ".")).write_text(text)
    return tmp_path


def test_the_guest_comes_from_the_mirrors_that_this_machine_has(tmp_path):
    etc = etc_with(
        tmp_path,
        debian_sources="Types: deb\nURIs: http://mirror.example/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: main\n\n"
        "Types: deb deb-src\nURIs: http://mirror.example/security\n"
        "Suites: bookworm-security\nComponents: main\n",
        other_list="deb [arch=amd64] https://other.example/apt stable main\n"
        "deb http://third.example/debian bookworm main\n",
        off_sources="Types: deb\nEnabled: no\nURIs: http://off.example\nSuites: bookworm\n",
    )
    text = debian_sources("trixie", etc)
    assert "http://mirror.example/debian\nSuites: trixie trixie-updates\n" in text
    assert "http://mirror.example/security\nSuites: trixie-security\n" in text
    assert "http://third.example/debian\nSuites: trixie\n" in text
    assert "other.example" not in text
    assert "off.example" not in text


def test_a_machine_without_debian_s_mirrors_is_told(tmp_path):
    with pytest.raises(ReleaseFailed, match="no mirror of Debian bookworm"):
        debian_sources("trixie", etc_with(tmp_path))


def test_checks_are_read_from_what_the_machine_says():
    assert check_in("CHECK\tok\t3.25\ttest_streams\tBoth streams come.\n") == OK
    for other in ("", "CHECK", "CHECK\tok\tsoon\ta\tb", "CHECK\tgood\t1\ta\tb", "[1.0] INFO CHECK"):
        assert check_in(other) is None
    assert line_of(OK) == "OK      3.2 s  Both streams come."
    assert line_of(FAILED).startswith("FAIL   12.0 s  ")


def test_only_what_was_shown_is_good():
    skipped = Check("test_gpio", Outcome.SKIPPED, 0.0, "GPIO")
    assert is_good([OK, OK], 0)
    assert not is_good([OK, FAILED], 1)
    assert not is_good([OK, skipped], 0)
    assert not is_good([], 0)
    # Cut off in the middle: what came until then was good.
    assert not is_good([OK], 255)
    lines = closing_lines([OK, FAILED], [Took("start from the snapshot", 2.5)], good=False)
    assert lines[-1] == "camera-vm: FAIL (1 ok, 1 failed)"
    assert any("start from the snapshot" in line and "2.5 s" in line for line in lines)


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path):
    with (
        only_one(tmp_path, "make camera-vm"),
        pytest.raises(MachineFailed, match=r"another `make camera-vm` is running \(process \d+\)"),
        only_one(tmp_path, "make camera-vm"),
    ):
        pytest.fail("both ran")
    with only_one(tmp_path, "make camera-vm"):
        pass


def test_the_stand_in_has_every_used_name():
    assert USED
    assert differences(USED, named, named) == []


def test_a_stand_in_unlike_the_real_one_is_found():
    def honest(self, camera_num=0, *, wait=None):
        raise NotImplementedError

    def with_parameters(*parameters):
        def stand_in():
            raise NotImplementedError

        stand_in.__signature__ = inspect.Signature(parameters)
        return stand_in

    face = list(inspect.signature(honest).parameters.values())

    def found(stand_in):
        return differences(["X.y"], lambda _: honest, lambda _: stand_in)

    assert found(with_parameters(*face)) == []
    annotated = face[1].replace(annotation=int)
    assert found(with_parameters(face[0], annotated, face[2])) == []
    assert "2 in the stand-in" in found(with_parameters(*face[:2]))[0]
    assert "another" in found(with_parameters(face[0], face[1].replace(name="another"), face[2]))[0]
    assert found(with_parameters(face[0], face[1].replace(default=1), face[2]))
    assert found(
        with_parameters(*face[:2], face[2].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD))
    )
    assert found(property(honest)) == [
        "X.y: callable in the real package, property in the stand-in"
    ]
    assert found(3) == ["X.y: callable in the real package, value in the stand-in"]


def test_a_name_that_either_lacks_is_found():
    def lacks(name):
        raise AttributeError(name)

    assert differences(["X"], lambda _: 1, lacks) == ["X: the stand-in has none"]
    assert differences(["X"], lacks, lambda _: 1) == ["X: the real package has none"]
    assert differences(["X"], lambda _: 1, lambda _: 2) == ["X: 1, and 2 in the stand-in"]
