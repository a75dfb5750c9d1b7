"""Options that several commands of `roeh police` have, and what they are read as."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from roeh.core.errors import ConfigError
from roeh.core.retrieval import Region
from roeh.keys.signer import NodeName
from roeh.police.city_tls import pole_context
from roeh.police.person import key_passphrase
from roeh.police.pole import Pole, parse_address


def add_key(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The person's own key and certificate."""
    parser.add_argument("--key", type=Path, required=required, metavar="FILE", help="your key, PEM")
    parser.add_argument(
        "--cert",
        type=Path,
        metavar="FILE",
        help="your certificate with its CA's, PEM; default: in the file of the key",
    )
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="of the key: its first line"
    )


def add_pole(parser: argparse.ArgumentParser, *, required: bool, is_online: bool) -> None:
    """Which pole, and who vouches for it where it is spoken to."""
    parser.add_argument(
        "--pole",
        type=pole_argument,
        required=required,
        metavar="SITE/NODE",
        help="which pole it is, as its certificate names it",
    )
    parser.add_argument(
        "--root", type=Path, required=is_online, metavar="FILE", help="the city's root, PEM"
    )


def add_online(parser: argparse.ArgumentParser) -> None:
    """A pole that is spoken to, and all that it takes."""
    parser.add_argument("url", metavar="POLE_URL", help="https://HOST[:PORT], default port 8443")
    add_pole(parser, required=True, is_online=True)
    add_key(parser, required=True)
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Answers for programs."""
    parser.add_argument("--json", action="store_true", help="JSON lines")


def pole_of(chosen: argparse.Namespace) -> Pole:
    """The pole that the options name.

    Raises:
        ConfigError: an option is missing or names a file that cannot be used.
        KeyRefused: the key needs a passphrase that nobody gives.
    """
    wanted = {"--pole": chosen.pole, "--root": chosen.root, "--key": chosen.key}
    for option, value in wanted.items():
        if value is None:
            raise ConfigError(
                what="needed to speak with a pole", which=option, remedy="give it as well"
            )
    passphrase = key_passphrase(chosen.key, chosen.passphrase_file)
    context = pole_context(
        chosen.root, chosen.cert or chosen.key, chosen.key, passphrase, chosen.pole
    )
    return Pole(parse_address(chosen.url), context)


def pole_argument(text: str) -> NodeName:
    """SITE/NODE.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    site, slash, node = text.partition("/")
    if not (site and slash and node) or "/" in node:
        raise argparse.ArgumentTypeError(f"{text!r} is not like SITE/NODE")
    return NodeName(site=site, node=node)


def region_argument(text: str) -> Region:
    """CAMERA:X0,Y0,X1,Y1 in pixels.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    camera, _, corners = text.rpartition(":")
    try:
        x0_px, y0_px, x1_px, y1_px = (int(part) for part in corners.split(","))
        region = Region(camera_id=camera, x0_px=x0_px, y0_px=y0_px, x1_px=x1_px, y1_px=y1_px)
        return msgspec.convert(msgspec.to_builtins(region), Region)
    except (ValueError, msgspec.ValidationError):
        raise argparse.ArgumentTypeError(f"{text!r} is not like north:100,200,180,260") from None
