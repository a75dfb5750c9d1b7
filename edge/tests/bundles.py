"""A bundle as it leaves a pole: a real store, real signatures, written by the table of paths.

export = ExportedStore(directory)
export.write_bag(directory / "bag")       # or .zip_bytes(), or .encrypted(recipient)
"""

import contextlib
import hashlib
import io
import json
import tempfile
from pathlib import Path

import msgspec

from roeh.access.requests import request_bytes
from roeh.bitstream.cut import cut, gops_of_segment
from roeh.bitstream.mp4_read import read_fragments, read_init
from roeh.bundle import layout
from roeh.bundle.encryption import encrypt
from roeh.bundle.spill import Spill
from roeh.bundle.telling import Tally, witness_entry
from roeh.bundle.zip_file import ZipStream
from roeh.core.retrieval import PersonRole
from roeh.keys.cms import sign_detached
from roeh.keys.signer import KeyUsage
from roeh.ledger.note import cosignatures, parse_checkpoint, parse_note
from roeh.ledger.records import (
    ApprovalRecord,
    ExportRecord,
    ExportRequestRecord,
    HoldRecord,
    HoldSpan,
    KeyRecord,
    Record,
    SegmentRecord,
    TrustListRecord,
)
from tests.authorities import day_us
from tests.people import PeopledCity, an_export_request
from tests.sealed_stores import RECORDED_US, SealedStore, SoftwareSigner, Witness

