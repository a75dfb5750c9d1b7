"""Tries what a process of the pole must not be able to do; one line of JSON with what came of it.

confined.py CONTROL_ROOM_ADDRESS CAMERA_ADDRESS CAMERA_PORT. Runs in place of the process, in its
sandbox. Each try says "ok", or the name of the errno (or error) that stopped it.
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import struct
import sys

DATA = "/var/lib/roeh/data"
#: adjtimex(2).
ADJ_FREQUENCY = 2


def see_evidence():
    """More of evidence's directory than recorded video, which a view of retrieve's own holds."""
    if not set(os.listdir(DATA)) - {"segments"}:
        raise OSError(errno.ENOENT, "nothing but segments")


def read_file(path):
    """A whole file."""
    with open(path, "rb") as file:
        file.read()


def append_file(path):
    """A file that is there is opened for writing, and left as it is; or a new one is made."""
    with open(path, "ab"):
        pass


def make_file(directory):
    """A new file, taken away again."""
    path = f"{directory}/.tried"
    with open(path, "xb"):
        pass
    os.unlink(path)


def connect(address, port):
    """TCP; that somebody refuses shows that packets get there."""
    with socket.create_connection((address, port), timeout=3):
        pass


def send(address, port):
    """A datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"tried", (address, port))


def open_socket(family, kind, protocol=0):
    """A socket of a family."""
    socket.socket(family, kind, protocol).close()


def call(name, *arguments):
    """A function of libc that returns -1 and sets errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def adjust_clock(modes):
    """Ask the kernel how its clock is disciplined, or change it: struct timex begins with modes."""
    call("adjtimex", ctypes.create_string_buffer(struct.pack("I252x", modes)))


def write_and_execute():
    """Memory that can be both: where an attacker would put a program."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def see_others():
    """Any process of another user."""
    own = os.getuid()
    for name in os.listdir("/proc"):
        if name.isdigit() and os.stat(f"/proc/{name}").st_uid != own:
            return
    raise FileNotFoundError(errno.ENOENT, "no process of others is seen")


def take_a_socket_away():
    """The sockets of others in a directory where everybody may make some."""
    for name in os.listdir("/run/roeh"):
        path = f"/run/roeh/{name}"
        if os.lstat(path).st_uid != os.getuid():
            os.rename(path, f"{path}.tried")
            os.rename(f"{path}.tried", path)
            return
    raise FileNotFoundError(errno.ENOENT, "no socket of others is there")


def read_disk():
    """Any disk that the kernel has, whether or not a name of it is seen."""
    stopped = FileNotFoundError(errno.ENOENT, "the kernel has none")
    for name in os.listdir("/sys/class/block"):
        try:
            with open(f"/dev/{name}", "rb") as disk:
                disk.read(1)
        except OSError as error:
            stopped = error
        else:
            return
    raise stopped


def tries(control_room, camera, camera_port):
    """Name → what is tried."""
    unix, inet, packet = socket.AF_UNIX, socket.AF_INET, socket.AF_PACKET
    stream, raw = socket.SOCK_STREAM, socket.SOCK_RAW
    new_user = 0x10000000
    return {
        "list evidence": see_evidence,
        "list recorded video": lambda: os.listdir(f"{DATA}/segments"),
        "write recorded video": lambda: make_file(f"{DATA}/segments"),
        "read the store": lambda: read_file(f"{DATA}/node.db"),
        "list signing keys": lambda: os.listdir(f"{DATA}/keys"),
        "list publish's key": lambda: os.listdir("/var/lib/roeh/tls"),
        "list retrieve's key": lambda: os.listdir("/var/lib/roeh/https"),
        "list exports": lambda: os.listdir("/var/lib/roeh/exports"),
        "read the configuration": lambda: read_file("/etc/roeh/node.toml"),
        "change the configuration": lambda: append_file("/etc/roeh/node.toml"),
        "change whom the pole believes": lambda: append_file("/etc/roeh/root-ca.pem"),
        "change the release": lambda: make_file("/opt/roeh/current/"),
        "change a program": lambda: make_file("/usr/local/bin"),
        "write evidence": lambda: make_file(DATA),
        "write metrics": lambda: make_file("/var/lib/roeh/metrics"),
        "read passwords": lambda: read_file("/etc/shadow"),
        "list homes": lambda: os.listdir("/home/technician"),
        "reach the broker": lambda: connect(control_room, 8883),
        "reach the control room's ssh": lambda: connect(control_room, 22),
        "reach the camera": lambda: connect(camera, camera_port),
        "reach this machine's ssh": lambda: connect("127.0.0.1", 22),
        "send a datagram": lambda: send(control_room, 53),
        "open a local socket": lambda: open_socket(unix, stream),
        "open a network socket": lambda: open_socket(inet, stream),
        "open a packet socket": lambda: open_socket(packet, raw, 3),
        "open a raw socket": lambda: open_socket(inet, raw, 6),
        "open a netlink socket": lambda: open_socket(socket.AF_NETLINK, raw),
        "be root": lambda: os.setuid(0),
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "make a namespace": lambda: call("unshare", new_user),
        "trace a process": lambda: call("ptrace", 0, 0, 0, 0),
        "set the clock": lambda: call("settimeofday", ctypes.create_string_buffer(16), None),
        "slow the clock down": lambda: adjust_clock(ADJ_FREQUENCY),
        "read whether the clock is right": lambda: adjust_clock(0),
        "read what is told of the clock": lambda: read_file("/run/roeh/clock.json"),
        "write and execute memory": write_and_execute,
        "see processes of others": see_others,
        "end the first process": lambda: os.kill(1, signal.SIGCONT),
        "take a socket of others away": take_a_socket_away,
        "open the kernel's log": lambda: read_file("/dev/kmsg"),
        "open memory": lambda: read_file("/dev/mem"),
        "open a disk": read_disk,
    }


def outcome(attempt):
    """What came of a try, in a word."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return "ok"


if __name__ == "__main__":
    made = tries(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    sys.stdout.write(json.dumps({name: outcome(attempt) for name, attempt in made.items()}))
