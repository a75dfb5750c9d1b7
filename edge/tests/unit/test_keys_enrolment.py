"""A token of enrolment: one pole, one board, one request; what anybody else shows is refused."""

import argparse
import json
import os
import threading

import msgspec
import pytest

from roeh.core.board_serial import board_serial, parsed_serial
from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.config import config_as_toml
from roeh.core.errors import EXIT_OK, KeyRefused, OutputRefused, TokenRefused
from roeh.keys.commands import add_arguments, run
from roeh.keys.enrolment import Token, enrolment_request
from roeh.keys.key_pem import certificates_in
from roeh.keys.open import open_signers
from roeh.keys.signer import KeyUsage, NodeName
from roeh.keys.tokens import TokenBook, sign_enrolment
from tests.ceremonies import KeyKeeper, pole_of
from tests.key_nodes import node_with_keys

CLOCK = SystemClock()
POLE = NodeName("haifa", "pole-7")
BOARD = "10000000a1b2c3d4"


class LaterClock(SystemClock):
    """The machine's own, some hours on."""

    def __init__(self, hours):
        self._later_ns = hours * 3600 * NS_PER_S

    def read(self):
        now = super().read()
        return msgspec.structs.replace(now, t_utc_ns=now.t_utc_ns + self._later_ns)


class City:
    """A control room with its node CA, and poles that want to be enrolled."""

    def __init__(self, directory, capsys):
        self.at = directory
        self.keeper = KeyKeeper(directory)
        self.ca = self.keeper.ca
        self.book = TokenBook(self.keeper.ca_dir)
        self._capsys = capsys

    def keys(self, *words):
        """Run `roeh keys WORDS`; its lines."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        assert run(parser.parse_args([str(word) for word in words])) == EXIT_OK
        return self._capsys.readouterr().out.splitlines()

    def said_wrong(self):
        return self._capsys.readouterr().err

    def token(self, name=POLE, serial=BOARD, clock=CLOCK):
        return self.book.make(name, serial, 48, clock)[0]

    def requests(self, node=POLE.node, site=POLE.site, at="node"):
        """A pole's configuration and its requests."""
        config = node_with_keys(self.at / at, site=site, node=node)
        return config, pole_of(config).request(KeyUsage)

    def enrol(self, token, requests, *, name=POLE, serial=BOARD, clock=CLOCK):
        content = enrolment_request(token, name, serial, requests)
        return sign_enrolment(self.ca, content, 1000, clock).certificates_pem

    def issued(self):
        return len(list((self.keeper.ca_dir / "issued").glob("*.pem")))


@pytest.fixture
def city(tmp_path, capsys):
    return City(tmp_path, capsys)


def test_who_shows_the_token_is_certified_and_the_pole_takes_it(city):
    config, requests = city.requests()

    pole_of(config).install(city.enrol(city.token(), requests))

    assert open_signers(config, CLOCK).is_provisioned


def test_the_same_request_gets_the_same_certificates_also_when_the_token_has_ended(city):
    _, requests = city.requests()
    token = city.token()

    first = city.enrol(token, requests)

    assert city.enrol(token, requests) == first
    assert city.enrol(token, requests, clock=LaterClock(100)) == first
    assert city.issued() == len(KeyUsage)


def test_a_used_token_is_good_for_no_other_request(city):
    _, requests = city.requests()
    token = city.token()
    city.enrol(token, requests)
    _, others = city.requests(at="another board")

    with pytest.raises(TokenRefused, match="was used for another request"):
        city.enrol(token, others)
    assert city.issued() == len(KeyUsage)


def test_a_token_ends(city):
    _, requests = city.requests()
    token = city.token()

    with pytest.raises(TokenRefused, match="ended at"):
        city.enrol(token, requests, clock=LaterClock(49))
    assert city.enrol(token, requests, clock=LaterClock(47))


def test_another_board_is_refused_and_both_are_named(city):
    _, requests = city.requests()

    with pytest.raises(TokenRefused, match=f"{BOARD}, and 20000000ffff asks"):
        city.enrol(city.token(), requests, serial="20000000ffff")


