"""A release and what it says of itself; the wheels and packages that a bundle carries."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import jsonschema
import pytest
import referencing

from roeh.core.errors import ReleaseFailed
from roeh.release.archive import read_release
from roeh.release.contents import libraries_in, of_bundle, of_release
from roeh.release.debs import fetch_packages, package_path, packages_index, read_packages
from roeh.release.locks import FROM_DEBIAN, pins_for
from roeh.release.machines import ARCHITECTURES, SUITES
from roeh.release.make import CHECKOUT, LOCKS, make_release
from roeh.release.manifest import version_key
from roeh.release.sbom import SBOM_FILE, sbom_bytes
from roeh.release.wheels import CarriedWheel
from tests.apt import require_packages
from tests.releases import CLOCK, Maker, stub_wheel

SCHEMAS = Path(__file__).parents[1] / "schemas"
ARM, BOOKWORM = ARCHITECTURES["aarch64"], SUITES["bookworm"]


def valid(bill):
    """A bill of materials, held against the published schema."""
    resources = [
        (name, referencing.Resource.from_contents(json.loads((SCHEMAS / file).read_bytes())))
        for name, file in (
            ("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json", "cyclonedx-spdx.json"),
            (
                "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json",
                "cyclonedx-jsf-0.82.json",
            ),
        )
    ]
    schema = json.loads((SCHEMAS / "cyclonedx-1.6.json").read_bytes())
    registry = referencing.Registry().with_resources(resources)
    jsonschema.Draft7Validator(schema, registry=registry).validate(json.loads(bill))
    return json.loads(bill)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    maker = Maker(root)
    return maker, make_release(CHECKOUT, "7.8.9", root / "release", maker.seal, CLOCK)


def test_a_release_made_twice_holds_the_same_bytes(made):
    maker, path = made
    first = read_release(path, maker.believed.read_bytes())
    again = make_release(CHECKOUT, "7.8.9", path.parent / "again", maker.seal, CLOCK)
    assert read_release(again, maker.believed.read_bytes()).manifest == first.manifest
    assert path.read_bytes()[:512] == again.read_bytes()[:512]


def test_the_wheel_says_the_version_and_holds_the_models(made):
    maker, path = made
    release = read_release(path, maker.believed.read_bytes())
    wheel = path.parent / release.wheel_name
    wheel.write_bytes(release.contents[release.wheel_name])
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        assert b'__version__ = "7.8.9"' in opened.read("roeh/__init__.py")
    assert any(name.endswith(".tflite") for name in names)
    assert not any("tests" in name or "__pycache__" in name for name in names)


def test_a_release_lists_what_it_is_made_of(made):
    maker, path = made
    bill = valid(read_release(path, maker.believed.read_bytes()).contents[SBOM_FILE])
    named = {component["name"]: component for component in bill["components"]}
    assert named["numpy"]["licenses"][0]["expression"].startswith("BSD-3-Clause")
    assert named["python3-systemd"]["purl"].startswith("pkg:deb/debian/")
    assert any(one["type"] == "machine-learning-model" for one in bill["components"])


def test_every_locked_package_has_its_licence_in_the_bill():
    locks = {role: (CHECKOUT / "requirements" / lock).read_text() for role, lock in LOCKS.items()}
    python = [one for one in of_release(CHECKOUT, locks) if one.purl.startswith("pkg:pypi")]
    assert python
    assert [one.name for one in python if not one.licenses] == []


def test_a_wheels_own_libraries_stand_in_the_bill_of_its_bundle(tmp_path):
    inner = {"components": [{"name": "openssl", "version": "4.0.3"}]}
    modules = {
        "av.libs/libavcodec-5e6b81c2.so.62.28.102": "",
        "av.libs/libopenblasp-r0-59ffcd50.3.15.so": "",
        "av-1.dist-info/sboms/sbom.json": json.dumps(inner),
    }
    path = stub_wheel(tmp_path, "av", "1", modules)
    found = {(one.name, one.version) for one in libraries_in(path)}
    assert found == {("libavcodec", "62.28.102"), ("libopenblasp-r0", "3.15"), ("openssl", "4.0.3")}
    (pin,) = pins_for("av==1 \\\n    --hash=sha256:" + "0" * 64 + "\n", ARM, BOOKWORM)
    wheel = CarriedWheel(pin, path, hashlib.sha256(path.read_bytes()).hexdigest())
    valid(sbom_bytes("bundle", "1.0.0", 0, of_bundle([wheel], [], ARM, BOOKWORM)))


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_a_lock_is_read_for_the_machine_and_not_for_this_one(suite):
    pins = pins_for((CHECKOUT / "requirements/node.txt").read_text(), ARM, suite)
    names = [pin.name for pin in pins]
    assert len(names) == len(set(names))
    assert "colorama" not in names
    assert FROM_DEBIAN.isdisjoint(names)
    assert all(pin.sha256s for pin in pins)


def test_versions_are_ordered_by_number():
    assert version_key("0.10.0") > version_key("0.9.9")


@pytest.fixture
def archive(tmp_path):
    """An archive of Debian's kind with two packages, one needing the other; apt's sources of it."""
    require_packages("apt", "dpkg")
    pool = tmp_path / "archive"
    for name, needs in (("camera-tools", "camera-base (= 1:2.0-1)"), ("camera-base", "")):
        tree = tmp_path / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1:2.0-1\nArchitecture: arm64\nMaintainer: nobody <a@b>\n"
            + (f"Depends: {needs}\n" if needs else "")
            + "Description: nothing\n"
        )
        pool.mkdir(exist_ok=True)
        deb = pool / f"{name}_2.0-1_arm64.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(deb)],
            check=True,
            capture_output=True,
        )
    index = ""
    for deb in sorted(pool.glob("*.deb")):
        control = subprocess.run(
            ["dpkg-deb", "--field", str(deb)], check=True, capture_output=True, text=True
        ).stdout
        sha256 = hashlib.sha256(deb.read_bytes()).hexdigest()
        index += (
            f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {sha256}\n\n"
        )
    (pool / "Packages").write_text(index)
    return pool, f"Types: deb\nURIs: file:{pool}\nSuites: ./\nTrusted: yes\n"


def test_packages_come_with_what_they_need_and_a_damaged_one_is_fetched_again(archive, tmp_path):
    _, sources = archive
    cache = tmp_path / "cache"

    def fetched():
        return fetch_packages(["camera-tools"], ARM, BOOKWORM, cache, sources, renew=False)

    packages = fetched()
    assert [one.name for one in packages] == ["camera-base", "camera-tools"]
    paths = [package_path(cache, one, "aarch64", "bookworm") for one in packages]
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:-1])
    fetched()
    assert paths[0].read_bytes() == whole
    carried = tmp_path / "debs"
    carried.mkdir()
    for path in paths:
        shutil.copyfile(path, carried / path.name)
    (carried / "Packages").write_text(packages_index(packages))
    again = f"Types: deb\nURIs: file:{carried}\nSuites: ./\nTrusted: yes\n"
    found = fetch_packages(["camera-tools"], ARM, BOOKWORM, tmp_path / "2", again, renew=False)
    assert [one.sha256 for one in found] == [one.sha256 for one in packages]


def test_a_package_that_is_not_to_be_had_is_named(archive, tmp_path):
    _, sources = archive
    with pytest.raises(ReleaseFailed, match="no-such-camera"):
        fetch_packages(["no-such-camera"], ARM, BOOKWORM, tmp_path / "cache", sources, renew=False)


def test_a_list_of_packages_with_something_else_in_it_is_refused(tmp_path):
    path = tmp_path / "pole.txt"
    path.write_text("chrony # time\n\n--allow-downgrades\n")
    with pytest.raises(ReleaseFailed, match="not a package's name"):
        read_packages(path)
