"""The report in words: its parts as the page's blocks, in one language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from roeh.bundle.report.page import (
    Cell,
    Direction,
    Facts,
    Language,
    Mark,
    Paragraph,
    Picture,
    Pictures,
    Report,
    Section,
    Table,
    code,
    isolated,
)
from roeh.commission.coverage_map import seen_shares
from roeh.commission.facts import PoleFacts
from roeh.commission.landmarks import Landmark
from roeh.commission.words import WORDS, Words
from roeh.core.clock import NS_PER_US
from roeh.core.config import LensSection, NodeConfig, SensorSection, with_camera_rules
from roeh.core.moments import length_text, reading_text, utc_text
from roeh.doctor.finding import Verdict

_MARKS: Final[dict[Verdict, Mark]] = {"OK": "good", "WARN": "unsure", "FAIL": "bad"}
_DIRECTIONS: Final[dict[Language, Direction]] = {Language.EN: "ltr", Language.HE: "rtl"}


def head_of(facts: PoleFacts, language: Language) -> Report:
    """Title, verdict and footer; the sections are drawn one after the other."""
    words = WORDS[language]
    failed = _codes(facts, "FAIL")
    doubtful = _codes(facts, "WARN")
    verdict, finding, mark = words.good, words.finding_good, "good"
    if failed:
        verdict, mark = words.bad, "bad"
        finding = words.finding_bad.format(codes=", ".join(map(code, failed + doubtful)))
    elif doubtful:
        verdict, mark = words.remarks, "unsure"
        finding = words.finding_remarks.format(codes=", ".join(map(code, doubtful)))
    filled = {
        "pole": code(_name(facts.config)),
        "technician": isolated(facts.technician),
        "time": code(reading_text(facts.now)),
        "version": code(facts.version),
    }
    return Report(
        language=language,
        direction=_DIRECTIONS[language],
        title=words.title,
        subtitle=words.subtitle.format(**filled),
        verdict=verdict,
        finding=finding,
        mark="bad" if mark == "bad" else "unsure" if mark == "unsure" else "good",
        sections=(),
        footer=words.footer.format(**filled),
        made_utc_us=facts.now.t_utc_ns // NS_PER_US,
    )


def pole_section(facts: PoleFacts, words: Words) -> Section:
    """Which pole, who, when, and what runs on it."""
    node = facts.config.node
    place = words.none
    if node.latitude_deg is not None and node.longitude_deg is not None:
        place = code(
            f"{node.latitude_deg:.6f}, {node.longitude_deg:.6f} ± {node.position_sigma_m:g} m"
        )
    now = facts.now
    error = length_text(now.utc_error_ns // NS_PER_US)
    time = words.time_error if now.synchronised else words.time_free
    release = (
        Cell(code(facts.release))
        if facts.release is not None
        else Cell(words.release_unsigned.format(version=code(facts.version)), "unsure")
    )
    rows = [
        (words.site_node, Cell(code(_name(facts.config)))),
        (words.place, Cell(place)),
        (words.address, Cell(isolated(facts.address) if facts.address else words.none)),
        (words.technician, Cell(isolated(facts.technician))),
        (
            words.time,
            Cell(
                time.format(time=code(utc_text(now.t_utc_ns // NS_PER_US)), error=code(error)),
                "" if now.synchronised else "unsure",
            ),
        ),
        (words.release, release),
        (words.board, Cell(code(facts.board) if facts.board else words.unknown)),
        (words.serial, Cell(code(facts.serial) if facts.serial else words.unknown)),
        (words.system, Cell(code(facts.system))),
        (words.configuration, Cell(code(facts.config_sha256), is_code=True)),
    ]
    rows += [
        (words.models, Cell(code(f"{name}  {sha256}"), is_code=True))
        for name, sha256 in facts.models
    ]
    return Section("pole", words.pole, (Facts(tuple(rows)),))


def compass_section(
    facts: PoleFacts, landmarks: Sequence[Landmark], words: Words, pictures: Sequence[str]
) -> Section:
    """Where north is from, and lines for the eye to judge."""
    node = facts.config.node
    ways = {
        "unknown": words.from_unknown,
        "compass": words.from_compass,
        "ground_points": words.from_ground_points,
    }
    heading = code(f"{node.heading_deg:g}° ± {node.heading_sigma_deg:g}°")
    mark: Mark = "" if node.north_from == "ground_points" else "unsure"
    known = Facts(
        (
            (words.heading, Cell(heading)),
            (words.heading_from, Cell(ways[node.north_from], mark)),
        )
    )
    if not landmarks:
        return Section("compass", words.compass, (known, Paragraph(words.no_landmarks, "unsure")))
    table = Table(
        caption=words.landmarks,
        columns=("", words.landmark, words.bearing, words.agrees),
        widths=(0.5, 4, 2, 4),
        rows=tuple(
            (
                Cell(code(number)),
                Cell(isolated(landmark.name)),
                Cell(code(f"{landmark.bearing_deg:g}°")),
                Cell("□        □"),
            )
            for number, landmark in enumerate(landmarks, start=1)
        ),
        note=words.landmark_note,
    )
    shown = Pictures(
        tuple(
            Picture(name, f"{code(number)}  {isolated(landmark.name)}")
            for number, (name, landmark) in enumerate(zip(pictures, landmarks, strict=False), 1)
        )
    )
    return Section("compass", words.compass, (known, table, shown))


def seeing_section(
    facts: PoleFacts, words: Words, pictures: Sequence[str], coverage: str
) -> Section:
    """Each sensor's own picture, the ground that is seen from above, and both in figures."""
    shown = [
        Picture(name, _caption(section, words))
        for name, section in zip(pictures, facts.config.sensors, strict=True)
    ]
    shown.append(Picture(coverage, words.coverage_caption))
    sensors = Table(
        caption="",
        columns=(words.sensor, words.pose, words.lens, words.masks),
        widths=(1.5, 4, 4, 2.5),
        rows=tuple(
            (
                Cell(code(section.name)),
                Cell(_pose(section, words)),
                Cell(code(_lens(section.lens))),
                Cell(", ".join(code(mask.name) for mask in section.masks) or words.none),
            )
            for section in facts.config.sensors
        ),
        note=words.faces_note,
    )
    ground = Table(
        caption=words.coverage,
        columns=(words.range, words.seen, words.gaps),
        widths=(1, 1.5, 5),
        rows=tuple(
            (
                Cell(code(f"{range_m:g} m")),
                Cell(code(f"{share:.0%}"), "" if share == 1.0 else "unsure"),
                Cell(code(gaps) if gaps else words.none),
            )
            for range_m, share, gaps in seen_shares(facts.config)
        ),
    )
    return Section("seeing", words.sensors, (Pictures(tuple(shown)), sensors, ground))


