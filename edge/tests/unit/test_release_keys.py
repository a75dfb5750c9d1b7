"""Who signs releases: made by the city's ceremony, and nobody else can."""

import subprocess

import pytest

from roeh.cli import main
from roeh.core.clock import SystemClock
from roeh.core.errors import KeyRefused
from roeh.release.archive import read_release
from roeh.release.sealing import open_seal
from roeh.release.signatures import check_signature
from tests.releases import CHECK_BUNDLE, CLOCK, Maker


def nobody(_path):
    raise AssertionError("no passphrase is asked for a plain key")


@pytest.fixture
def ceremony(tmp_path):
    def keys(*arguments):
        return main(["keys", *map(str, arguments)])

    root, authority, signer = tmp_path / "root", tmp_path / "releases", tmp_path / "signer.pem"
    assert keys("root", root, "--plain") == 0
    assert keys("release-ca", authority, "--root", root, "--plain") == 0
    assert keys("releaser", signer, "--ca", authority, "--name", "A city", "--plain") == 0
    return keys, root, authority, signer


def test_a_release_of_the_citys_signer_is_believed_by_its_release_ca(ceremony, tmp_path):
    _, _, authority, signer = ceremony
    (tmp_path / "maker").mkdir()
    maker = Maker(tmp_path / "maker", SystemClock())
    maker.seal = open_seal(signer, nobody)
    believed = authority / "ca.pem"
    release = read_release(maker.release("1.0.0"), believed.read_bytes())
    assert (release.signer.name, release.signer.is_trial) == ("A city", False)
    subprocess.run(["sh", CHECK_BUNDLE, maker.bundle("1.1.0"), believed], check=True)


def test_a_revoked_signer_is_not_believed_where_the_list_is(ceremony, tmp_path, capsys):
    keys, _, authority, signer = ceremony
    (tmp_path / "maker").mkdir()
    maker = Maker(tmp_path / "maker", SystemClock())
    maker.seal = open_seal(signer, nobody)
    bundle = maker.bundle("1.0.0")
    (issued,) = (authority / "issued").iterdir()
    assert keys("revoke", issued.stem, "--ca", authority, "--reason", "key-compromise") == 0
    believed = tmp_path / "release-ca.pem"
    certificate, revoked = (authority / "ca.pem").read_bytes(), (authority / "revoked.pem")
    believed.write_bytes(certificate + revoked.read_bytes())
    with pytest.raises(Exception, match="was revoked"):
        read_release(bundle / "roeh-1.0.0.tar", believed.read_bytes())
    done = subprocess.run(
        ["sh", CHECK_BUNDLE, bundle, believed], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "revoked" in done.stderr) == (1, True)


def test_only_a_release_ca_makes_signers_and_no_key_is_written_over(ceremony, tmp_path, capsys):
    keys, root, authority, signer = ceremony
    assert keys("ca", tmp_path / "nodes", "--root", root, "--plain") == 0
    capsys.readouterr()
    for arguments, said in (
        ((tmp_path / "new.pem", "--ca", tmp_path / "nodes"), "a node CA makes nobody a signer"),
        ((signer, "--ca", authority), "is there already"),
    ):
        status = keys("releaser", *arguments, "--name", "x", "--plain")
        assert status == KeyRefused.exit_status
        assert said in capsys.readouterr().err


def test_a_signature_is_for_its_content_alone(tmp_path):
    maker = Maker(tmp_path)
    believed = maker.believed.read_bytes()
    signature = maker.seal.signature(b"one", CLOCK)
    assert check_signature(b"one", signature, believed, "x").is_trial
    with pytest.raises(Exception, match="the digest differs"):
        check_signature(b"two", signature, believed, "x")
