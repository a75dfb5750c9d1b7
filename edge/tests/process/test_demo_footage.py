"""Footage for the demo: fetched whole or not at all, with the reason in one line."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from roeh.core.errors import SourceUnreadable
from roeh.demo import footage
from roeh.demo.footage import fetch_footage, footage_at_hand

#: The package is installed nowhere on this machine, as far as the tests go.
NOWHERE = Path("/nowhere")
FOOTAGE = b"not really a video, but whole"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with the system's tools, where a test may put an apt-get of its own."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("dpkg-deb", "tar", "sh", "sleep", "cp", "gzip", "xz", "zstd", "cat"):
        found = shutil.which(name)
        if found:
            (directory / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(directory))
    return directory


def write_apt(tools, script):
    (tools / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "apt-get").chmod(0o755)


def package(directory):
    """A Debian package that holds the footage, and nothing else of any use."""
    root = directory / "root"
    path = root / footage.MEMBER
    path.parent.mkdir(parents=True)
    path.write_bytes(FOOTAGE)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        f"Package: {footage.PACKAGE}\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@localhost>\nDescription: test\n"
    )
    deb = directory / f"{footage.PACKAGE}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(root), str(deb)], check=True, capture_output=True)
    return deb


def test_the_one_file_of_the_package_is_kept_and_found_again(tools, tmp_path):
    write_apt(tools, f'[ "$*" = "${{*%update*}}" ] && cp {package(tmp_path)} .; exit 0')
    cache = tmp_path / "cache"
    path = fetch_footage(cache, installed=NOWHERE)
    assert path.read_bytes() == FOOTAGE
    assert [entry.name for entry in cache.iterdir()] == [path.name]
    (tools / "apt-get").unlink()
    assert (
        fetch_footage(cache, installed=NOWHERE) == footage_at_hand(cache, installed=NOWHERE) == path
    )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "there is no apt-get on this machine"),
        ("echo no network >&2; exit 100", "apt-get failed: no network"),
        ("exit 0", f"apt-get gave no {footage.PACKAGE} package"),
        (f"echo garbage > {footage.PACKAGE}_1_all.deb", "dpkg-deb failed: "),
    ],
)
def test_what_went_wrong_is_said_and_nothing_is_left(tools, tmp_path, script, reason):
    if script is not None:
        write_apt(tools, script)
    cache = tmp_path / "cache"
    with pytest.raises(SourceUnreadable) as refusal:
        fetch_footage(cache, installed=NOWHERE)
    assert reason in refusal.value.line()
    assert "--source FILE" in refusal.value.line()
    assert not cache.exists() or not list(cache.iterdir())


def test_a_download_is_given_up_when_told_to_stop(tools, tmp_path):
    write_apt(tools, "exec sleep 600")
    stop = threading.Event()
    stop.set()
    with pytest.raises(SourceUnreadable, match="interrupted"):
        fetch_footage(tmp_path / "cache", stop=stop, installed=NOWHERE)


def test_a_cache_that_cannot_be_written_is_named(tools, tmp_path):
    write_apt(tools, "exit 0")
    (tmp_path / "file").touch()
    with pytest.raises(SourceUnreadable, match="cannot be written"):
        fetch_footage(tmp_path / "file" / "cache", installed=NOWHERE)


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert footage.cache_dir() == tmp_path / "roeh" / "footage"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", os.sep + "home")
    assert str(footage.cache_dir()) == "/home/.cache/roeh/footage"
