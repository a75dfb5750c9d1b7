"""The ceremony of keys, done with the functions that `roeh keys` calls."""

from roeh.core.clock import SystemClock
from roeh.keys.authority import AuthorityDirectory
from roeh.keys.new_authority import create_ca, create_root
from roeh.keys.open import key_home, key_sets, node_name
from roeh.keys.pole import Pole
from roeh.keys.signer import KeyUsage
from roeh.keys.tls_files import tls_copies

CLOCK = SystemClock()


class KeyKeeper:
    """A city's offline machine: a root and a node CA with plain keys."""

    def __init__(self, directory):
        self.root_dir, self.ca_dir = directory / "root", directory / "ca"
        create_root(self.root_dir, "City root", None, CLOCK)
        self.root = AuthorityDirectory(self.root_dir, passphrase=None)
        create_ca(self.ca_dir, "City node CA", self.root, None, CLOCK)
        self.ca = AuthorityDirectory(self.ca_dir, passphrase=None)
        self.anchors_pem = (self.root_dir / "ca.pem").read_bytes()

    def sign(self, requests, days=1000):
        return self.ca.sign(requests, days, CLOCK)[0]


def pole_of(config):
    home = key_home(config)
    return Pole(node_name(config), home, config.keys.home, key_sets(config), tls_copies(config))


def provision(config, keeper):
    pole = pole_of(config)
    pole.install(keeper.sign(pole.request(KeyUsage)))
    return pole
