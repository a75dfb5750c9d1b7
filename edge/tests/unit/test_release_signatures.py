"""Releases and bundles are what was signed, in our eyes and in openssl's."""

import subprocess

import pytest

from roeh.core.errors import ReleaseRefused
from roeh.keys.authority import from_today
from roeh.keys.certificates import (
    authority_name,
    certificate_pem,
    new_private_key,
    node_authority,
    root_authority,
)
from roeh.keys.release_signers import release_authority, release_signer_certificate
from roeh.release.archive import read_release
from roeh.release.carried import read_bundle
from roeh.release.sealing import Seal
from tests.releases import CHECK_BUNDLE, CLOCK, Maker


@pytest.fixture
def maker(tmp_path):
    return Maker(tmp_path)


def checked_by_openssl(bundle, believed):
    """What the shell script says before anything of a bundle is run; None when it is content."""
    done = subprocess.run(
        ["sh", str(CHECK_BUNDLE), str(bundle), str(believed)],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else done.stderr


def test_a_release_says_who_signed_it_and_that_it_was_for_trials(maker):
    release = read_release(maker.release("1.0.0"), maker.believed.read_bytes())
    assert (release.manifest.version, release.signer.is_trial) == ("1.0.0", True)


def test_a_bundle_is_good_in_both_eyes(maker):
    bundle = maker.bundle("1.0.0")
    assert read_bundle(bundle, maker.believed.read_bytes()).description.version == "1.0.0"
    assert checked_by_openssl(bundle, maker.believed) is None


def damage(bundle):
    (wheel,) = bundle.glob("wheels/psycopg-*.whl")
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"\xff")


def add(bundle):
    (bundle / "debs/more.deb").write_bytes(b"")


def remove(bundle):
    (bundle / "locks/pole.txt").unlink()


def link(bundle):
    (bundle / "wheels/linked.whl").symlink_to("/etc/passwd")


def link_directory(bundle):
    (bundle / "wheels/more").symlink_to("/tmp")


def list_more(bundle):
    sums = bundle / "SHA256SUMS"
    sums.write_bytes(sums.read_bytes() + b"0" * 64 + b"  more\n")


def unsign(bundle):
    (bundle / "SHA256SUMS.p7s").unlink()


@pytest.mark.parametrize("change", [damage, add, remove, link, link_directory, list_more, unsign])
def test_a_bundle_that_was_changed_is_refused_by_both(maker, change):
    bundle = maker.bundle("1.0.0")
    change(bundle)
    with pytest.raises(ReleaseRefused):
        read_bundle(bundle, maker.believed.read_bytes())
    assert checked_by_openssl(bundle, maker.believed)


def test_what_another_signed_is_refused_by_both(maker, tmp_path):
    (tmp_path / "other").mkdir()
    other = Maker(tmp_path / "other")
    bundle = maker.bundle("1.0.0")
    with pytest.raises(ReleaseRefused, match="no trust anchor"):
        read_bundle(bundle, other.believed.read_bytes())
    assert "not signed by whom" in checked_by_openssl(bundle, other.believed)


def sealed_under(maker, make_authority):
    """A seal of whoever a CA of the city's root certified for code signing."""
    validity = from_today(10, CLOCK)
    root = root_authority(authority_name("root"), new_private_key(), validity)
    authority = make_authority(authority_name("CA"), new_private_key(), root, validity)
    key = new_private_key()
    leaf = release_signer_certificate("somebody", key.public_key(), authority, validity)
    maker.seal = Seal(key, certificate_pem(leaf, authority.certificate))
    return root, authority


def test_another_ca_of_the_same_root_cannot_make_a_release_signer(maker):
    _, release_ca = sealed_under(maker, release_authority)
    maker.believed.write_bytes(certificate_pem(release_ca.certificate))
    assert checked_by_openssl(maker.bundle("1.0.0"), maker.believed) is None
    root, node_ca = sealed_under(maker, node_authority)
    bundle = maker.bundle("1.1.0")
    for anchor in (root, node_ca):
        maker.believed.write_bytes(certificate_pem(anchor.certificate))
        with pytest.raises(ReleaseRefused, match="is no release CA"):
            read_bundle(bundle, maker.believed.read_bytes())
        assert "is no release CA" in checked_by_openssl(bundle, maker.believed)


def test_a_release_that_was_changed_is_refused(maker):
    path = maker.release("1.0.0")
    changed = path.read_bytes().replace(b'print("roeh', b'print("rooh')
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(ReleaseRefused):
        read_release(path, maker.believed.read_bytes())


@pytest.mark.parametrize("size", [0, 1, 512, 5000])
def test_a_release_cut_short_is_refused(maker, size):
    path = maker.release("1.0.0")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ReleaseRefused):
        read_release(path, maker.believed.read_bytes())