def test_another_pole_is_refused_though_its_requests_say_the_right_name(city):
    _, requests = city.requests()

    with pytest.raises(TokenRefused, match="is for haifa/pole-7, and haifa/pole-8 asks"):
        city.enrol(city.token(), requests, name=NodeName("haifa", "pole-8"))


def test_requests_of_another_pole_under_the_right_name_are_refused(city):
    _, requests = city.requests(node="pole-8")

    with pytest.raises(TokenRefused, match=r"a request is not of haifa/pole-7"):
        city.enrol(city.token(), requests)


def test_requests_that_somebody_exchanged_on_the_way_are_refused_and_the_token_stays(city):
    _, requests = city.requests()
    _, others = city.requests(at="somebody else")
    token = city.token()
    enrolment = enrolment_request(token, POLE, BOARD, requests)[len(requests) :]

    with pytest.raises(TokenRefused, match="authenticator does not fit"):
        sign_enrolment(city.ca, others + enrolment, 1000, CLOCK)
    with pytest.raises(TokenRefused, match="authenticator does not fit"):
        sign_enrolment(city.ca, requests + others + enrolment, 1000, CLOCK)
    assert city.enrol(token, requests)


def test_a_token_of_somebody_else_s_making_is_unknown(city):
    _, requests = city.requests()

    with pytest.raises(TokenRefused, match="unknown here"):
        city.enrol(Token.new(), requests)


def test_requests_without_an_enrolment_are_not_signed_by_it(city):
    _, requests = city.requests()

    with pytest.raises(KeyRefused, match="--token-file"):
        sign_enrolment(city.ca, requests, 1000, CLOCK)


def test_what_the_ca_refuses_in_any_case_leaves_the_token_open(city):
    _, elsewhere = city.requests(site="acre", at="acre")
    city.keeper.sign(elsewhere)
    _, requests = city.requests()
    token = city.token()

    with pytest.raises(KeyRefused, match="the name is taken"):
        city.enrol(token, requests)
    assert [record.is_open for record in city.book.records()] == [True]


def test_the_newest_token_of_a_pole_is_the_only_open_one(city):
    _, requests = city.requests()
    old, new = city.token(), city.token()
    other = city.token(NodeName("haifa", "pole-8"))

    with pytest.raises(TokenRefused, match="withdrawn"):
        city.enrol(old, requests)
    assert city.enrol(new, requests)
    assert {record.id for record in city.book.records()} == {new.id, other.id}


def test_what_is_kept_is_private_and_holds_neither_the_token_nor_later_its_key(city):
    _, requests = city.requests()
    token = city.token()
    path = city.keeper.ca_dir / "tokens" / f"{token.id}.json"
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert token.text.encode() not in path.read_bytes()

    content = enrolment_request(token, POLE, BOARD, requests)
    sign_enrolment(city.ca, content, 1000, CLOCK)

    assert token.key.hex().encode() not in path.read_bytes()
    assert token.text.encode() not in content
    assert token.key.hex().encode() not in content


def test_a_record_that_others_may_read_is_not_relied_on(city):
    _, requests = city.requests()
    token = city.token()
    (city.keeper.ca_dir / "tokens" / f"{token.id}.json").chmod(0o644)

    with pytest.raises(KeyRefused, match="others may read"):
        city.enrol(token, requests)


def test_a_board_that_was_replaced_is_told_by_what_still_counts(city):
    _, requests = city.requests()
    city.enrol(city.token(), requests)
    _, anew = city.requests(at="new board")
    content = enrolment_request(city.token(serial="newboard"), POLE, "newboard", anew)

    enrolled = sign_enrolment(city.ca, content, 1000, CLOCK)
    assert len(enrolled.replaced) == len(KeyUsage)

    city.ca.revoke(enrolled.replaced[0], CLOCK)
    again = sign_enrolment(city.ca, content, 1000, CLOCK)
    assert len(again.replaced) == len(KeyUsage) - 1


def test_a_revoked_certificate_is_not_handed_out_again(city):
    _, requests = city.requests()
    city.enrol(city.token(), requests)

    assert len(city.ca.revoke_pole(POLE, CLOCK)) == len(KeyUsage)
    assert city.ca.revoke_pole(POLE, CLOCK) == []
    with pytest.raises(KeyRefused, match="is revoked"):
        city.enrol(city.token(), requests)
    with pytest.raises(KeyRefused, match="signed no certificate for it"):
        city.ca.revoke_pole(NodeName("haifa", "pole-9"), CLOCK)


