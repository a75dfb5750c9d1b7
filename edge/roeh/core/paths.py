"""Where the processes of one node find each other and their store."""

from __future__ import annotations

from pathlib import Path

from roeh.core.config import NodeConfig


def evidence_socket(config: NodeConfig) -> Path:
    """The stream that evidence answers on."""
    return Path(config.paths.run_dir) / "evidence.sock"


def frames_socket(config: NodeConfig) -> Path:
    """Where capture offers frames."""
    return Path(config.paths.run_dir) / "frames.sock"


def clock_file(config: NodeConfig) -> Path:
    """Where evidence tells how the kernel keeps the clock."""
    return Path(config.paths.run_dir) / "clock.json"


def node_database(config: NodeConfig) -> Path:
    """Alerts, outbox, evidence index and ledger."""
    return Path(config.paths.data_dir) / "node.db"


def segments_dir(config: NodeConfig) -> Path:
    """Recorded video: one directory a camera, one file a segment."""
    return Path(config.paths.data_dir) / "segments"


def ledger_dir(config: NodeConfig) -> Path:
    """The mirror of the ledger's records and its newest checkpoint."""
    return Path(config.paths.data_dir) / "ledger"


def keys_dir(config: NodeConfig) -> Path:
    """Keys (home `file`) and certificates."""
    return Path(config.keys.dir or Path(config.paths.data_dir) / "keys")


def tls_dir(config: NodeConfig) -> Path:
    """The key and certificate for TLS: publish's own, beside evidence's data and not in it."""
    return Path(config.keys.tls_dir or f"{config.paths.data_dir}-tls")


def retrieve_tls_dir(config: NodeConfig) -> Path:
    """The same for retrieve, which people connect to."""
    return Path(config.keys.retrieve_tls_dir or f"{config.paths.data_dir}-https")


def exports_dir(config: NodeConfig) -> Path:
    """Encrypted bundles that wait to be fetched: retrieve's own."""
    return Path(config.access.exports_dir or f"{config.paths.data_dir}-exports")


def names_database(config: NodeConfig) -> Path:
    """Who the pseudonyms of the ledger are: outside it, so that it can be erased."""
    return Path(config.paths.data_dir) / "names.db"


def trust_list_file(config: NodeConfig) -> Path:
    """The trust list in force, as it was signed: evidence's own."""
    return Path(config.paths.data_dir) / "trust-list.p7m"
