"""What all tests share."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

from roeh.desk.store import open_desk_store
from tests.desks import desk_in
from tests.process.postgresql import running_postgresql

# As the command line does, before numpy is imported: our matrices are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The same examples on every machine; HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture
def short_directory():
    """A directory with a short path that every user may enter, for sockets."""
    path = Path(tempfile.mkdtemp(prefix="roeh-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def memory_directory():
    """A directory in memory, for stores: what a disk does to them is tested with disks."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="roeh-", dir=memory if memory.is_dir() else None
    ) as path:
        yield Path(path)


@pytest.fixture
def as_root():
    """The test starts processes of other users, or mounts."""
    if os.geteuid() != 0:
        pytest.skip("needs root: processes of other users, or a mount")


@pytest.fixture(scope="session")
def postgresql():
    """One PostgreSQL for all tests; each makes a database of its own in it."""
    with running_postgresql() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.apt("postgresql"))])
def desk_config(request, memory_directory):
    """A desk with an empty database, once of each kind."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    return desk_in(memory_directory, f'[database]\nurl = "{url}"')


@pytest.fixture
def desk_database(desk_config):
    """That database, open."""
    with contextlib.closing(open_desk_store(desk_config)) as store:
        yield store
