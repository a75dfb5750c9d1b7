"""Which ports of a machine answer, asked from this one: scan.py ADDRESS; needs root.

TCP: a SYN to every port (RFC 9293, 3.5); whoever answers SYN-ACK listens and is reachable. The
kernel of this machine, which knows of no such connection, resets it at once. UDP: a question in the
protocol of each likely port; any datagram in answer counts. Writes {"tcp": [...], "udp": [...]}.
"""

import contextlib
import json
import select
import socket
import struct
import sys
import time

SOURCE_PORT = 61_000
SYN, SYN_ACK = 0x02, 0x12
#: SYNs are sent in bursts, answers read in between: no queue on the way overflows.
BURST = 512
QUIET_S = 1.5
TRIES = 2

NTP = b"\x23" + bytes(47)
#: "version.bind" TXT CH, as resolvers answer it.
DNS = bytes.fromhex("00010100000100000000000007766572") + b"sion\x04bind\0\0\x10\0\x03"
MDNS = bytes.fromhex("000000000001000000000000") + b"\x05local\0\0\x01\0\x01"
SNMP = bytes.fromhex(
    "302902010104067075626c6963a01c020400000001020100020100300e300c06082b060102010101000500"
)
CHRONY = bytes([6, 1, 0, 0, 0, 33, 0, 0]) + bytes(96)
UDP = {
    53: DNS, 67: bytes(240), 68: bytes(240), 69: b"\0\x01x\0octet\0", 111: bytes(40), 123: NTP,
    137: bytes(50), 161: SNMP, 323: CHRONY, 500: bytes(28), 514: b"<13>x", 1194: bytes(14),
    1883: b"x", 1900: b"M-SEARCH * HTTP/1.1\r\n\r\n", 3702: b"x", 4500: bytes(32), 5060: b"x",
    5353: MDNS, 5355: DNS, 8440: b"x", 8443: b"x", 9100: b"x", 51820: bytes(148),
}  # fmt: skip


def checksum(content):
    """Of the Internet (RFC 1071)."""
    if len(content) % 2:
        content += b"\0"
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, target, port):
    """A TCP segment without data."""

    def segment(check):
        return struct.pack("!HHIIBBHHH", SOURCE_PORT, port, 1, 0, 5 << 4, SYN, 1024, check, 0)

    ends = socket.inet_aton(source) + socket.inet_aton(target)
    return segment(checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20) + segment(0)))


def answers(raw, target, until):
    """Ports that answered SYN-ACK until that moment."""
    found = set()
    while (left_s := until - time.monotonic()) > 0:
        if not select.select([raw], [], [], left_s)[0]:
            break
        packet, (sender, _) = raw.recvfrom(256)
        head = (packet[0] & 0x0F) * 4
        from_port, to_port = struct.unpack("!HH", packet[head : head + 4])
        flags = packet[head + 13]
        if sender == target and to_port == SOURCE_PORT and flags & SYN_ACK == SYN_ACK:
            found.add(from_port)
    return found


def tcp_ports(target):
    """Every TCP port that can be connected to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((target, 9))
        source = way.getsockname()[0]
    found = set()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        for _ in range(TRIES):
            for first in range(1, 65536, BURST):
                for port in range(first, min(first + BURST, 65536)):
                    # This machine's own firewall may refuse to send it: then it reaches nobody.
                    with contextlib.suppress(PermissionError):
                        raw.sendto(syn(source, target, port), (target, 0))
                found |= answers(raw, target, time.monotonic() + 0.005)
            found |= answers(raw, target, time.monotonic() + QUIET_S)
    return sorted(found)


def udp_ports(target):
    """The likely UDP ports that answered."""
    asked = {}
    for port, question in UDP.items():
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.connect((target, port))
        try:
            one.send(question)
        except OSError:
            one.close()
            continue
        asked[one] = port
    found = set()
    until = time.monotonic() + QUIET_S
    while asked and (left_s := until - time.monotonic()) > 0:
        for one in select.select(list(asked), [], [], left_s)[0]:
            port = asked.pop(one)
            try:
                one.recv(2048)
                found.add(port)
            except OSError:
                pass  # Told that nobody is there.
            one.close()
    for one in asked:
        one.close()
    return sorted(found)


json.dump({"tcp": tcp_ports(sys.argv[1]), "udp": udp_ports(sys.argv[1])}, sys.stdout)
