"""Files of firmware-config/, each checked by the tool that reads it on a board.

A check is given a copy of the whole tree and one file of it, and returns what the tool complains
of: nothing means that the file is good. Tools that read fixed paths get the file there in a mount
namespace of their own; nothing of this machine is changed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from check import check_file

FIRMWARE = Path(__file__).parents[2] / "firmware-config"
BASES = Path(__file__).parent / "firmware" / "bases"
#: What systemd-analyze may reckon, in tenths.
EXPOSURE_AT_MOST = 15
DISK_BYTES = 64 * 2**30


def run(*command, **options):
    """A tool's whole answer: its status, and all that it printed."""
    environment = os.environ | {"LC_ALL": "C.UTF-8", "SYSTEMD_LOG_TARGET": "console"}
    return subprocess.run(
        [str(word) for word in command],
        env=environment | options.pop("environment", {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def complaint(done, *, unless=()):
    """What a tool printed, without lines that it always prints; its status when that is all."""
    lines = [
        line
        for line in done.stdout.splitlines()
        if line.strip() and not any(re.search(harmless, line) for harmless in unless)
    ]
    if not lines and done.returncode:
        return f"status {done.returncode}"
    return "\n".join(lines)


def failed(done):
    """What a tool printed when it failed; nothing when it did not."""
    return done.stdout or f"status {done.returncode}" if done.returncode else ""


def in_namespace(script, *arguments, net=False):
    """A shell script in a mount namespace (and a network namespace) of its own."""
    kinds = ["--mount", "--net"] if net else ["--mount"]
    return run("unshare", *kinds, "sh", "-euc", script, "sh", *arguments)


_UNIT_ROOT = """
mount -t tmpfs none /opt
mkdir -p /opt/roeh/current/bin /opt/roeh/previous/bin
mount -t tmpfs none /usr/local
mkdir -p /usr/local/lib/roeh
for program in /opt/roeh/current/bin/roeh /opt/roeh/previous/bin/roeh \
    /usr/local/lib/roeh/roeh-disk-key /usr/local/lib/roeh/roeh_case.py; do
    printf '#!/bin/sh\\n' >"$program"
    chmod +x "$program"
done
mount -t tmpfs none /etc/systemd
mkdir /etc/systemd/system
for unit in ssh mosquitto postgresql; do
    printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/$unit.service
done
cp "$1"/systemd/*.service "$1"/systemd/*.target "$1"/systemd/*.path "$1"/common/*/*.service \
    /etc/systemd/system/
cp -r "$1"/common/*/*.service.d "$1"/orin/*.service.d /etc/systemd/system/
"""


def verified_unit(tree, file):
    """systemd loads it with the others, and says nothing: to it an unknown key is no error."""
    unit = file.parent.name.removesuffix(".d") if file.suffix == ".conf" else file.name
    script = _UNIT_ROOT + 'systemd-analyze verify --man=no "$2"'
    return complaint(in_namespace(script, tree, unit))


#: A boot that starts every unit which any board starts.
_BOOT = """
cat >/etc/systemd/system/boot.target <<END
[Unit]
Requires=basic.target
Wants=$(cd /etc/systemd/system && grep -l -d skip "^WantedBy=" roeh* | tr "\\n" " ")
END
"""


def boot_order(tree):
    """What systemd says of a boot with all units at once; nothing: each has its place in it."""
    script = _UNIT_ROOT + _BOOT + "systemd-analyze verify --man=no boot.target"
    return complaint(in_namespace(script, tree))


def closed_unit(tree, file):
    """How much a service could do beside its work."""
    command = ["systemd-analyze", "security", "--no-pager", "--offline=yes"]
    return failed(run(*command, f"--threshold={EXPOSURE_AT_MOST}", file))


def made_users(tree, file):
    root = tree.parent / f"{tree.name}-users"
    (root / "etc").mkdir(parents=True, exist_ok=True)
    done = run("systemd-sysusers", f"--root={root}", file)
    return complaint(done, unless=["^Creating (user|group) "])


def made_directories(tree, file):
    root = tree.parent / f"{tree.name}-directories"
    (root / "etc").mkdir(parents=True, exist_ok=True)
    run("systemd-sysusers", f"--root={root}", *sorted((tree / "systemd/sysusers.d").glob("*.conf")))
    return complaint(run("systemd-tmpfiles", f"--root={root}", "--create", file))


#: The rules name a user of the pole's: here it is one in this namespace alone.
WITH_PUBLISH = """
mount -t tmpfs none /mnt
cp /etc/passwd /mnt/passwd
printf 'roeh-publish:x:64003:64003::/:/bin/false\\n' >>/mnt/passwd
mount --bind /mnt/passwd /etc/passwd
"""
PUBLISH_UID = 64003


def loaded_rules(tree, file):
    """The kernel takes the whole set of rules."""
    nftables = tree / "common/nftables"
    command = 'nft -I "$1" -c -f "$1/nftables.conf" && nft -I "$1" -f "$1/nftables.conf"'
    return complaint(in_namespace(WITH_PUBLISH + command, nftables, net=True))


def read_time_settings(tree, file):
    if file.suffix == ".sources":
        strangers = [
            line
            for line in file.read_text().splitlines()
            if not re.match(r"(#|$|server |pool |peer )", line)
        ]
        if strangers:
            return "\n".join(strangers)
    return failed(run("chronyd", "-p", "-f", file))


def read_udev_rules(tree, file):
    script = """
    mount -t tmpfs none /mnt
    cp /etc/group /etc/passwd /mnt
    printf 'roeh:x:64001:\\ntss:x:64002:\\n' >>/mnt/group
    mount --bind /mnt/group /etc/group
    mount --bind "$1" /etc/udev/rules.d
    udevadm test /devices/virtual/net/lo
    """
    done = in_namespace(script, file.parent)
    if f"Reading rules file: /etc/udev/rules.d/{file.name}" not in done.stdout:
        return f"not read: {done.stdout[-500:]}"
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if re.search(rf"rules\.d/{file.name}:\d+", line))


def read_module_settings(tree, file):
    done = run("modprobe", "--showconfig", "-C", file)
    return "\n".join(line for line in done.stdout.splitlines() if "libkmod" in line)


def read_manager_settings(tree, file):
    """systemd itself, as it would start: its own file of settings and a user's have one table."""
    script = """
    mount -t tmpfs none /etc/systemd
    mkdir -p /etc/systemd/user.conf.d
    cp "$1" /etc/systemd/user.conf.d/
    chmod -R a+rX /etc/systemd
    export HOME=/nonexistent XDG_RUNTIME_DIR=/tmp
    setpriv --reuid 65534 --regid 65534 --clear-groups \\
        /lib/systemd/systemd --test --user --unit=basic.target
    """
    done = in_namespace(script, file)
    said = [line for line in done.stdout.splitlines() if "/user.conf.d/" in line]
    if "Loaded units" not in done.stdout:
        said.append(f"it did not start: {done.stdout[-300:]}")
    return "\n".join(said)


def read_upload_settings(tree, file):
    script = """
    mount -t tmpfs none /etc/systemd
    mkdir -p /etc/systemd/journal-upload.conf.d
    cp "$1" /etc/systemd/journal-upload.conf.d/
    /lib/systemd/systemd-journal-upload --version
    """
    done = in_namespace(script, file)
    return "\n".join(line for line in done.stdout.splitlines() if "conf.d/" in line)


def read_kernel_settings(tree, file):
    """Its syntax; a kernel in a container does not have every key, check/ knows their names."""
    done = run("sysctl", "--dry-run", "-p", file)
    return "\n".join(line for line in done.stdout.splitlines() if "syntax" in line)


def checked_script(tree, file):
    if not os.access(file, os.X_OK):
        return f"{file.name} cannot be executed"
    return failed(run("sh", "-n", file)) or failed(run("shellcheck", "--shell=sh", file))


def compiled_program(tree, file):
    """It can be executed, and the interpreter takes it (types are mypy's)."""
    if not os.access(file, os.X_OK):
        return f"{file.name} cannot be executed"
    return failed(
        run(
            sys.executable,
            "-W",
            "error",
            "-c",
            "import ast, sys; ast.parse(open(sys.argv[1]).read())",
            file,
        )
    )


def planned_partitions(tree, file):
    """What repart would make of an empty disk."""
    return partitions(tree, with_tpm=file.is_relative_to(tree / "common/repart-tpm2"))[0]


def partitions(tree, *, with_tpm=False, disk_bytes=DISK_BYTES):
    """What repart says beside its plan, and the plan."""
    definitions = tree.parent / f"{tree.name}-repart"
    shutil.rmtree(definitions, ignore_errors=True)
    shutil.copytree(tree / "common/repart.d", definitions)
    if with_tpm:
        shutil.copytree(tree / "common/repart-tpm2", definitions, dirs_exist_ok=True)
    image = tree.parent / f"{tree.name}-disk"
    with image.open("wb") as disk:
        disk.truncate(disk_bytes)
    command = ["systemd-repart", "--dry-run=yes", "--empty=force", f"--definitions={definitions}"]
    done = run(*command, "--no-pager", "--json=short", image)
    plan = [line for line in done.stdout.splitlines() if line.startswith("[{")]
    said = complaint(done, unless=[r"^\[\{", "^Refusing to repartition, please re-run"])
    return said or ("" if plan else "no plan"), json.loads(plan[0]) if plan else []


def read_mounts(tree, file):
    """The generator of mount units, and findmnt's reading of the lines."""
    units = tree.parent / f"{tree.name}-mounts"
    shutil.rmtree(units, ignore_errors=True)
    for name in ("normal", "early", "late"):
        (units / name).mkdir(parents=True)
    generator = "/lib/systemd/system-generators/systemd-fstab-generator"
    folders = [units / name for name in ("normal", "early", "late")]
    said = complaint(run(generator, *folders, environment={"SYSTEMD_FSTAB": str(file)}))
    verdict = run("findmnt", "--verify", "--tab-file", file).stdout
    made = len([unit for unit in units.rglob("*.mount") if not unit.is_symlink()])
    lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"]
    if "0 parse errors" not in verdict:
        said += verdict
    if made != len(lines):
        said += f"{made} mounts of {len(lines)} lines"
    return said


def read_encrypted_disks(tree, file):
    units = tree.parent / f"{tree.name}-{file.name}"
    shutil.rmtree(units, ignore_errors=True)
    folders = [units / name for name in ("normal", "early", "late")]
    for folder in folders:
        folder.mkdir(parents=True)
    generator = "/lib/systemd/system-generators/systemd-cryptsetup-generator"
    said = complaint(run(generator, *folders, environment={"SYSTEMD_CRYPTTAB": str(file)}))
    if not said and not list(units.rglob("systemd-cryptsetup@*.service")):
        said = "no disk"
    return said


def merged_overlay(tree, file):
    """The compiler takes it without a word, and it fits onto a base with the board's labels."""
    board = file.parent.parent.name
    compiled, base, merged = (
        tree.parent / f"{tree.name}-{board}-{file.stem}.{end}" for end in ("dtbo", "base", "dtb")
    )
    said = complaint(run("dtc", "-@", "-I", "dts", "-O", "dtb", "-o", compiled, file))
    said = said or complaint(
        run("dtc", "-@", "-I", "dts", "-O", "dtb", "-o", base, BASES / f"{board}.dts")
    )
    return said or complaint(run("fdtoverlay", "-i", base, "-o", merged, compiled))


def held_by_schema(tree, file):
    return "\n".join(str(mistake) for mistake in check_file(file))
