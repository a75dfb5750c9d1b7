"""Checks files of a board that have no linter of their own, against one table of settings.

`python -m check FILE...` prints one line for each mistake: file, line, key, what to write.
"""

from check.mistakes import Mistake
from check.rules import check_file

__all__ = ["Mistake", "check_file"]