def test_two_at_once_get_one_set_of_certificates(city):
    _, requests = city.requests()
    content = enrolment_request(city.token(), POLE, BOARD, requests)
    signed, begin = [], threading.Barrier(4)

    def enrol():
        begin.wait()
        signed.append(sign_enrolment(city.ca, content, 1000, CLOCK).certificates_pem)

    threads = [threading.Thread(target=enrol) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(signed) == 4
    assert len(set(signed)) == 1
    assert city.issued() == len(KeyUsage)


def test_two_requests_at_once_with_one_token_one_of_them_is_refused(city):
    token = city.token()
    contents = [
        enrolment_request(token, POLE, BOARD, city.requests(at=f"node {number}")[1])
        for number in range(4)
    ]
    outcomes, begin = [], threading.Barrier(4)

    def enrol(content):
        begin.wait()
        try:
            outcomes.append(len(sign_enrolment(city.ca, content, 1000, CLOCK).issued))
        except TokenRefused as error:
            outcomes.append(error.what)

    threads = [threading.Thread(target=enrol, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes, key=str) == [4] + 3 * ["was used for another request"]


# The commands, as they are typed.


def test_the_token_is_shown_once_and_listed_without_it(city):
    ca = ("--ca", city.keeper.ca_dir)
    said = city.keys("token", "pole-7", "--site", "haifa", "--serial", BOARD, *ca)
    token = Token.parsed(said[0], "the terminal")

    listed = city.keys("tokens", *ca)
    assert len(listed) == 1
    assert f"{token.id}  open    haifa/pole-7  board {BOARD}" in listed[0]
    assert said[0] not in listed[0]
    row = json.loads(city.keys("tokens", "--json", *ca)[0])
    assert (row["site"], row["node"], row["state"]) == ("haifa", "pole-7", "open")

    assert "withdrawn" in city.keys("tokens", "--withdraw", "haifa/pole-7", *ca)[0]
    assert city.keys("tokens", *ca) == []
    with pytest.raises(TokenRefused, match="no open token"):
        city.keys("tokens", "--withdraw", token.id, *ca)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("pole-7", "--site", "Haifa Bay", "--serial", BOARD), "can name no pole"),
        (("pole-7", "--site", "haifa", "--serial", "To Be Filled By O.E.M."), "can be no board"),
        (("pole-7", "--site", "haifa", "--serial", "0000000000"), "can be no board"),
    ],
)
def test_a_token_for_nobody_is_not_made(city, words, wrong):
    with pytest.raises(TokenRefused, match=wrong):
        city.keys("token", *words, "--ca", city.keeper.ca_dir)
    assert not city.book.records()


def test_a_directory_of_no_ca_makes_no_tokens(city):
    with pytest.raises(KeyRefused, match=r"ca\.pem"):
        city.keys("token", "p", "--site", "s", "--serial", BOARD, "--ca", city.at / "nowhere")


def test_a_batch_signs_what_it_can_and_names_the_rest(city):
    batch, out = city.at / "batch", city.at / "certificates"
    batch.mkdir()
    out.mkdir()
    for number in (1, 2):
        name, serial = NodeName("haifa", f"pole-{number}"), f"board-{number}"
        _, requests = city.requests(node=name.node, at=name.node)
        content = enrolment_request(city.token(name, serial), name, serial, requests)
        (batch / f"{name.node}.csr.pem").write_bytes(content)
    (batch / "damaged.csr.pem").write_bytes(content[:-200])

    with pytest.raises(KeyRefused, match=r"1 of 3 not signed: damaged\.csr\.pem"):
        city.keys("sign", "--enrol", batch, "--ca", city.keeper.ca_dir, "--out", out)

    assert "damaged.csr.pem: roeh: KEY_REFUSED" in city.said_wrong()
    names = sorted(path.name for path in out.iterdir())
    assert names == ["board-1.certificates.pem", "board-2.certificates.pem"]
    config = node_with_keys(city.at / "pole-1", node="pole-1")
    pole_of(config).install((out / names[0]).read_bytes())
    assert open_signers(config, CLOCK).is_provisioned


