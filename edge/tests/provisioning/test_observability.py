"""Whose journal is sent on, and that every machine shows its metrics where the exporter looks."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HIL = ROOT / "build/env/hil/bin"
ANSIBLE = ROOT / "deploy/ansible"
_FOLDERS = """
import json, sys
from pole_inventory.desk_document import desk_document
from pole_inventory.node_document import node_document
from pole_inventory.witness_document import witness_document
desk = {"roeh_desk_name": "haifa", "roeh_broker_host": "10.0.0.1"}
desk["roeh_desk_settings"] = {"metrics": {"interval_s": 5.0}}
witness = {"roeh_witness_name": "police", "roeh_broker_host": "10.0.0.1"}
documents = [node_document("quay-1", {}), desk_document(desk), witness_document(witness)]
json.dump([document["metrics"] for document in documents], sys.stdout)
"""
_PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: observability, tasks_from: configure}
    - ansible.builtin.assert:
        that:
          - (observability_sends | bool) == ('poles' in group_names)
          - ("10.0.0.9" in hostvars[inventory_hostname] | roeh_firewall_addresses(group_names[0]))
            == ('poles' in group_names)
"""
_HOSTS = """
all:
  vars: {roeh_log_host: 10.0.0.9, roeh_role: pole}
  children:
    poles: {hosts: {quay-1: {}}}
    control_room: {hosts: {control-1: {}}}
    witness: {hosts: {witness-1: {}}}
"""


def test_poles_desk_and_witness_write_where_the_node_exporter_reads() -> None:
    done = subprocess.run(
        [HIL / "python", "-c", _FOLDERS],
        env={**os.environ, "PYTHONPATH": str(ANSIBLE / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    exporter = (ANSIBLE / "roles/observability/files/node-exporter").read_text()
    folder = re.findall(r"--collector\.textfile\.directory=(\S+)", exporter)

    pole, desk, witness = json.loads(done.stdout)

    assert [pole["dir"], desk["dir"], witness["dir"]] == folder * 3
    assert desk["interval_s"] == 5.0
    for name in ("desk", "witness"):
        assert folder[0] in (ANSIBLE / f"roles/{name}/files/health.sh").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")
def test_a_pole_s_journal_alone_is_sent_on(tmp_path: Path) -> None:
    """Another machine has no certificate that the sink takes, and no way there."""
    (tmp_path / "hosts.yml").write_text(_HOSTS)
    (tmp_path / "play.yml").write_text(_PLAY)
    done = subprocess.run(
        [HIL / "ansible-playbook", "--check", "-v", "-i", "hosts.yml", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout
    told = re.findall(r"\[([\w-]+)\] => (.*?changed_files.*?)(?=\n\S|\Z)", done.stdout, re.DOTALL)
    sending = [host for host, words in told if "journal-upload" in words]
    assert sorted(host for host, _ in told) == ["control-1", "quay-1", "witness-1"], done.stdout
    assert sending == ["quay-1"]
