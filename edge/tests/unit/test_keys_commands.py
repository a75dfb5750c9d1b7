"""`roeh keys`: the ceremony, from an offline root to a pole in force, and again after a fault."""

import argparse
import json
import shutil

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from roeh.core.clock import SystemClock
from roeh.core.config import config_as_toml
from roeh.core.errors import EXIT_OK, KeyRefused, OutputRefused
from roeh.keys.certificates import new_private_key, node_subject, signing_request
from roeh.keys.chain import SigningTime, Witness, judge_chain, trust_anchors
from roeh.keys.commands import add_arguments, run
from roeh.keys.key_pem import certificates_in
from roeh.keys.open import open_signers
from roeh.keys.signer import KeyUsage, NodeName
from tests.key_nodes import node_with_keys

CLOCK = SystemClock()
PASSPHRASE = "correct horse battery"


class Desk:
    """The key keeper's machine and one pole, in a directory; commands as they are typed."""

    def __init__(self, directory, capsys):
        self.at = directory
        self._capsys = capsys
        self.config = node_with_keys(directory / "node")
        self.node_toml = directory / "node.toml"
        self.node_toml.write_text(config_as_toml(self.config))
        self.passphrase = directory / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")

    def keys(self, *words):
        """Run `roeh keys WORDS`; what it said."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        status = run(parser.parse_args([str(word) for word in words]))
        assert status == EXIT_OK
        return self._capsys.readouterr().out

    def make_authorities(self):
        secret = ("--passphrase-file", self.passphrase)
        self.keys("root", self.at / "root", *secret)
        self.keys(
            "ca",
            self.at / "ca",
            "--root",
            self.at / "root",
            "--root-passphrase-file",
            self.passphrase,
            *secret,
        )

    def request(self, *words):
        words = words or ("request",)
        return self.keys(*words, "-c", self.node_toml, "--out", self.at / "requests.pem")

    def sign(self, *words):
        files = (self.at / "requests.pem", "--out", self.at / "certificates.pem")
        ca = ("--ca", self.at / "ca", "--passphrase-file", self.passphrase)
        return self.keys("sign", *files, *ca, *words)

    def install(self):
        return self.keys("install", self.at / "certificates.pem", "-c", self.node_toml)

    def revoke(self, *words):
        ca = ("--ca", self.at / "ca", "--passphrase-file", self.passphrase)
        return self.keys("revoke", *words, *ca)

    def show(self):
        lines = self.keys("show", "-c", self.node_toml, "--json").splitlines()
        return {state["usage"]: state for state in map(json.loads, lines)}

    def judge_media(self, witness=None):
        media = open_signers(self.config, CLOCK).media
        lists = self.at / "ca" / "revoked.pem"
        return judge_chain(
            media.chain_pem,
            KeyUsage.MEDIA,
            anchors=trust_anchors(
                (self.at / "root" / "ca.pem").read_bytes(),
                lists.read_bytes() if lists.exists() else b"",
            ),
            signed=SigningTime(CLOCK.read().t_utc_ns // 1000),
            witness=witness,
        )


@pytest.fixture
def desk(tmp_path, capsys):
    made = Desk(tmp_path, capsys)
    made.make_authorities()
    return made


@pytest.fixture
def provisioned(desk):
    desk.request()
    desk.sign()
    desk.install()
    return desk


def test_the_whole_ceremony_makes_a_pole_that_the_city_vouches_for(desk):
    open_signers(desk.config, CLOCK)  # it ran unprovisioned before
    asked = desk.request()
    signed = desk.sign()
    installed = desk.install()

    assert open_signers(desk.config, CLOCK).is_provisioned
    assert desk.judge_media().is_trusted
    assert "next start" in installed
    fingerprint = next(word for word in asked.split() if len(word) == 64)
    assert fingerprint in signed
    for state in desk.show().values():
        assert state["is_provisioned"]
        assert state["node"] == "haifa/pole-7"
        assert not state["is_waiting"]


def test_what_was_unprovisioned_leaves_its_certificates_and_no_keys(desk):
    open_signers(desk.config, CLOCK)
    desk.request()
    desk.sign()
    desk.install()

    old = desk.at / "node" / "keys" / "old"
    assert {path.name for path in old.iterdir()} >= {"set-0001-media.pem", "set-0001-log.pem"}
    assert not any(b"PRIVATE" in path.read_bytes() for path in old.iterdir())


def test_show_names_an_unprovisioned_pole_as_such(desk):
    open_signers(desk.config, CLOCK)

    said = desk.keys("show", "-c", desk.node_toml)

    assert said.count("UNPROVISIONED") == 5
    assert not any(state["is_provisioned"] for state in desk.show().values())


def test_show_of_a_pole_without_keys_says_what_to_do(desk):
    with pytest.raises(KeyRefused, match="roeh keys request"):
        desk.show()


def test_every_step_may_be_done_again(provisioned):
    before = provisioned.show()

    provisioned.make_authorities()
    assert "as before" in provisioned.sign()
    assert "nothing changed" in provisioned.install()

    assert provisioned.show() == before


def test_requesting_again_gives_the_same_requests_until_they_are_installed(desk):
    desk.request()
    first = (desk.at / "requests.pem").read_bytes()
    desk.request()

    assert (desk.at / "requests.pem").read_bytes() == first


def test_a_damaged_key_that_waits_is_made_anew(desk):
    desk.request()
    (desk.at / "node" / "keys" / "pending" / "media.pem").write_bytes(b"-----BEGIN PRIV")
    desk.request()
    desk.sign()
    desk.install()

    assert open_signers(desk.config, CLOCK).is_provisioned


def test_private_keys_lie_with_mode_0600_and_no_ca_key_is_readable_without_its_passphrase(
    provisioned,
):
    for path in (provisioned.at / "node" / "keys").rglob("*.pem"):
        assert path.stat().st_mode & 0o077 == 0
    for directory in ("root", "ca"):
        assert b"ENCRYPTED PRIVATE KEY" in (provisioned.at / directory / "ca.key").read_bytes()


def test_a_wrong_passphrase_is_refused(desk):
    desk.passphrase.write_text("another one entirely\n")
    desk.request()

    with pytest.raises(KeyRefused, match="passphrase is wrong"):
        desk.sign()


def test_a_plain_ca_key_that_others_may_read_is_refused(desk):
    desk.keys("root", desk.at / "plain", "--plain")
    (desk.at / "plain" / "ca.key").chmod(0o644)

    with pytest.raises(KeyRefused, match="others may read"):
        desk.keys("ca", desk.at / "other-ca", "--root", desk.at / "plain", "--plain")


def test_a_root_signs_no_nodes(desk):
    desk.request()

    with pytest.raises(KeyRefused, match="a root signs no nodes"):
        desk.sign("--ca", desk.at / "root")


def test_a_directory_that_holds_something_else_is_left_alone(desk):
    (desk.at / "photos").mkdir()
    (desk.at / "photos" / "one.jpeg").write_bytes(b"")

    with pytest.raises(KeyRefused, match="no CA's directory"):
        desk.keys("root", desk.at / "photos", "--plain")


def test_a_ca_that_was_being_made_when_the_power_failed_is_made_anew(desk):
    half = desk.at / "second.making"
    half.mkdir()
    (half / "ca.key").write_bytes(b"-----BEGIN")

    desk.keys("root", desk.at / "second", "--plain")

    assert certificates_in((desk.at / "second" / "ca.pem").read_bytes())
    assert not half.exists()


def test_a_node_ca_that_its_root_had_no_time_to_record_is_recorded_when_asked_again(desk):
    shutil.rmtree(desk.at / "root" / "issued")
    desk.make_authorities()

    serial = certificates_in((desk.at / "ca" / "ca.pem").read_bytes())[0].serial_number
    assert (desk.at / "root" / "issued" / f"{serial:x}.pem").exists()


@pytest.mark.parametrize("usage", ["media", "log", "manifest", "tls"])
def test_rotation_changes_one_key_and_only_when_it_is_installed(provisioned, usage):
    before = provisioned.show()

    provisioned.request("rotate", usage)
    waiting = provisioned.show()
    assert [name for name, state in waiting.items() if state["is_waiting"]] == [usage]
    assert waiting[usage]["serial"] == before[usage]["serial"]

    provisioned.sign()
    provisioned.install()
    after = provisioned.show()
    assert [name for name in after if after[name]["serial"] != before[name]["serial"]] == [usage]
    assert open_signers(provisioned.config, CLOCK).is_provisioned


def test_rotation_of_a_pole_without_certificates_is_refused(desk):
    with pytest.raises(KeyRefused, match="roeh keys request"):
        desk.request("rotate", "media")


def test_a_second_request_of_a_provisioned_pole_is_refused(provisioned):
    with pytest.raises(KeyRefused, match="roeh keys rotate"):
        provisioned.request()


def test_certificates_of_another_pole_change_nothing(desk, tmp_path, capsys):
    desk.request()
    desk.sign()
    other = node_with_keys(tmp_path / "other", node="pole-8")
    desk.node_toml.write_text(config_as_toml(other))

    with pytest.raises(KeyRefused, match=r"for haifa/pole-7, not for haifa/pole-8"):
        desk.install()
    assert not list((tmp_path / "other" / "keys").glob("set-*"))


def test_a_first_set_has_to_be_whole(desk):
    desk.request()
    desk.sign()
    pem = (desk.at / "certificates.pem").read_bytes()
    (desk.at / "certificates.pem").write_bytes(
        b"".join(pem.partition(b"-----END CERTIFICATE")[2:]).partition(b"\n")[2]
    )

    with pytest.raises(KeyRefused, match="no certificate for media"):
        desk.install()


def test_certificates_without_their_root_are_refused(desk):
    desk.request()
    desk.sign()
    pem = (desk.at / "certificates.pem").read_bytes()
    root = (desk.at / "root" / "ca.pem").read_bytes()
    (desk.at / "certificates.pem").write_bytes(pem.replace(root, b""))

    with pytest.raises(KeyRefused, match="root's certificate is not among them"):
        desk.install()


def test_a_request_that_was_changed_is_not_signed(desk):
    request = signing_request(NodeName("haifa", "pole-7"), KeyUsage.MEDIA, new_private_key())
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    der[der.index(b"pole-7") + 5] = ord("8")
    changed = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    (desk.at / "requests.pem").write_bytes(changed)

    with pytest.raises(KeyRefused, match="not signed by its own key"):
        desk.sign()


def test_a_request_for_no_usage_of_ours_is_not_signed(desk):
    request = x509.CertificateSigningRequestBuilder().subject_name(
        node_subject(NodeName("haifa", "pole-7"), "media")
    )
    made = request.sign(new_private_key(), hashes.SHA256())
    (desk.at / "requests.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))

    with pytest.raises(KeyRefused, match="no usage of ours"):
        desk.sign()


def test_one_key_gets_no_certificate_for_a_second_use(desk):
    private_key = new_private_key()
    for usage in (KeyUsage.MEDIA, KeyUsage.LOG):
        request = signing_request(NodeName("haifa", "pole-7"), usage, private_key)
        pem = request.public_bytes(serialization.Encoding.PEM)
        (desk.at / "requests.pem").write_bytes(pem)
        if usage is KeyUsage.MEDIA:
            desk.sign()
    with pytest.raises(KeyRefused, match="another use"):
        desk.sign()


def test_a_leaf_does_not_outlive_its_ca(desk):
    desk.request()
    desk.sign("--days", "36500")

    leaf, *_, authority, _root = certificates_in((desk.at / "certificates.pem").read_bytes())
    assert leaf.not_valid_after_utc == authority.not_valid_after_utc


def test_after_revocation_only_what_a_witness_saw_before_still_counts(provisioned):
    before_us = CLOCK.read().t_utc_ns // 1000 - 3_600_000_000
    serial = provisioned.show()["media"]["serial"]
    assert provisioned.judge_media().is_trusted

    provisioned.revoke(serial, "--reason", "key-compromise")

    assert not provisioned.judge_media().is_trusted
    witness = Witness(t_utc_us=before_us, source="the control room")
    assert provisioned.judge_media(witness).is_trusted


def revocations(path):
    made = x509.load_pem_x509_crl(path.read_bytes())
    return {entry.serial_number: entry.revocation_date_utc for entry in made}


def test_revoking_again_keeps_the_first_time_and_all_the_others(provisioned):
    states = provisioned.show()
    provisioned.revoke(states["media"]["serial"])
    path = provisioned.at / "ca" / "revoked.pem"
    first = {
        e.serial_number: e.revocation_date_utc for e in x509.load_pem_x509_crl(path.read_bytes())
    }

    provisioned.revoke(states["log"]["serial"])
    provisioned.revoke(states["media"]["serial"])
    provisioned.revoke()

    made = x509.load_pem_x509_crl(path.read_bytes())
    entries = revocations(path)
    assert entries.items() >= first.items()
    assert set(entries) == {int(states[name]["serial"], 16) for name in ("media", "log")}
    assert made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 4


def test_a_serial_that_this_ca_did_not_sign_is_refused(provisioned):
    with pytest.raises(KeyRefused, match="no certificate of that serial"):
        provisioned.revoke("abc123")


def test_a_list_of_another_ca_is_not_written_over(provisioned):
    (provisioned.at / "ca" / "revoked.pem").write_bytes(b"not a list")

    with pytest.raises(KeyRefused, match="not this CA's revocation list"):
        provisioned.revoke()


def test_no_terminal_and_no_passphrase_is_said_and_nothing_hangs(desk):
    with pytest.raises(KeyRefused, match="--passphrase-file"):
        desk.keys("root", desk.at / "asks")


def test_a_place_that_cannot_be_written_to_is_named(desk):
    with pytest.raises(OutputRefused, match="nowhere"):
        desk.keys("request", "-c", desk.node_toml, "--out", desk.at / "nowhere" / "r.pem")


def test_root_prepares_keys_that_evidence_s_own_user_then_owns(desk, as_root):
    users = msgspec.structs.replace(desk.config.users, evidence="nobody")
    config = msgspec.structs.replace(desk.config, users=users)
    desk.node_toml.write_text(config_as_toml(config))
    desk.request()
    desk.sign()
    desk.install()

    for path in [desk.at / "node" / "keys", *(desk.at / "node" / "keys").rglob("*")]:
        assert path.owner() == "nobody", path
    assert desk.show()["media"]["is_provisioned"]


def in_force(desk, name):
    return max((desk.at / "node" / "keys").glob("set-*")) / name


@pytest.mark.parametrize("name", ["media.pem", "log.pem"])
def test_a_key_that_was_lost_is_replaced_by_rotation(provisioned, name):
    before = open_signers(provisioned.config, CLOCK)
    in_force(provisioned, name).unlink()

    provisioned.request("rotate", name.partition(".")[0])
    provisioned.sign()
    provisioned.install()

    after = open_signers(provisioned.config, CLOCK)
    assert after.is_provisioned
    assert after.manifest.spki_der == before.manifest.spki_der


def test_a_set_that_nobody_can_use_is_replaced_whole(provisioned):
    before = provisioned.show()
    for usage in KeyUsage:
        in_force(provisioned, f"{usage.value}.pem").chmod(0o644)
    with pytest.raises(KeyRefused, match="others may read"):
        provisioned.show()

    provisioned.request()
    provisioned.sign()
    provisioned.install()

    after = provisioned.show()
    assert not {state["serial"] for state in before.values()} & {
        state["serial"] for state in after.values()
    }
    assert open_signers(provisioned.config, CLOCK).is_provisioned


def test_a_set_that_would_not_be_whole_is_not_brought_into_force(provisioned):
    in_force(provisioned, "log.pem").unlink()
    provisioned.request("rotate", "media")
    provisioned.sign()

    with pytest.raises(KeyRefused, match="no certificate for log"):
        provisioned.install()
