"""Publish's and retrieve's copies of the key for TLS: whole, their own, the one in force."""

import ssl
import subprocess

import msgspec
import pytest

from roeh.core.config import AccessSection
from roeh.core.config.schema import UsersSection
from roeh.core.errors import KeyRefused
from roeh.keys.open import key_sets, open_signers
from roeh.keys.signer import KeyUsage
from roeh.keys.tls_files import retrieve_tls_pair, tls_pair
from tests.ceremonies import CLOCK, KeyKeeper, pole_of, provision
from tests.key_nodes import node_with_keys


@pytest.fixture
def keeper(tmp_path):
    return KeyKeeper(tmp_path)


@pytest.fixture
def config(tmp_path):
    return node_with_keys(tmp_path / "node")


def content(config):
    with open(tls_pair(config).certificate_file, "rb") as file:  # noqa: PTH123 - a name is given
        return file.read()


def in_force(config):
    sets = key_sets(config)
    return sets.read(sets.newest(), "tls.pem")


def test_without_the_ceremony_there_is_none(config):
    open_signers(config, CLOCK)

    assert tls_pair(config) is None


def test_an_installation_gives_publish_what_is_in_force(config, keeper):
    provision(config, keeper)

    pair = tls_pair(config)
    assert pair.certificate_file == pair.key_file
    assert content(config) == in_force(config)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*pair)


def test_a_rotation_replaces_it_and_that_of_another_key_does_not(config, keeper):
    pole = provision(config, keeper)
    first = content(config)

    pole.install(keeper.sign(pole.request([KeyUsage.MEDIA])))
    assert content(config) == first
    pole.install(keeper.sign(pole.request([KeyUsage.TLS])))

    assert content(config) == in_force(config) != first


def test_an_installation_that_was_interrupted_before_the_copy_is_finished_by_the_next(
    config, keeper, tmp_path
):
    pole = pole_of(config)
    certificates = keeper.sign(pole.request(KeyUsage))
    pole.install(certificates)
    (tmp_path / "node-tls/tls.pem").unlink()
    assert pole.without_tls() == ["publish"]

    assert pole.install(certificates) == [KeyUsage.TLS]

    assert pole.without_tls() == []
    assert pole.install(certificates) == []


def test_a_copy_that_others_may_read_is_pointed_out(config, keeper, tmp_path):
    pole = provision(config, keeper)
    (tmp_path / "node-tls/tls.pem").chmod(0o644)

    with pytest.raises(KeyRefused, match="others may read"):
        pole.without_tls()


def test_publish_s_user_reads_its_key_and_none_of_evidence_s(short_directory, as_root):
    config = node_with_keys(short_directory / "node")
    config = msgspec.structs.replace(config, users=UsersSection(publish="nobody"))
    provision(config, KeyKeeper(short_directory))

    def can_read(path):
        done = subprocess.run(
            ["cat", path], user="nobody", group="nogroup", extra_groups=(), cwd="/",
            capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0

    sets = key_sets(config)
    assert can_read(tls_pair(config).key_file)
    for usage in KeyUsage:
        assert not can_read(sets.path(sets.newest()) / f"{usage.value}.pem")


def with_visitors(config, **users):
    return msgspec.structs.replace(
        config, access=AccessSection(host="127.0.0.1"), users=UsersSection(**users)
    )


def test_a_pole_that_lets_people_in_has_a_second_copy_for_retrieve(config, keeper, tmp_path):
    pole = provision(config, keeper)
    assert retrieve_tls_pair(config) is None

    open_to_people = with_visitors(config)
    pole = pole_of(open_to_people)
    assert pole.without_tls() == ["retrieve"]
    certificates = keeper.sign(pole.request([KeyUsage.TLS]))
    pole.install(certificates)

    assert pole.without_tls() == []
    copy = (tmp_path / "node-https/tls.pem").read_bytes()
    assert copy == in_force(config) == content(config)
    (tmp_path / "node-https/tls.pem").unlink()
    assert pole.install(certificates) == [KeyUsage.TLS]
    assert (tmp_path / "node-https/tls.pem").read_bytes() == copy


def test_each_of_the_two_reads_its_own_copy_alone(short_directory, as_root):
    config = with_visitors(
        node_with_keys(short_directory / "node"), publish="nobody", retrieve="games"
    )
    provision(config, KeyKeeper(short_directory))

    def can_read(user, path):
        done = subprocess.run(
            ["cat", path], user=user, group="nogroup", extra_groups=(), cwd="/",
            capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0

    ours, theirs = tls_pair(config).key_file, retrieve_tls_pair(config).key_file
    assert can_read("games", theirs)
    assert can_read("nobody", ours)
    assert not can_read("games", ours)
    assert not can_read("nobody", theirs)
