"""What `roeh desk broker` writes, and what it refuses to write."""

import datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from roeh.core.clock import SystemClock
from roeh.core.config import parse_desk_config
from roeh.core.errors import ConfigError, KeyRefused
from roeh.desk.broker_files import admitted, poles_access, services_access
from roeh.keys.certificates import Validity
from roeh.keys.instants import instant
from roeh.keys.revocation import make_list
from roeh.transport.topics import TOPICS, Direction
from tests.process.secured_broker import City, desk_command

DESK = 'name = "haifa"\n'


def who(text=DESK, **named):
    return admitted(parse_desk_config(text, name="desk.toml"), **{"sites": ("haifa",), **named})


def test_a_pole_s_access_is_the_table_of_topics():
    lines = set(poles_access(who(sites=("haifa", "harbour"))).splitlines())

    for row in TOPICS.values():
        word = "write" if row.direction is Direction.UP else "read"
        for site in ("haifa", "harbour"):
            own = f"roeh/v1/{site}/%u/{row.direction.value}/{row.channel.value}"
            lines.remove(f"pattern {word} {own}")
    rest = {line for line in lines if not line.startswith("#")}
    assert rest == {f"pattern read roeh/v1/{site}/%u/up/state" for site in ("haifa", "harbour")}


def test_sites_of_the_poles_that_the_desk_names_are_admitted():
    text = DESK + '[[sectors]]\nname = "beach"\npoles = ["bat-galim/pole-1"]\n'
    assert who(text, sites=()).sites == ("bat-galim",)


def test_only_who_is_named_stands_in_the_services_access():
    text = services_access(who(operators=("eyes",), witnesses=("police",), desks=("haifa-2",)))
    named = [line.removeprefix("user ") for line in text.splitlines() if line.startswith("user ")]
    assert named == [
        "desk:haifa",
        "desk:haifa-2",
        "witness:witness",
        "witness:police",
        "republish:haifa",
        "operator:eyes",
        "audience:control",
    ]
    assert "pattern" not in text


@pytest.mark.parametrize(
    ("text", "named", "said"),
    [
        (DESK, {"sites": ()}, "no site"),
        (DESK, {"sites": ("desk",)}, "no site may be called so"),
        (
            DESK + '[adapters.onvif]\nenabled = true\nprefix = "roeh"\n',
            {},
            "these topics belong to poles",
        ),
    ],
)
def test_names_that_stand_for_something_else_are_refused(text, named, said):
    with pytest.raises(ConfigError, match=said):
        who(text, **named)


class Words:
    """The command's options, any of which a test may change."""

    def __init__(self, directory):
        (directory / "desk.toml").write_text(DESK)
        (directory / "pki").mkdir()
        self.directory = directory
        self.city = City(directory / "pki")
        self.given = {
            "-c": directory / "desk.toml",
            "--node-ca": directory / "pki/nodes/ca.pem",
            "--service-ca": directory / "pki/services/ca.pem",
            "--key": self.city.service("broker", "haifa", hosts=("localhost",)),
            "--site": "haifa",
            "--user": "root",
        }
        self.lists = list(self.city.lists)

    def write(self, **changed):
        """The broker's files; their directory."""
        out = self.directory / "broker"
        given = {**self.given, **{f"--{name.replace('_', '-')}": v for name, v in changed.items()}}
        words = [word for pair in given.items() for word in pair]
        lists = [word for path in self.lists for word in ("--revoked", path)]
        desk_command("broker", out, *words, *lists)
        return out


@pytest.fixture
def words(tmp_path):
    return Words(tmp_path)


def test_the_command_may_be_repeated(words):
    first = {path.name: path.read_bytes() for path in words.write().iterdir()}

    assert {path.name: path.read_bytes() for path in words.write().iterdir()} == first
    assert set(first) == {
        "mosquitto.conf", "broker.pem",
        "poles-ca.pem", "poles-revoked.pem", "poles-access",
        "services-ca.pem", "services-revoked.pem", "services-access",
    }  # fmt: skip


def test_the_broker_s_key_is_for_its_user_alone(words):
    assert (words.write() / "broker.pem").stat().st_mode & 0o777 == 0o600


def test_a_ca_without_a_list_is_refused(words):
    words.lists.pop()
    with pytest.raises(KeyRefused, match="no revocation list"):
        words.write()
    assert not (words.directory / "broker").exists()


def test_a_list_that_has_ended_is_refused(words):
    now = instant(SystemClock().read().t_utc_ns // 1000)
    day = datetime.timedelta(days=1)
    ended = make_list(
        words.city.nodes.authority, (), number=9, validity=Validity(now - 2 * day, now - day)
    )
    words.lists[0].write_bytes(ended.public_bytes(Encoding.PEM))
    with pytest.raises(KeyRefused, match="revocation list ended"):
        words.write()


def test_files_that_were_exchanged_are_refused(words):
    ca = words.directory / "pki"
    with pytest.raises(KeyRefused, match="not the certificate of a node CA"):
        words.write(node_ca=ca / "services/ca.pem")
    with pytest.raises(KeyRefused, match="not the certificate of a node CA"):
        words.write(node_ca=ca / "root/ca.pem")
    with pytest.raises(KeyRefused, match="not the certificate of a service CA"):
        words.write(service_ca=ca / "nodes/ca.pem")
    with pytest.raises(KeyRefused, match="not for a broker"):
        words.write(key=words.city.service("desk", "haifa"))
    with pytest.raises(KeyRefused, match="not a key with its certificate"):
        words.write(key=words.city.node("pole-7"))


def test_a_user_who_is_not_there_is_refused(words, as_root):
    with pytest.raises(ConfigError, match="no such user"):
        words.write(user="nobody-of-that-name")
