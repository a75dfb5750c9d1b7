"""`roeh commission` on a pole that records: nothing is taken from it, all of it is on record."""

import hashlib
import json
import shutil
import subprocess

import pytest

from roeh.cli import main
from roeh.core.clock import SystemClock
from roeh.core.config import load_config
from roeh.core.errors import AccessRefused, ChecksFailed, OutputRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.cms import read_signed
from tests.apt import require_packages
from tests.people import PeopledCity, write_person
from tests.ports import free_port

NODE = """
[node]
site = "haifa"
name = "pole-7"
heading_deg = 37.5
north_from = "ground_points"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[broker]
port = {port}
[retrieve]
port = 0
[[sensors]]
name = "dome"
source = {{ kind = "composed", people = 3 }}
lens = {{ model = "pinhole", width_px = 320, height_px = 240, fov_deg = 60 }}
"""


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(NODE.format(directory=tmp_path, port=free_port()))
    load_config(path)
    return path


@pytest.fixture(scope="module")
def city():
    return PeopledCity()


def commission(node, *arguments, out="report.pdf"):
    path = node.parent / out
    words = ["commission", "-c", str(node), "--technician", "Dana Levi", "--out", str(path)]
    return main([*words, *arguments]), path


def text_of(pdf):
    command = [shutil.which("pdftotext"), "-layout", str(pdf), "-"]
    ran = subprocess.run(command, capture_output=True, check=True)
    return ran.stdout.decode()


@pytest.mark.apt("poppler-utils")
def test_a_technician_leaves_with_a_report_a_record_and_a_signature(node, city, tmp_path):
    require_packages("poppler-utils")
    technician = city.person(PersonRole.TECHNICIAN, "T-7", name="Dana Levi", organisation="City")
    key = write_person(technician, tmp_path / "dana.pem")
    status, pdf = commission(
        node, "--landmark", "clock tower", "123.5", "--address", "Herzl 12", "--key", str(key)
    )
    # There is no broker: the report says so, and is written.
    assert status == ChecksFailed.exit_status
    text = text_of(pdf)
    first = text.split("\f")[0]
    for said in ("Commissioning report", "NOT IN ORDER", "BROKER-GONE", "haifa/pole-7", "Herzl 12"):
        assert said in first, said
    for said in ("clock tower", "123.5", "points measured on the ground", "dome", "Control room"):
        assert said in text, said
    content = pdf.read_bytes()
    record = json.loads(pdf.with_suffix(".json").read_bytes())
    assert record["report_sha256"] == hashlib.sha256(content).hexdigest()
    assert record["landmarks_deg"] == {"clock tower": 123.5}
    assert "BROKER-GONE" in {finding["code"] for finding in record["findings"]}
    signed = read_signed((tmp_path / "report.pdf.p7s").read_bytes(), content)
    assert signed.signer_der == technician.certificate_der
    assert abs(signed.signing_time_utc_us - SystemClock().read().t_utc_ns // 1000) < 600_000_000
    # A second time nothing is overwritten.
    assert commission(node)[0] == OutputRefused.exit_status
    assert pdf.read_bytes() == content


def test_only_a_technicians_key_signs_and_nothing_is_done_before_that_is_known(
    node, city, tmp_path, capsys
):
    officer = write_person(city.person(PersonRole.INVESTIGATOR, "100"), tmp_path / "officer.pem")
    status, pdf = commission(node, "--key", str(officer))
    assert status == AccessRefused.exit_status
    assert "not of a technician" in capsys.readouterr().err
    assert not pdf.exists()


@pytest.mark.parametrize("out", ["report.txt", "nowhere/report.pdf"])
def test_a_report_that_cannot_be_written_is_refused_at_once(node, out):
    assert commission(node, out=out)[0] == OutputRefused.exit_status