def test_a_batch_goes_into_a_directory(city):
    (city.at / "batch").mkdir()
    with pytest.raises(KeyRefused, match="not a directory"):
        city.keys("sign", "--enrol", city.at / "batch", "--ca", city.keeper.ca_dir, "--out", "x")
    with pytest.raises(KeyRefused, match=r"holds no \*\.csr\.pem"):
        city.keys("sign", "--enrol", city.at / "batch", "--ca", city.keeper.ca_dir, "--out", "/")


def test_a_request_on_the_board_proves_with_its_own_serial_number(city):
    config = node_with_keys(city.at / "node")
    (city.at / "node.toml").write_text(config_as_toml(config))
    here = board_serial() or "none-of-its-own"
    token_file = city.at / "token"
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, f"  {city.token(serial=here).text.upper()}\n".encode())
    os.close(descriptor)
    words = ("request", "-c", city.at / "node.toml", "--token-file", token_file)
    out = city.at / "r.csr.pem"

    if board_serial() is None:
        with pytest.raises(KeyRefused, match="systemd-machine-id-setup"):
            city.keys(*words, "--out", out)
        return
    city.keys(*words, "--out", out)
    signed = city.at / "certificates.pem"
    said = city.keys("sign", "--enrol", out, "--ca", city.keeper.ca_dir, "--out", signed)
    assert said[-1].endswith(f"on the board {here}")
    assert len(certificates_in(signed.read_bytes())) == len(KeyUsage) + 2

    city.keys("install", signed, "-c", city.at / "node.toml")
    token_file.write_text(city.token(serial=here).text)
    city.keys(
        "rotate", "media", "tls", "-c", city.at / "node.toml",
        "--token-file", token_file, "--out", out,
    )  # fmt: skip
    said = city.keys("sign", "--enrol", out, "--ca", city.keeper.ca_dir, "--out", signed)
    assert [line.split()[0] for line in said[:2]] == ["media", "tls"]


@pytest.mark.parametrize(
    ("mode", "text", "wrong"),
    [
        (0o644, None, "others may read"),
        (0o600, "abcd-efgh", "no token of enrolment"),
        (0o600, "", "no token of enrolment"),
    ],
)
def test_a_token_s_file_is_private_and_whole(city, mode, text, wrong):
    config = node_with_keys(city.at / "node")
    (city.at / "node.toml").write_text(config_as_toml(config))
    file = city.at / "token"
    file.write_text(city.token().text if text is None else text)
    file.chmod(mode)

    with pytest.raises((KeyRefused, TokenRefused), match=wrong):
        city.keys("request", "-c", city.at / "node.toml", "--token-file", file, "--out", "x")


def test_a_ca_that_cannot_be_written_says_so(city):
    (city.keeper.ca_dir / "tokens").write_text("in the way")
    with pytest.raises((OutputRefused, KeyRefused), match="tokens"):
        city.token()


# What a board calls itself.


def board(root, **files):
    for path, text in files.items():
        place = root / path.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return board_serial(root)


TREE = "sys__firmware__devicetree__base__serial-number"
DMI = "sys__class__dmi__id__product_serial"
ID = "etc__machine-id"


def test_a_board_is_known_by_its_device_tree_else_by_dmi_else_by_its_machine_id(tmp_path):
    assert board(tmp_path) is None
    assert board(tmp_path, **{ID: "3d1219c7c4c5404aaa1f6d2a48adfda4\n"}).startswith("3d12")
    assert board(tmp_path, **{DMI: "VMware-56 4d 1a\n"}) == "VMware-56-4d-1a"
    assert board(tmp_path, **{TREE: "10000000a1b2c3d4\0"}) == "10000000a1b2c3d4"


def test_a_container_is_not_the_board_below_it(tmp_path):
    files = {TREE: "10000000a1b2c3d4\0", ID: "3d1219c7c4c5404aaa1f6d2a48adfda4\n"}
    assert board(tmp_path, run__systemd__container="nspawn", **files).startswith("3d12")


@pytest.mark.parametrize(
    "phrase",
    ["Not Specified", "Default string", "System Serial Number", "None", "00000000", "..", "x"],
)
def test_a_maker_s_phrase_is_nobody_s_serial_number(phrase):
    assert parsed_serial(phrase) is None
