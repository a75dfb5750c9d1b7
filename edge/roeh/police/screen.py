"""What the person sees: tables, progress, a question; plain lines where nobody looks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from roeh.core.errors import AccessRefused, one_line
from roeh.police.wording import Line

OnBytes = Callable[[int], None]


def say(text: str) -> None:
    """One line of the answer."""
    sys.stdout.write(f"{one_line(text)}\n")


def say_json(value: msgspec.Struct) -> None:
    """An answer for programs, one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def show_lines(title: str, lines: Sequence[Line]) -> None:
    """Label and text of each."""
    table = Table(title=Text(title), title_justify="left", show_header=False, box=None)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(Text(line.label), Text(one_line(line.text)))
    _console().print(table)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their heads."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    _console().print(table)


def agreed(question: str, *, is_said: bool) -> None:
    """Go on only when the person says yes.

    Args:
        question: what they are asked.
        is_said: they said so on the command line.

    Raises:
        AccessRefused: they did not.
    """
    if is_said:
        return
    if not sys.stdin.isatty():
        raise AccessRefused(
            what="nobody is there to agree",
            which=question,
            remedy="read what stands above, then add --yes",
        )
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise AccessRefused(what="not agreed to", which=question, remedy="nothing was signed")


@contextlib.contextmanager
def bytes_progress(text: str, total_bytes: int, *, is_quiet: bool = False) -> Iterator[OnBytes]:
    """A bar of bytes on standard error, where a person looks; the function to tell it more."""
    if is_quiet or not sys.stderr.isatty():
        yield _not_shown
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(text, total=total_bytes)

        def on_bytes(size_bytes: int) -> None:
            progress.advance(task, size_bytes)

        yield on_bytes


def _not_shown(_size_bytes: int) -> None:
    """Nobody is watching."""


def _console() -> Console:
    # Not a terminal: lines as long as they are, so that nothing is cut for who reads a log.
    width = None if sys.stdout.isatty() else 200
    return Console(file=sys.stdout, width=width, highlight=False, soft_wrap=False)
