"""The virtual street: names and addresses, what listens, what a run of Ansible is told to be."""

import ipaddress
import socket

import pytest
from virtual_pole import health, interruption, playbooks, scan, steps
from virtual_pole.listening import Listener, parsed_listeners
from virtual_pole.street import CONTROL_ROOM, POLES_ROUTER, Street, names_of
from virtual_pole.troubles import PoleFailed

from roeh.core.board_serial import parsed_serial

RECAP = """\
PLAY RECAP *********************************************************************
control-1                  : ok=25   changed=14   unreachable=0    failed=1    skipped=0
pole-1                     : ok=3    changed=0    unreachable=1    failed=0    skipped=2
"""
FATAL = """\
TASK [desk : Configuration of the desk] ****************
fatal: [control-1]: FAILED! =>
    changed: false
    msg: no such user
"""


def test_two_streets_share_no_name_and_no_serial(tmp_path):
    one, other = Street.at(tmp_path / "one"), Street.at(tmp_path / "other")
    for name in names_of(2):
        assert one.namespace(name) != other.namespace(name)
        assert one.place(name).serial != other.place(name).serial
        assert one.place(name) == Street.at(tmp_path / "one").place(name)
        assert one.namespace(name).startswith(one.tag)


def test_a_machine_s_serial_is_one_that_the_product_takes_for_a_board_s(tmp_path):
    serial = Street.at(tmp_path).place("pole-1").serial
    assert parsed_serial(serial) == serial


def test_every_machine_has_an_address_and_a_network_card_of_its_own(tmp_path):
    street = Street.at(tmp_path)
    places = [street.place(name) for name in names_of(200)]
    assert len({place.address for place in places}) == 201
    assert len({place.hardware_address for place in places}) == 201
    for place in places:
        network = ipaddress.ip_interface(f"{place.router}/24").network
        assert ipaddress.ip_address(place.address) in network
    assert street.place("pole-1").router == POLES_ROUTER
    assert street.place(CONTROL_ROOM).address == "10.77.2.2"


@pytest.mark.parametrize(
    "name", ["pole-0", "pole-01", "pole-201", "pole-1 ", "../pole-1", "laptop"]
)
def test_another_name_is_no_machine(tmp_path, name):
    with pytest.raises(PoleFailed, match="no machine is called"):
        Street.at(tmp_path).place(name)


def test_ss_is_read_as_it_writes():
    said = (
        'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=33,fd=3))\n'
        'tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=33,fd=4))\n'
        'tcp LISTEN 0 100 127.0.0.1:8440 0.0.0.0:* users:(("roeh",pid=9,fd=11))\n'
        "udp UNCONN 0 0 [fe80::1]%host0:546 [::]:*\n"
    )
    assert parsed_listeners(said) == (
        Listener("tcp", "0.0.0.0", 22, "sshd"),
        Listener("tcp", "127.0.0.1", 8440, "roeh"),
        Listener("tcp", "::", 22, "sshd"),
        Listener("udp", "fe80::1", 546, ""),
    )


def test_a_listener_on_the_loopback_is_not_one_for_all():
    for_all = Listener("tcp", "0.0.0.0", 8440, "roeh")
    assert health.kind_of(for_all) not in health.MAY_LISTEN
    assert health.kind_of(Listener("tcp", "127.0.0.1", 8440, "roeh")) in health.MAY_LISTEN


def test_the_scan_finds_who_listens_and_nobody_else():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port, bound = server.getsockname()[1], silent.getsockname()[1]
        found = scan.open_among("127.0.0.1", sorted({port, bound}), "127.0.0.1")
    assert found == [port]


def test_a_recap_tells_what_changed_and_who_failed(tmp_path):
    log = tmp_path / "log"
    log.write_text(RECAP)
    run = playbooks.read(log)
    assert run.changed == {"control-1": 14, "pole-1": 0}
    assert run.failed == {"control-1": 1, "pole-1": 1}


def test_a_failure_is_told_in_one_line():
    assert playbooks.why(FATAL + RECAP) == "fatal: [control-1]: FAILED! => no such user"
    assert playbooks.why("\n") == "it said nothing"


def test_the_table_names_the_longest_step_first():
    took = [steps.Took("quick", 1.25, "well"), steps.Took("long", 10.0, "")]
    assert steps.line_of(took[0]).startswith("pole: quick ")
    assert steps.line_of(took[0]).endswith("1.2 s  well")
    assert steps.table_of(took, 11.5)[2:] == [
        "| long | 10.0 |",
        "| quick | 1.2 |",
        "| all, some at once | 11.5 |",
    ]


def test_a_seed_gives_the_same_moments_each_time_and_cuts_every_second_pole():
    drawn = interruption.moments(7, 4, 50.0)
    assert drawn == interruption.moments(7, 4, 50.0) != interruption.moments(8, 4, 50.0)
    assert [moment.is_power_cut for moment in drawn] == [True, False, True, False]
    assert all(3.0 <= moment.after_s <= 50.0 for moment in drawn)


def test_a_log_that_ends_anywhere_names_the_task_it_was_at(tmp_path):
    log = tmp_path / "log"
    log.write_text("PLAY [Install]\n")
    assert playbooks.last_task(log) == "before the first task"
    log.write_text(FATAL + "TASK [pole : Units] *****\nchanged: [pole-")
    assert playbooks.last_task(log) == "pole : Units"
