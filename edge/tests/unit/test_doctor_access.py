"""The doctor says whether people can be let in, and what keeps them out."""

import pytest

from roeh.core.config import parse_config
from roeh.core.paths import retrieve_tls_dir, trust_list_file
from roeh.doctor.access import check_access
from roeh.keys.signer import KeyUsage
from tests.people import ISSUED_ON_DAY, PeopledCity, clock_on_day

NODE = """
[paths]
data_dir = "{directory}/data"
[evidence]
min_free_bytes = 0
[access]
host = "{host}"
root_file = "{directory}/root.pem"
exports_max_bytes = 1048576
[[sensors]]
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""


@pytest.fixture(scope="module")
def city():
    return PeopledCity()


@pytest.fixture
def config(tmp_path):
    return parse_config(NODE.format(directory=tmp_path, host="0.0.0.0"), name="node.toml")


@pytest.fixture
def provided(config, city, tmp_path):
    """All is there."""
    (tmp_path / "root.pem").write_bytes(city.root_pem)
    trust_list_file(config).parent.mkdir()
    trust_list_file(config).write_bytes(city.trust_list())
    retrieve_tls_dir(config).mkdir()
    tls_file = retrieve_tls_dir(config) / "tls.pem"
    tls_file.write_bytes(city.pole_key(KeyUsage.TLS).pem)
    return config


def said(config, *, day=ISSUED_ON_DAY + 1, **clock):
    return [
        (outcome.verdict, outcome.what)
        for outcome in check_access(config, clock_on_day(day, **clock))
    ]


def test_retrieval_that_is_off_is_no_fault(tmp_path):
    config = parse_config(NODE.format(directory=tmp_path, host=""), name="node.toml")
    assert [verdict for verdict, _ in said(config)] == ["OK"]


def test_a_pole_that_can_let_people_in_says_so(provided):
    verdicts, words = zip(*said(provided), strict=True)
    assert verdicts == ("OK", "OK", "OK")
    assert words[0] == "trust list 1, 1.0 days old"
    assert words[2].startswith("1.0 MB for exports in ")


def test_without_the_root_nobody_can_be_believed(config):
    ((verdict, what),) = said(config)
    assert verdict == "FAIL"
    assert "root cannot be read" in what


def test_a_list_of_another_city_is_none(provided):
    trust_list_file(provided).write_bytes(PeopledCity("Other").trust_list())
    ((verdict, what),) = said(provided)
    assert verdict == "FAIL"
    assert "trust_list_signer" in what


def test_a_pole_without_a_list_lets_nobody_in(provided):
    trust_list_file(provided).unlink()
    assert ("WARN", "there is no trust list: nobody is let in") in said(provided)


def test_an_old_list_and_a_clock_that_cannot_tell_are_told(provided):
    old = said(provided, day=ISSUED_ON_DAY + 31)
    assert old[0] == ("WARN", "trust list 1 is stale: 31.0 days old")
    unsynchronised = said(provided, synchronised=False)
    assert unsynchronised[0][0] == "WARN"
    assert "no clock tells its age" in unsynchronised[0][1]


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_pole_that_cannot_show_who_it_is_fails(provided, content):
    tls_file = retrieve_tls_dir(provided) / "tls.pem"
    tls_file.unlink()
    if content is not None:
        tls_file.write_bytes(content)
    assert said(provided)[1][0] == "FAIL"
