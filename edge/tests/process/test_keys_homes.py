"""Wherever a key is at home, it signs the same, and only when it is surely the right one."""

import concurrent.futures
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from roeh.core.config import config_as_toml
from roeh.core.errors import KeyRefused
from roeh.keys.chain import SigningTime, judge_chain, trust_anchors
from roeh.keys.key_pem import parse_entry
from roeh.keys.open import key_sets, node_name, open_signers
from roeh.keys.signer import KeyUsage
from roeh.keys.tls_files import tls_pair
from tests.ceremonies import CLOCK, KeyKeeper, pole_of, provision
from tests.key_nodes import node_with_keys
from tests.process.software_tpm import software_tpm

HOMES = ("file", "credential", "tpm")
SIGNED = (KeyUsage.MEDIA, KeyUsage.LOG, KeyUsage.MANIFEST)


class Node:
    """A node of one home, with what stands in for systemd's credentials directory."""

    def __init__(self, config, credentials):
        self.config = config
        self.credentials = credentials

    @property
    def set_path(self):
        sets = key_sets(self.config)
        return sets.path(sets.newest())

    @property
    def kept(self):
        """Where the files lie that the home reads."""
        return self.credentials if self.config.keys.home == "credential" else self.set_path

    def give_credentials(self):
        """As systemd does when it starts the unit."""
        shutil.rmtree(self.credentials, ignore_errors=True)
        self.credentials.mkdir(mode=0o500)
        for usage in KeyUsage:
            path = self.credentials / f"{usage.value}.pem"
            shutil.copy(self.set_path / path.name, path)
            path.chmod(0o400)

    def open(self):
        if self.config.keys.home == "credential":
            self.give_credentials()
        return open_signers(self.config, CLOCK)


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    with software_tpm(tmp_path_factory.mktemp("tpm")) as started:
        yield started


@pytest.fixture
def keeper(tmp_path):
    return KeyKeeper(tmp_path)


@pytest.fixture(params=HOMES)
def node(request, tmp_path, monkeypatch):
    credentials = tmp_path / "credentials"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    tcti = request.getfixturevalue("tpm").tcti if request.param == "tpm" else "none"
    config = node_with_keys(tmp_path / "node", home=request.param, tpm_tcti=tcti)
    return Node(config, credentials)


def signers_of(signers):
    return {signer.usage: signer for signer in (signers.media, signers.log, signers.manifest)}


def is_signature(signer, message, signature):
    load_der_public_key(signer.spki_der).verify(signature, message, ec.ECDSA(hashes.SHA256()))
    return True


def test_a_provisioned_node_signs_and_its_city_vouches_for_it(node, keeper):
    provision(node.config, keeper)

    signers = node.open()

    assert signers.is_provisioned
    assert set(signers_of(signers)) == set(SIGNED)
    for usage, signer in signers_of(signers).items():
        assert signer.home == node.config.keys.home
        assert is_signature(signer, b"GOP", signer.sign(b"GOP"))
        verdict = judge_chain(
            signer.chain_pem,
            usage,
            anchors=trust_anchors(keeper.anchors_pem),
            signed=SigningTime(CLOCK.read().t_utc_ns // 1000),
            node=node_name(node.config),
        )
        assert verdict.is_trusted, verdict.reason
        assert verdict.spki_der == signer.spki_der


def test_the_key_for_tls_is_a_file_that_python_can_use_whatever_the_home(node, keeper):
    pole = provision(node.config, keeper)

    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*tls_pair(node.config))

    pole.install(keeper.sign(pole.request([KeyUsage.TLS])))
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*tls_pair(node.config))


def test_many_threads_may_sign_with_all_keys_at_once(node, keeper):
    provision(node.config, keeper)
    signers = list(signers_of(node.open()).values()) * 4

    with concurrent.futures.ThreadPoolExecutor(len(signers)) as threads:
        signatures = list(threads.map(lambda signer: signer.sign(b"GOP"), signers))

    assert all(map(is_signature, signers, [b"GOP"] * len(signers), signatures))


def test_another_key_s_certificate_is_refused(node, keeper):
    provision(node.config, keeper)
    node.open()
    media, other = node.kept / "media.pem", node.set_path.parent / "other.pem"
    # Media's certificate of another, equally named node, before media's own key.
    stranger = node_with_keys(node.set_path.parent / "stranger")
    provision(stranger, keeper)
    theirs = key_sets(stranger).path(1) / "media.pem"
    own_key = media.read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    their_chain = (
        b"-----BEGIN CERTIFICATE" + theirs.read_bytes().partition(b"-----BEGIN CERTIFICATE")[2]
    )
    other.write_bytes(own_key + their_chain)
    other.chmod(0o400)
    node.kept.chmod(0o700)
    other.replace(media)

    with pytest.raises(KeyRefused, match="do not belong together"):
        open_signers(node.config, CLOCK)


def test_without_its_keys_no_home_but_the_file_makes_any(node):
    if node.config.keys.home == "file":
        assert not node.open().is_provisioned
        return
    with pytest.raises(KeyRefused):
        open_signers(node.config, CLOCK)
    assert not Path(node.config.paths.data_dir).exists()


