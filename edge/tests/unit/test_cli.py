"""The command line: every command explains itself, and refuses what it cannot mean."""

import pytest

from roeh import __version__
from roeh.cli import build_parser, main

COMMANDS = ("demo", "run", "config", "models", "doctor", "replay", "detect", "watch")


def ended(capsys, *arguments):
    """Exit status and what was said, of a command line that ends while it is parsed."""
    with pytest.raises(SystemExit) as end:
        build_parser().parse_args(arguments)
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys, command):
    status, out, err = ended(capsys, command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: roeh {command} ")
    assert "edge/docs/errors.md" in out


def test_help_names_every_command(capsys):
    status, out, _ = ended(capsys, "--help")
    assert status == 0
    for command in COMMANDS:
        assert f"\n    {command} " in out


def test_without_a_command_it_says_what_there_is(capsys):
    assert main([]) == 2
    assert "usage: roeh" in capsys.readouterr().out


def test_the_version(capsys):
    assert ended(capsys, "--version") == (0, f"roeh {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("demo", "--seconds", "0"),
        ("demo", "--seconds", "-3"),
        ("demo", "--seconds", "nan"),
        ("demo", "--seconds", "inf"),
        ("demo", "--seconds", "1e9"),
        ("demo", "--seconds", "ten"),
        ("run",),
        ("run", "-c", "node.toml", "--only", "supervise"),
        ("config", "-c", "node.toml"),
        ("config", "burn", "-c", "node.toml"),
        ("replay", "video.avi"),
        ("detect", "picture.jpg"),
        ("detect", "picture.jpg", "--lens", "none", "--min-confidence", "1.01"),
        ("watch",),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(capsys, arguments):
    status, out, err = ended(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: roeh")
    assert "_duration_s" not in err
    assert "_share" not in err


def test_defaults():
    chosen = build_parser().parse_args(["demo"])
    assert (chosen.source, chosen.seconds, chosen.json, chosen.keep) == (None, 40.0, False, None)
    chosen = build_parser().parse_args(["detect", "a.jpg", "--lens", "none"])
    assert chosen.min_confidence == 0.35
