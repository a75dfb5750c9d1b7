"""Where a pole is reached: by name, by address, and over a link of its own."""

import ssl

import pytest

from roeh.core.errors import MessageRefused
from roeh.police.city_tls import PoleContext
from roeh.police.pole import Address, Pole, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://pole-7.local", "pole-7.local", 8443),
        ("https://10.0.0.5:443/", "10.0.0.5", 443),
        ("https://[fe80::1%eth0]", "[fe80::1%eth0]", 8443),
        ("https://[::1]:9", "[::1]", 9),
    ],
)
def test_an_address_is_understood(text, host, port):
    address = parse_address(text)
    assert address == Address(host, port)
    # And can be spoken to.
    Pole(address, PoleContext(ssl.PROTOCOL_TLS_CLIENT)).close()


@pytest.mark.parametrize(
    "text",
    ["http://pole", "https://", "pole", "https://a b", "https://x:0", "https://x:70000",
     "https://u@x", "https://x/path", "https://x\n", "ftp://x"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(MessageRefused):
        parse_address(text)
