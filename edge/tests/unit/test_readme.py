"""The pages keep their promises: commands, options, targets and links exist as written."""

import re
from pathlib import Path

import pytest

from roeh.cli import build_parser
from roeh.core.config import parse_config

REPOSITORY = Path(__file__).parents[3]
README = REPOSITORY / "README.md"
FOLDERS = ("edge/docs", "edge/design", "models", "firmware-config", "deploy", "hil-tests")
PAGES = [
    *sorted(REPOSITORY.glob("*.md")),
    *sorted(page for folder in FOLDERS for page in (REPOSITORY / folder).rglob("*.md")),
]
GETTING_STARTED = REPOSITORY / "edge" / "docs" / "getting-started.md"

COMMAND_ROW = re.compile(r"^\| `roeh (\w+)` \| (.+) \|$", re.MULTILINE)
# The help of the longest name stands in the next line.
HELP_ROW = re.compile(r"^    (\w[\w-]*)(?: {2,}|\n {6,})(\S.*)$", re.MULTILINE)
INVOCATION = re.compile(r"\broeh (?P<command>[a-z]+)(?P<rest>[^`\n|]*)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
MAKE_TARGET = re.compile(r"\bmake ([a-z][a-z-]*)(?=[\s`;,.)]|$)")
LINK = re.compile(r"\]\(([^)#\s]+)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def relative(path):
    return str(path.relative_to(REPOSITORY))


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit):
        build_parser().parse_args([*arguments, "--help"])
    return capsys.readouterr().out


def options_of(capsys, command, rest):
    """The options of a command, or of the action of it that comes next (`roeh keys sign`).

    An action may have kinds of its own (`roeh desk order POLE hold`): their options too.
    """
    text = help_of(capsys, command)
    words = rest.split()
    if words and words[0] in dict(HELP_ROW.findall(text)):
        text = help_of(capsys, command, words[0])
        kinds = dict(HELP_ROW.findall(text))
        named = next((place for place, word in enumerate(words[1:], 1) if word in kinds), None)
        if named is not None:
            text += help_of(capsys, command, *words[: named + 1])
    return OPTION.findall(text)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    """No line of a help is broken."""
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def commands(capsys):
    """Every command with what the help says of it."""
    return dict(HELP_ROW.findall(help_of(capsys)))


def test_the_readme_lists_every_command_in_the_words_of_the_help(commands):
    assert commands
    assert dict(COMMAND_ROW.findall(README.read_text())) == commands


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_command_and_option_a_page_shows_exists(page, capsys, commands):
    for code in CODE.findall(page.read_text()):
        for shown in INVOCATION.finditer(code):
            assert shown["command"] in commands, f"{relative(page)}: {shown[0]}"
            known = options_of(capsys, shown["command"], shown["rest"])
            for option in OPTION.findall(shown["rest"]):
                assert option in known, f"{relative(page)}: {shown[0]}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_make_target_a_page_shows_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    shown = {name for code in CODE.findall(page.read_text()) for name in MAKE_TARGET.findall(code)}
    assert shown <= targets


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{relative(page)}: {target}"


@pytest.mark.parametrize("folder", ["docs", "design", "design/adr"])
def test_every_page_is_in_its_index(folder):
    directory = REPOSITORY / "edge" / folder
    index = (REPOSITORY / "edge" / folder.partition("/")[0] / "README.md").read_text()
    prefix = folder.partition("/")[2]
    for page in directory.glob("*.md"):
        name = f"{prefix}/{page.name}" if prefix else page.name
        assert page.name == "README.md" or f"({name})" in index, name


def test_the_configuration_of_the_first_steps_is_valid():
    (text,) = re.findall(r"```toml\n(.*?)```", GETTING_STARTED.read_text(), re.DOTALL)
    config = parse_config(text, name="node.toml")
    assert config.rules[0].name == "gate-entry"


def test_the_folders_of_the_readme_are_those_that_exist():
    named = re.findall(r"^\| `([\w/-]+)/` \|", README.read_text(), re.MULTILINE)
    for folder in named:
        assert (REPOSITORY / folder).is_dir(), folder