def test_keys_that_anyone_may_read_are_refused(node, keeper):
    provision(node.config, keeper)
    node.open()
    (node.kept / "media.pem").chmod(0o644)

    with pytest.raises(KeyRefused, match="others may read"):
        open_signers(node.config, CLOCK)


def test_a_new_key_waits_beside_the_old_and_takes_over_when_it_is_installed(node, keeper):
    pole = provision(node.config, keeper)
    before = node.open()

    requests = pole.request([KeyUsage.MEDIA])
    assert node.open().media.spki_der == before.media.spki_der
    assert pole.install(keeper.sign(requests)) == [KeyUsage.MEDIA]

    after = node.open()
    assert after.media.spki_der != before.media.spki_der
    assert after.log.chain_pem == before.log.chain_pem
    assert is_signature(after.media, b"GOP", after.media.sign(b"GOP"))
    kept = node.set_path.parent / "old" / "set-0001-media.pem"
    assert kept.read_bytes() == before.media.chain_pem


def test_a_key_in_a_tpm_survives_the_tpm_s_restart_and_leaves_nothing_to_copy(tmp_path, keeper):
    with software_tpm(tmp_path) as tpm:
        config = node_with_keys(tmp_path / "node", home="tpm", tpm_tcti=tpm.tcti)
        provision(config, keeper)
        media = open_signers(config, CLOCK).media
        signing = [path for path in (tmp_path / "node").rglob("*.pem") if path.name != "tls.pem"]
        for path in signing:
            assert b"BEGIN PRIVATE KEY" not in path.read_bytes()

        tpm.stop()
        with pytest.raises(KeyRefused, match="refuses"):
            media.sign(b"GOP")
        tpm.start()

        assert is_signature(media, b"GOP", media.sign(b"GOP"))


def test_a_key_of_another_tpm_is_refused(tmp_path, keeper, tpm):
    with software_tpm(tmp_path) as other:
        config = node_with_keys(tmp_path / "node", home="tpm", tpm_tcti=other.tcti)
        provision(config, keeper)

    moved = node_with_keys(tmp_path / "node", home="tpm", tpm_tcti=tpm.tcti)

    with pytest.raises(KeyRefused, match="refuses") as refused:
        open_signers(moved, CLOCK)
    assert "\n" not in refused.value.line()


def test_no_tpm_is_said_in_one_line(tmp_path, keeper, tpm):
    config = node_with_keys(tmp_path / "node", home="tpm", tpm_tcti=tpm.tcti)
    provision(config, keeper)
    absent = node_with_keys(tmp_path / "node", home="tpm", tpm_tcti=f"device:{tmp_path / 'absent'}")

    with pytest.raises(KeyRefused) as refused:
        open_signers(absent, CLOCK)
    assert "absent" in refused.value.line()


def test_keys_of_another_home_are_named_as_such(tmp_path, keeper, tpm):
    config = node_with_keys(tmp_path / "node", home="file")
    provision(config, keeper)

    with pytest.raises(KeyRefused, match="not wrapped by a TPM"):
        open_signers(node_with_keys(tmp_path / "node", home="tpm", tpm_tcti=tpm.tcti), CLOCK)


SIGN_ONCE = """
import sys
from pathlib import Path
from roeh.core.clock import SystemClock
from roeh.core.config import load_config
from roeh.keys.open import open_signers
signer = open_signers(load_config(Path(sys.argv[1])), SystemClock()).media
sys.stdout.write(signer.home + " " + signer.sign(b"GOP").hex())
"""


def test_a_unit_signs_with_the_credentials_it_was_started_with(tmp_path, keeper):
    """In a unit of systemd where it runs; elsewhere with a directory like the one it makes."""
    config = node_with_keys(tmp_path / "node", home="credential")
    pole_of(config).install(keeper.sign(pole_of(config).request(KeyUsage)))
    node = Node(config, tmp_path / "credentials")
    node.give_credentials()
    (tmp_path / "node.toml").write_text(config_as_toml(config))
    command = [sys.executable, "-c", SIGN_ONCE, str(tmp_path / "node.toml")]
    environment = os.environ | {"CREDENTIALS_DIRECTORY": str(node.credentials)}
    if Path("/run/systemd/system").is_dir() and os.geteuid() == 0:
        loaded = [
            f"--property=LoadCredential={usage.value}.pem:{node.set_path}/{usage.value}.pem"
            for usage in KeyUsage
        ]
        unit = ["systemd-run", "--pipe", "--wait", "--quiet", "--collect", *loaded]
        command = [*unit, f"--setenv=PYTHONPATH={os.pathsep.join(sys.path)}", *command]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    home, signature = done.stdout.split()
    assert home == "credential"
    certificates = (node.set_path / "media.pem").read_bytes()
    public_key = parse_entry(certificates, KeyUsage.MEDIA, "media.pem").public_key
    public_key.verify(bytes.fromhex(signature), b"GOP", ec.ECDSA(hashes.SHA256()))
