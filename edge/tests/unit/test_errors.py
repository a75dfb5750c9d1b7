"""One tree of errors; each is one line for a person and one status for a script."""

from pathlib import Path

import pytest

from roeh.core.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_UNEXPECTED,
    EXIT_USAGE,
    RoehError,
    StorageFull,
    error_by_code,
    error_types,
)

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
RESERVED = {EXIT_OK, EXIT_UNEXPECTED, EXIT_USAGE, EXIT_INTERRUPTED}


def product_errors():
    return [error for error in error_types() if error.__module__ == "roeh.core.errors"]


def test_codes_and_statuses_are_unique_and_no_shell_uses_them():
    errors = product_errors()
    assert len({error.code for error in errors}) == len(errors)
    statuses = [error.exit_status for error in errors]
    assert len(set(statuses)) == len(statuses)
    assert not RESERVED & set(statuses)
    assert all(10 <= status < 126 for status in statuses)


@pytest.mark.parametrize("error_type", product_errors(), ids=lambda error: error.code)
def test_an_error_is_one_line_with_all_it_has_to_say(error_type):
    error = error_type(what="happened", which="thing\nof two lines", remedy="do this")
    assert error.line() == (f"roeh: {error_type.code}: happened: thing of two lines; do this")


def test_a_name_from_outside_cannot_move_the_cursor():
    error = StorageFull(what="a\x1b[2Jb", which="c\rd\x00", remedy="\ud800")
    assert error.line() == "roeh: STORAGE_FULL: a\\x1b[2Jb: c d\\x00; \\ud800"


def test_an_error_is_found_by_its_code_and_an_unknown_code_is_still_an_error():
    for error_type in product_errors():
        assert error_by_code(error_type.code) is error_type
    assert error_by_code("FROM_A_LATER_VERSION") is RoehError


def test_the_page_lists_every_error_as_it_is():
    rows = [
        tuple(cell.strip(" `") for cell in line.split("|")[1:4])
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `")
    ]
    assert rows == [
        (error.code, str(error.exit_status), error.__doc__.strip().splitlines()[0])
        for error in product_errors()
    ]
