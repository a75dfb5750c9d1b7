"""What the evidence process is made of, opened in the order in which one needs the other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import roeh
from roeh.bitstream.media_signing import Vendor
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, ack_mode
from roeh.core.custody import HoldRow
from roeh.core.errors import StorageFailed, StorageFull
from roeh.core.log import log_error, log_for
from roeh.core.paths import ledger_dir, names_database, node_database, segments_dir
from roeh.evidence.commands import CommandParts
from roeh.evidence.delivery import DeliveryParts
from roeh.evidence.export_building import BuildingParts
from roeh.evidence.export_parts import ExportParts
from roeh.evidence.health import HealthParts
from roeh.evidence.looks import Looks
from roeh.evidence.outputs import Outputs
from roeh.evidence.refusals import RefusedStatements
from roeh.evidence.retrieval import RetrievalParts
from roeh.evidence.storage_state import StorageState
from roeh.evidence.trust import DeskTrust
from roeh.evidence.trust_lists import TrustLists
from roeh.evidence.visitors import VisitorParts, Visitors
from roeh.keys.open import open_signers
from roeh.ledger.age import US_PER_DAY, NodeAge
from roeh.ledger.alert_records import AlertRecords
from roeh.ledger.alerts import NodeStore
from roeh.ledger.checkpoints import Checkpoints
from roeh.ledger.custody import CustodyParts
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.erasing import finish_erasures
from roeh.ledger.holds import Holds
from roeh.ledger.locks import Locks
from roeh.ledger.log import Log
from roeh.ledger.mirror import Mirror
from roeh.ledger.model_record import ModelRecord
from roeh.ledger.names import NameBook
from roeh.ledger.reserve import Reserve
from roeh.ledger.retention import Retention, RingState
from roeh.ledger.segments import SegmentFiles
from roeh.ledger.witnessed import Witnessed

_MANUFACTURER = "Roeh"


class EvidenceParts:
    """The store and what keeps it; everything closes with `closing`.

    Args:
        on_failed: told when the medium failed under node.db.

    Raises:
        StorageFull, StorageFailed: the store cannot be opened.
        KeyRefused: a key is missing, unsafe or not this node's.
        ConfigError: desk.keys_file cannot be read.
    """

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        closing: contextlib.ExitStack,
        *,
        on_failed: Callable[[StorageFailed], None],
    ) -> None:
        self.config = config
        self.clock = clock
        self.trust = DeskTrust(config)
        self.database = NodeDatabase(node_database(config), on_failed=on_failed)
        closing.callback(self.database.close)
        self.log = Log(self.database, clock, site=config.node.site, node=config.node.name)
        self.files = SegmentFiles(segments_dir(config))
        closing.callback(self.files.close)
        self.signers = open_signers(config, clock)
        self.mirror = Mirror(ledger_dir(config), self.database, self.log)
        self.checkpoints = Checkpoints(
            self.database, self.log, self.mirror, self.signers.log, clock
        )
        self.age = NodeAge(self.database, clock, self.log)
        self.locks = Locks(self.database, self.log, self.age, config.evidence)
        self.names = NameBook(names_database(config))
        closing.callback(self.names.close)
        self.access = TrustLists(config, clock, self.database, self.log)
        self.holds = Holds(self.database, self.log, clock, self.names)
        self._reserve = Reserve(Path(config.paths.data_dir) / "reserve")
        self.retention = Retention(
            self.database,
            self.log,
            self.age,
            self.files,
            config.evidence,
            locks=self.locks,
            holds=self.holds,
            mirror=self.mirror.catch_up,
            free_bytes=self._free_bytes,
        )
        records = AlertRecords(self.log)
        model = ModelRecord(self.log)
        self.outputs = Outputs(config, clock, self.database, self.log, self.age.now_us)
        self.store = NodeStore(
            self.database,
            clock,
            outbox_max_bytes=config.outbox.max_bytes,
            history_max_bytes=config.outbox.history_max_bytes,
            witnesses=(
                model.on_alert,
                records.on_alert,
                self.locks.on_alert,
                self.outputs.on_alert,
            ),
            evicted=records.on_evicted,
            # By the byte: it rides in the heartbeats alone.
            checkpoint=None if config.broker.profile == "thrifty" else self.checkpoints.newest,
            age_us=self.age.now_us,
            history_age_us=round(config.outbox.history_days * US_PER_DAY),
        )
        self.storage = StorageState()
        self.refused = RefusedStatements(self.database, self.log, clock)
        self.witnessed = Witnessed(self.database, self.log, self.checkpoints)
        self.vendor = Vendor(
            firmware_version=roeh.__version__,
            serial_number=f"{config.node.site}/{config.node.name}",
            manufacturer=_MANUFACTURER,
        )

    def make_room(self, needed_bytes: int) -> RingState:
        """Delete what may go until so much fits, on a disk without a free block too.

        Raises:
            StorageFull, StorageFailed: a record could not be stored, or a file not removed.
        """
        return self._reserve.lend(lambda: self.retention.make_room(needed_bytes))

    def delivery(self) -> DeliveryParts:
        """What the verbs of delivery ask."""
        return DeliveryParts(
            addressee=f"{self.config.node.site}/{self.config.node.name}",
            ack=ack_mode(self.config),
            store=self.store,
            storage=self.storage,
            trust=self.trust,
            refused=self.refused,
            witnessed=self.witnessed,
            log_chain_pem=self.signers.log.chain_pem.decode("ascii"),
        )

    def commands(self, *, restart: Callable[[], None]) -> CommandParts:
        """What the verbs of commands ask; `restart` lets evidence end as it should."""
        return CommandParts(
            config=self.config,
            clock=self.clock,
            database=self.database,
            log=self.log,
            holds=self.holds,
            names=self.names,
            outputs=self.outputs,
            signer=self.signers.log,
            keys=self.trust.keys,
            resend=self.store.resend,
            refuse=lambda reason: self.refused.refuse("command", reason),
            restart=restart,
        )

    def retrieval(self, *, named: Callable[..., tuple[HoldRow, ...]]) -> RetrievalParts:
        """What the verbs of retrieval ask; `named` shows persons of holds by name."""
        judging = VisitorParts(
            clock=self.clock,
            database=self.database,
            names=self.names,
            trust=self.access,
            looks=Looks(self.database, self.log, self.clock),
        )
        return RetrievalParts(
            visitors=judging,
            exports=ExportParts(
                site=self.config.node.site,
                node=self.config.node.name,
                cameras=frozenset(sensor.name for sensor in self.config.sensors),
                clock=self.clock,
                database=self.database,
                log=self.log,
                holds=self.holds,
                names=self.names,
                trust=self.access,
                visitors=Visitors(judging),
                age_us=self.age.now_us,
                keep_us=round(self.config.access.keep_days * US_PER_DAY),
            ),
            building=BuildingParts(
                clock=self.clock,
                database=self.database,
                log=self.log,
                mirror=self.mirror,
                checkpoints=self.checkpoints,
                signers=self.signers,
                holds=self.holds,
                names=self.names,
                trust=self.access,
                desk=self.trust,
            ),
            named=named,
        )

    def health(self) -> HealthParts:
        """What the node's health is read from."""
        signers = (self.signers.media, self.signers.log, self.signers.manifest)
        return HealthParts(
            database=self.database,
            age=self.age,
            clock=self.clock,
            refused=self.refused,
            data_dir=Path(self.config.paths.data_dir),
            endurance_tb=self.config.evidence.medium_endurance_tb,
            chains_pem=tuple(signer.chain_pem for signer in signers),
            witnessed_utc_s=lambda: self.witnessed.last_utc_s(self.trust.keys().witness),
        )

    def finish_erasures(self) -> None:
        """Forget names that are on record as erased and were not, when it was cut off."""
        try:
            finish_erasures(self.database, self.log, self.names)
        except StorageFull as error:
            log_error(log_for("evidence"), error)

    def _free_bytes(self) -> int:
        """What the file system has left beside the reserve."""
        with storage_errors(self.files.directory):
            found = os.statvfs(self.files.directory)
        return max(0, found.f_bavail * found.f_frsize - self._reserve.lent_bytes)

    def custody(self, *, alarms: Callable[[], tuple[str, ...]]) -> CustodyParts:
        """What the verbs of custody ask."""
        return CustodyParts(
            database=self.database,
            log=self.log,
            age=self.age,
            locks=self.locks,
            holds=self.holds,
            names=self.names,
            settings=self.config.evidence,
            segments_dir=self.files.directory,
            checkpoint=self.checkpoints.newest,
            alarms=alarms,
        )