EXPORT_ID = "019b0000-0000-7000-8000-000000000001"
CAMERA = "north"
PERSONS = {"p-00000000000000aa": "Dana Levi (100), Police", "p-00000000000000bb": "Noa Bar (200)"}
CASE = "c-00000000000000cc"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class ExportedStore:
    """A pole's store and one export of it.

    Attributes:
        files: of the bag, by path, without the manifests and what seals them.
    """

    def __init__(self, directory, *, segments=6, stamper=None, **changed):
        self.stamper = stamper
        self.city = PeopledCity()
        self.witness = Witness()
        self.asker = self.city.person(PersonRole.INVESTIGATOR, "100", name="Dana Levi")
        self.approver = self.city.person(PersonRole.APPROVER, "200", name="Noa Bar")
        self.directory = directory
        self.store = SealedStore(directory, self.city)
        self.manifest_signer = SoftwareSigner(self.city, KeyUsage.MANIFEST)
        self.trust_version = 3
        self.trust_list = self.city.trust_list(version=3, issued_us=day_us(99))
        self._append(
            KeyRecord(
                usage="manifest",
                spki_sha256=sha256(self.manifest_signer.spki_der),
                certificate_sha256=sha256(b""),
                home="file",
                is_provisioned=True,
            )
        )
        self._append(
            TrustListRecord(
                version=3,
                issued_utc_us=day_us(99),
                sha256=sha256(self.trust_list),
                via="file",
            )
        )
        self.store.record(self.store.source(), 4 * segments)
        self.store.recorder.close()
        said = {
            "id": EXPORT_ID,
            "cameras": (CAMERA,),
            "from_utc_us": RECORDED_US + 2_200_000,
            "to_utc_us": RECORDED_US + 6_200_000,
            "requested_utc_us": self.now_us(),
        }
        self.request = an_export_request(**(said | changed))
        self.request_signed = self.asker.sign_request(self.request)
        self.approval = self.approver.approve(self.request)
        self.seen = self.witness.cosign(self.store.seal(), self.now_us() // 10**6 + 1)

    def _append(self, body):
        self.store.clock.advance(1.0)
        return self.store.append(body)

    def append(self, body):
        """A record more, a second later; its leaf."""
        return self._append(body)

    def now_us(self):
        return self.store.clock.read().t_utc_ns // 1000

    def record_custody(self, *, request=None, approval=None, persons=tuple(PERSONS)):
        """Hold, request, approval and beginning, as evidence has them on record."""
        request = request or self.request
        self._append(
            HoldRecord(
                hold_id="019b0000-0000-7000-8000-0000000000aa",
                person=persons[0],
                reason="export",
                spans=(HoldSpan(CAMERA, self.store.clock.read().boot_id, 0, 10**9),),
            )
        )
        self._append(
            ExportRequestRecord(
                export_id=request.id,
                request_sha256=sha256(request_bytes(request)),
                person=persons[0],
                case=CASE,
                export_kind=request.kind,
                cameras=request.cameras,
                from_utc_us=request.from_utc_us,
                to_utc_us=request.to_utc_us,
                hold_id="019b0000-0000-7000-8000-0000000000aa",
                is_signed=True,
            )
        )
        self._append(
            ApprovalRecord(
                export_id=request.id,
                approval_sha256=sha256(approval or self.approval),
                person=persons[1],
                verdict="approved",
                trust_list_version=3,
            )
        )
        self._append(ExportRecord(export_id=request.id, step="begun", person=persons[0], detail=""))

    def payload(self):
        """The files below data/ and certs/."""
        note = self.store.seal()
        self.checkpoint = note
        size = parse_checkpoint(parse_note(note).text).size
        seen = parse_checkpoint(parse_note(self.seen).text)
        lines = self._records(size)
        with self.store.database.reading() as connection:
            proofs = [self.store.log.inclusion_proof(connection, leaf, size) for leaf, _ in lines]
            consistency = self.store.log.consistency_proof(connection, seen.size, size)
        custody = [line for _, line in lines if kind_of(line) in layout.CUSTODY_KINDS]
        segments = self._segments()
        files = {path: content for path, content, _ in segments}
        video = self.video(segments)
        entries = [self._entry(content, record) for _, content, record in segments]
        files |= {
            layout.ONLY_VIDEO: video,
            layout.SEGMENT_LINES: b"".join(msgspec.json.encode(e) + b"\n" for e in entries),
            layout.REQUEST: request_bytes(self.request),
            layout.REQUEST_SIGNED: self.request_signed,
            layout.APPROVAL: self.approval,
            layout.TRUST_LIST: self.trust_list,
            layout.RECORDS: b"".join(line + b"\n" for _, line in lines),
            layout.CUSTODY: b"".join(line + b"\n" for line in custody),
            layout.INCLUSION: b"".join(
                inclusion(leaf, size, proof) + b"\n"
                for (leaf, _), proof in zip(lines, proofs, strict=True)
            ),
            layout.CONSISTENCY: consistency_json(seen.size, size, consistency),
            layout.CHECKPOINT: note.encode(),
            layout.WITNESSED: self.seen.encode(),
            layout.report_file("en", "html"): b"<!doctype html><title>Export</title>\n",
        }
        if self.stamper is not None:
            files[layout.CHECKPOINT_TIMESTAMP] = self.stamper.stamp(note.encode())
        document = self._document(files, entries, video, size, len(lines))
        files[layout.EXPORT] = msgspec.json.encode(document)
        self.certificates = {
            layout.CERTIFICATES["media"]: self.store.media.chain_pem,
            layout.CERTIFICATES["log"]: self.store.log_signer.chain_pem,
            layout.CERTIFICATES["manifest"]: self.manifest_signer.chain_pem,
        }
        return files

    def recorded_segments(self):
        """(path, content, record) of those in the span."""
        return self._segments()

    def video(self, segments):
        """What of these is asked for, as a playable file."""
        return b"".join(cut(self._gops(segments), *self._span()))

    def tell(self, payload, **changed):
        """Let export.json say something else."""
        document = msgspec.json.decode(payload[layout.EXPORT], type=layout.ExportDocument)
        changed = msgspec.structs.replace(document, **changed)
        payload[layout.EXPORT] = msgspec.json.encode(changed)

    def _records(self, size):
        """(leaf, line) of what concerns the span."""
        with self.store.database.reading() as connection:
            lines = self.store.log.records(connection, 0, size)
        kept = []
        for leaf, line in enumerate(lines):
            body = json.loads(line)["body"]
            if body["kind"] == "segment" and not 2 <= body["segment"] <= 5:
                continue
            if body["kind"] == "boot":
                continue
            kept.append((leaf, line))
        return kept

    def _segments(self):
        """(path, content, record) of those in the span."""
        found = []
        size = parse_checkpoint(parse_note(self.checkpoint).text).size
        for leaf, line in self._records(size):
            record = msgspec.json.decode(line, type=Record)
            body = record.body
            if isinstance(body, SegmentRecord) and body.segment <= 4:
                path = self.directory / "segments" / CAMERA / f"{body.segment:08d}.mp4"
                name = layout.segment_file(CAMERA, body.segment)
                found.append((name, path.read_bytes(), (leaf, body)))
        return found

    def _gops(self, segments):
        for _, content, (_, body) in segments:
            yield from gops_of_segment(content, body.t_first_mono_us)

    def _span(self):
        """Of the request, on the monotonic scale."""
        size = parse_checkpoint(parse_note(self.checkpoint).text).size
        for _, line in self._records(size):
            body = msgspec.json.decode(line, type=Record).body
            if isinstance(body, SegmentRecord):
                offset_us = body.t_first_mono_us - body.t_utc_us
                return self.request.from_utc_us + offset_us, self.request.to_utc_us + offset_us
        raise AssertionError("no segment")

    def _entry(self, content, record):
        leaf, body = record
        offset_us = body.t_utc_us - body.t_first_mono_us
        starts = [each.t_first_mono_us + offset_us for each in body.fragments]
        ends = [*starts[1:], body.t_end_mono_us + offset_us]
        place, gops = body.init_bytes, []
        for each, start, end in zip(body.fragments, starts, ends, strict=True):
            here = content[place : place + each.size_bytes]
            gops.append(
                layout.GopEntry(
                    offset_bytes=place,
                    size_bytes=each.size_bytes,
                    sha256_recorded=each.sha256,
                    sha256=sha256(here),
                    counter=each.gop_counter,
                    from_utc_us=start,
                    to_utc_us=end,
                    is_asked_for=start < self.request.to_utc_us and end > self.request.from_utc_us,
                )
            )
            place += each.size_bytes
        return layout.SegmentEntry(
            camera_id=CAMERA,
            segment=body.segment,
            path=layout.segment_file(CAMERA, body.segment),
            leaf=leaf,
            state="intact" if sha256(content) == body.sha256 else "damaged",
            size_bytes=len(content),
            size_recorded_bytes=body.size_bytes,
            sha256=sha256(content),
            sha256_recorded=body.sha256,
            init_sha256=sha256(content[: body.init_bytes]),
            init_sha256_recorded=body.init_sha256,
            boot_id=body.boot_id,
            t_first_mono_us=body.t_first_mono_us,
            t_end_mono_us=body.t_end_mono_us,
            from_utc_us=starts[0],
            to_utc_us=ends[-1],
            utc_error_us=body.utc_error_us,
            synchronised=body.synchronised,
            end_reason=body.end_reason,
            gops=tuple(gops),
        )

    def _document(self, files, entries, video, size, records):
        join = told_join(layout.ONLY_VIDEO, video, entries)
        tally = Tally((CAMERA,))
        for entry in entries:
            tally.segment(entry)
        tally.join(join)
        damage, damage_count = tally.damage
        seen = parse_note(self.seen)
        (cosigned,) = cosignatures(seen, [self.witness.key])
        now_us = self.now_us()
        return layout.ExportDocument(
            export_id=EXPORT_ID,
            kind="full",
            request=self.request,
            request_sha256=sha256(request_bytes(self.request)),
            site=self.request.site,
            node=self.request.node,
            software="roeh test",
            clock=layout.ClockEntry(now_us, 2000, True, "boot"),
            key_homes={"media": "file"},
            names=PERSONS | {CASE: self.request.case_number},
            cameras=self._cameras(tally),
            damage=damage,
            damage_count=damage_count,
            trust_list=layout.TrustEntry(
                self.trust_version, day_us(99), 0, sha256(self.trust_list)
            ),
            ledger_size=size,
            records=records,
            witness=witness_entry(
                parse_checkpoint(seen.text).size, cosigned.t_utc_s * 10**6, self.request, now_us
            ),
            reports=(layout.report_file("en", "html"),),
            witness_keys=(self.witness.verifier_key,),
            timestamp=layout.TimestampEntry("none" if self.stamper is None else "granted"),
        )

    def _cameras(self, tally):
        """Those asked for; nothing of those that were not recorded."""
        others = [name for name in self.request.cameras if name != CAMERA]
        return (*tally.cameras(()), *(layout.CameraEntry(camera_id=name) for name in others))

    def sealed(self, files, certificates=None):
        """All files of the bag: manifests, signature and seal round these."""
        manifest = manifest_of(files)
        leaf = self._append(
            ExportRecord(
                export_id=EXPORT_ID,
                step="sealed",
                person=next(iter(PERSONS)),
                detail="",
                sha256=sha256(manifest),
                size_bytes=sum(map(len, files.values())),
                files=len(files),
            )
        )
        note = self.store.seal()
        size = parse_checkpoint(parse_note(note).text).size
        before = parse_checkpoint(parse_note(self.checkpoint).text).size
        with self.store.database.reading() as connection:
            record = self.store.log.records(connection, leaf, 1)[0]
            proof = self.store.log.inclusion_proof(connection, leaf, size)
            consistency = self.store.log.consistency_proof(connection, before, size)
        tags = {
            layout.BAGIT: layout.BAGIT_TEXT.encode(),
            layout.BAG_INFO: bag_info(files),
            layout.MANIFEST: manifest,
            layout.MANIFEST_SIGNATURE: self.sign_manifest(manifest),
            layout.SEAL_RECORD: record,
            layout.SEAL_INCLUSION: inclusion(leaf, size, proof),
            layout.SEAL_CHECKPOINT: note.encode(),
            layout.SEAL_CONSISTENCY: consistency_json(before, size, consistency),
            **(certificates or self.certificates),
        }
        if self.stamper is not None:
            tags[layout.SEAL_TIMESTAMP] = self.stamper.stamp(manifest)
        tags[layout.TAG_MANIFEST] = manifest_of(tags)
        return files | tags

    def sign_manifest(self, manifest, signer=None):
        signer = signer or self.manifest_signer
        return sign_detached(
            manifest,
            chain_pem=signer.chain_pem,
            sign=signer.sign,
            t_utc_us=self.now_us(),
        )

    def bag(self):
        """All files of a bag that nobody touched."""
        self.record_custody()
        return self.bag_of_payload()

    def bag_of_payload(self):
        """What is in the store now, sealed as it is."""
        return self.sealed(self.payload())

    def close(self):
        self.store.files.close()
        self.store.database.close()


def told_join(path, video, entries):
    """What export.json says of a video that begins where these segments are asked for."""
    gops = len(list(read_fragments(video)))
    told = [gop for entry in entries for gop in entry.gops]
    begins = next(n for n, gop in enumerate(told) if gop.is_asked_for)
    shown = told[begins : begins + gops]
    asked = [gop for gop in shown if gop.is_asked_for]
    config = read_init(video)
    return layout.JoinEntry(
        path=path,
        camera_id=CAMERA,
        codec=config.codec,
        width_px=config.width_px,
        height_px=config.height_px,
        from_utc_us=shown[0].from_utc_us,
        to_utc_us=shown[-1].to_utc_us,
        asked_to_utc_us=asked[-1].to_utc_us,
        gops=gops,
        late_gops=gops - len(asked),
        gops_left_out=0,
        size_bytes=len(video),
        sha256=sha256(video),
    )


def told_cameras(entries, joins):
    """What export.json says of the camera."""
    tally = Tally((CAMERA,))
    for entry in entries:
        tally.segment(entry)
    for join in joins:
        tally.join(join)
    return tally.cameras(())


def manifest_of(files):
    return b"".join(f"{sha256(content)}  {path}\n".encode() for path, content in files.items())


def bag_info(files):
    size_bytes = sum(map(len, files.values()))
    return (f"Payload-Oxum: {size_bytes}.{len(files)}\nExternal-Identifier: {EXPORT_ID}\n").encode()


def inclusion(leaf, size, proof):
    return msgspec.json.encode(layout.InclusionLine(leaf, size, hexadecimal(proof)))


def consistency_json(first, second, proof):
    return msgspec.json.encode(layout.ConsistencyDocument(first, second, hexadecimal(proof)))


def hexadecimal(proof):
    return tuple(step.hex() for step in proof)


def kind_of(line):
    return json.loads(line)["body"]["kind"]


def zipped(files, export_id=EXPORT_ID):
    """The zip as the writer makes it."""
    with contextlib.closing(Spill(Path(tempfile.gettempdir()))) as lines:
        stream = ZipStream(lines)
        pieces = [
            piece
            for path, content in files.items()
            for piece in stream.member(f"{layout.bag_name(export_id)}/{path}", [content])
        ]
        return b"".join([*pieces, *stream.end()])


def encrypted(content, recipient):
    sink = io.BytesIO()
    encrypt([content], sink, [recipient])
    return sink.getvalue()


def write_bag(files, directory):
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return directory
