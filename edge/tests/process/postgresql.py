"""A PostgreSQL of a test's own, from Debian's package, over a socket in its own directory."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.apt import require_packages

PATIENCE_S = 60
_USER = "tester"
_OPTIONS = (
    "listen_addresses=''",
    "max_connections=50",
    # Nobody pulls the plug of a test's database; what is synced when is not its question.
    "fsync=off",
    "full_page_writes=off",
)


class Cluster:
    """A running server; `directory` holds its socket."""

    def __init__(self, directory, programs, owner):
        self.directory = directory
        self._programs = programs
        self._owner = owner
        self._count = 0

    def url(self, database):
        """Of one of its databases."""
        return f"postgresql://{_USER}@/{database}?host={self.directory}"

    def new_database(self):
        """The URL of an empty database."""
        self._count += 1
        name = f"desk_{self._count}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self):
        """Have it serve."""
        options = " ".join(f"-c {option}" for option in _OPTIONS)
        self._run(
            *("pg_ctl", "--pgdata", f"{self.directory}/data", "--wait"),
            *("--options", f"{options} -k {self.directory}"),
            *("--log", f"{self.directory}/log", "start"),
        )

    def stop(self):
        """Have it end at once; what was committed stays."""
        self._run("pg_ctl", "--pgdata", f"{self.directory}/data", "--mode", "immediate", "stop")

    def create(self):
        """Make its files."""
        self._run(
            *("initdb", "--pgdata", f"{self.directory}/data", "--username", _USER),
            *("--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"),
        )

    def _run(self, program, *arguments):
        done = subprocess.run(
            [self._programs / program, *arguments],
            **self._owner,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout


@contextlib.contextmanager
def running_postgresql():
    """A server that runs for as long as the block."""
    programs = _programs()
    # It refuses to run as root.
    owner = {"user": "nobody", "group": "nogroup", "extra_groups": ()} if not os.geteuid() else {}
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="roeh-pg-", dir=memory if memory.is_dir() else None))
    if owner:
        nobody = pwd.getpwnam("nobody")
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    cluster = Cluster(directory, programs, owner)
    try:
        cluster.create()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory)


def _programs():
    def newest():
        return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)

    if newest() is None:
        require_packages("postgresql")
    return newest()
