"""Pseudonyms: one for each person and case, forgotten when it is asked for, missed by nobody."""

import contextlib
import re
import stat

import pytest

from roeh.ledger.names import NameBook, case, numbered, typed


@pytest.fixture
def path(memory_directory):
    return memory_directory / "names.db"


@pytest.fixture
def book(path):
    with contextlib.closing(NameBook(path)) as book:
        yield book


def test_one_pseudonym_for_each_person_and_case(book):
    ada, ben = book.pseudonym(numbered("100", "Ada")), book.pseudonym(numbered("200", "Ben"))
    theft = book.pseudonym(case("2026/1"))
    assert re.fullmatch(r"p-[0-9a-f]{16}", ada)
    assert re.fullmatch(r"c-[0-9a-f]{16}", theft)
    assert len({ada, ben, theft}) == 3
    assert book.pseudonym(numbered("100", "Ada Levi")) == ada
    assert book.read((ada,)) == {ada: "Ada Levi"}
    assert book.read() == {ada: "Ada Levi", ben: "Ben", theft: "2026/1"}


def test_a_typed_name_is_no_number(book):
    assert book.pseudonym(typed("100")) != book.pseudonym(numbered("100", "100"))


@pytest.mark.parametrize("name", ["b. smit", "B.  Smit ", "\uff22. Smit"])
def test_a_typed_name_is_the_same_however_it_is_written(book, name):
    assert book.pseudonym(typed(name)) == book.pseudonym(typed("B. Smit"))


def test_who_types_the_name_of_their_certificate_is_no_second_person(book):
    numbered_smit = book.pseudonym(numbered("7", "B. Smit"))
    assert book.are_same(numbered_smit, book.pseudonym(typed("b. smit")))
    assert not book.are_same(numbered_smit, book.pseudonym(typed("C. Jansen")))
    assert not book.are_same(numbered_smit, book.pseudonym(numbered("8", "B. Smit")))


def test_it_stays_over_a_restart_and_nobody_else_can_read_it(path, book):
    ada = book.pseudonym(numbered("100", "Ada"))
    book.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with contextlib.closing(NameBook(path)) as again:
        assert again.pseudonym(numbered("100", "Ada")) == ada


def test_what_is_forgotten_is_in_no_file_and_comes_again_as_another(path, book):
    ada = book.pseudonym(numbered("100", "Ada Levi-Zzyzx"))
    book.pseudonym(numbered("200", "Ben"))
    book.forget((ada,))
    left = [file for file in path.parent.iterdir() if b"Zzyzx" in file.read_bytes()]
    assert left == []
    assert not book.is_known(ada)
    assert book.pseudonym(numbered("100", "Ada Levi-Zzyzx")) != ada


@pytest.mark.parametrize("cut", [1, 20, 2000, 6000])
def test_a_damaged_file_is_set_aside_and_an_alarm_stands(path, cut):
    with contextlib.closing(NameBook(path)) as book:
        book.pseudonym(numbered("100", "Ada"))
    path.write_bytes(b"x" * cut + path.read_bytes()[cut:])
    with contextlib.closing(NameBook(path)) as book:
        ada = book.pseudonym(numbered("100", "Ada"))
        assert book.read((ada,)) == {ada: "Ada"}
        assert "lost or damaged" in " ".join(book.alarms())
        book.forget((ada,))
        assert [file.name for file in path.parent.iterdir()] == ["names.db"]


def test_where_it_cannot_be_written_pseudonyms_are_given_all_the_same(path):
    path.mkdir()
    with contextlib.closing(NameBook(path)) as book:
        ada = book.pseudonym(numbered("100", "Ada"))
        assert book.pseudonym(numbered("100", "Ada")) == ada
        assert book.read((ada,)) == {ada: "Ada"}
        assert len(book.alarms()) == 1
        path.rmdir()
        assert book.pseudonym(numbered("100", "Ada")) == ada
        assert book.alarms() == ()
    with contextlib.closing(NameBook(path)) as again:
        assert again.read() == {ada: "Ada"}
