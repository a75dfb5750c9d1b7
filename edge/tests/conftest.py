"""What all tests share."""

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

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