def rules_section(facts: PoleFacts, words: Words) -> Section:
    """What raises an alert, and where."""
    config = facts.config
    rows = []
    for rule in with_camera_rules(config).rules:
        zone = getattr(rule, "zone", "") or getattr(rule, "line", "")
        kind = str(rule.__struct_config__.tag)
        rows.append(
            (
                Cell(code(rule.name)),
                Cell(code(kind)),
                Cell(code(zone) if zone else words.none),
                Cell(code(rule.priority)),
                Cell(code(rule.schedule) if rule.schedule else words.always),
            )
        )
    names = [code(zone.name) for zone in config.zones]
    names += [code(line.name) for line in config.lines]
    table = Table(
        caption="",
        columns=(words.rule, words.kind, words.where, words.priority, words.when),
        widths=(3, 3, 3, 1.5, 2),
        rows=tuple(rows),
        note=words.zones.format(names=", ".join(names) or words.none),
    )
    return Section("rules", words.rules, (table,))


def findings_section(facts: PoleFacts, words: Words) -> Section:
    """What the doctor finds wrong, with codes; what is well in one line."""
    order: dict[Verdict, int] = {"FAIL": 0, "WARN": 1, "OK": 2}
    wrong = sorted(
        (each for each in facts.findings if each.verdict != "OK"),
        key=lambda each: order[each.verdict],
    )
    well = [each.check for each in facts.findings if each.verdict == "OK"]
    names = ", ".join(code(name) for name in dict.fromkeys(well))
    said_well = words.findings_ok.format(count=code(len(well)), names=names)
    if not wrong:
        return Section("findings", words.findings, (Paragraph(said_well),))
    table = Table(
        caption="",
        columns=(words.code, words.what, words.remedy),
        widths=(3, 6, 5),
        rows=tuple(
            (
                Cell(code(each.code), _MARKS[each.verdict]),
                Cell(code(each.what)),
                Cell(code(each.remedy)),
            )
            for each in wrong
        ),
        note=said_well,
    )
    return Section("findings", words.findings, (table,))


def certificates_section(facts: PoleFacts, words: Words) -> Section:
    """Fingerprints, so that paper and pole can be compared."""
    if not facts.keys:
        return Section("keys", words.certificates, (Paragraph(words.no_keys, "unsure"),))
    table = Table(
        caption="",
        columns=(words.usage, words.fingerprint, words.until),
        widths=(2, 7, 3),
        rows=tuple(
            (
                Cell(code(state.usage.value)),
                Cell(code(state.sha256), is_code=True),
                Cell(code(utc_text(state.until_utc_us)))
                if state.is_provisioned
                else Cell(words.unprovisioned, "unsure"),
            )
            for state in facts.keys
        ),
    )
    return Section("keys", words.certificates, (table,))


def signing_section(words: Words, *, record: str, signature: str, is_recorded: bool) -> Section:
    """What vouches for this paper; the lines to sign are drawn under it."""
    text = words.signing_note if is_recorded else words.signing_unrecorded
    filled = text.format(record=code(record), signature=code(signature))
    return Section("signing", words.signing, (Paragraph(filled),))


def _codes(facts: PoleFacts, verdict: Verdict) -> list[str]:
    found = [each.code for each in facts.findings if each.verdict == verdict]
    return list(dict.fromkeys(found))


def _name(config: NodeConfig) -> str:
    return f"{config.node.site}/{config.node.name}"


def _caption(section: SensorSection, words: Words) -> str:
    return words.sensor_caption.format(name=code(section.name), pose=_pose(section, words))


def _pose(section: SensorSection, words: Words) -> str:
    return words.pose_value.format(
        azimuth=code(f"{section.azimuth_deg:g}°"),
        tilt=code(f"{section.tilt_deg:g}°"),
        height=code(f"{section.height_m:g}"),
    )


def _lens(lens: LensSection) -> str:
    return f"{lens.model}, {lens.fov_deg:g}°, {lens.width_px}x{lens.height_px} px"
