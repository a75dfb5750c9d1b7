"""A level comes from a microphone, as IEC 61672-1 has it, and nothing else does."""

import gc
import math
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from roeh.core.clock import SystemClock
from roeh.core.config import MicrophoneSection, parse_config
from roeh.core.errors import ConfigError
from roeh.doctor.codes import Code
from roeh.doctor.microphone import check_microphone
from roeh.sources.microphone.ear import Ear
from roeh.sources.microphone.level import FLOOR_DB, LevelMeter, a_weighting
from roeh.sources.microphone.microphone import Microphone
from tests.waiting import wait_until

RATE_HZ = 48_000
CLOCK = SystemClock()
#: Nominal frequency: A weighting and the tolerances of class 1, IEC 61672-1 table 3, dB.
TABLE = {
    31.5: (-39.4, 1.5, -1.5), 63: (-26.2, 1.0, -1.0), 125: (-16.1, 1.0, -1.0),
    250: (-8.6, 1.0, -1.0), 500: (-3.2, 1.0, -1.0), 1000: (0.0, 0.7, -0.7),
    2000: (1.2, 1.0, -1.0), 4000: (1.0, 1.0, -1.0), 8000: (-1.1, 1.5, -2.5),
    10000: (-2.5, 2.0, -3.0), 12500: (-4.3, 2.0, -5.0), 16000: (-6.6, 2.5, -16.0),
}  # fmt: skip


def sine(seconds: float, *, level_db: float = 0.0, hz: float = 1000.0):
    t_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (10 ** (level_db / 20) * np.sin(2 * math.pi * hz * t_s)).astype(np.float32)


def write_wav(path: Path, samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def listening():
    opened = []

    def listen(path, **section):
        ear = Ear()
        microphone = Microphone(MicrophoneSection(device=str(path), **section), CLOCK, ear.hear)
        opened.append(microphone)
        microphone.start()
        return microphone, ear

    yield listen
    for microphone in opened:
        microphone.close()


def heard(ear):
    levels = []

    def is_heard():
        level_db = ear.take()
        levels.extend([] if level_db is None else [level_db])
        return len(levels) > 15

    wait_until(is_heard)
    return max(levels)


@pytest.mark.parametrize("hz", sorted(TABLE))
def test_the_weighting_is_within_class_1(hz):
    wanted_db, above_db, below_db = TABLE[hz]
    _, (response,) = signal.sosfreqz(a_weighting(RATE_HZ), [hz], fs=RATE_HZ)
    assert below_db <= 20 * math.log10(abs(response)) - wanted_db <= above_db


@pytest.mark.parametrize("level_db", [0.0, -20.0, -60.0])
def test_a_tone_of_1_khz_has_its_level(level_db):
    assert LevelMeter(RATE_HZ).loudest_db(sine(1, level_db=level_db)) == pytest.approx(
        level_db, abs=0.1
    )


@pytest.mark.parametrize(("burst_s", "below_db"), [(0.2, 1.0), (0.05, 4.8), (0.01, 11.1)])
def test_a_burst_is_weighted_in_time_as_class_1_asks(burst_s, below_db):
    """IEC 61672-1 table 4, time weighting F, at 4 kHz."""
    meter = LevelMeter(RATE_HZ)
    steady_db = LevelMeter(RATE_HZ).loudest_db(sine(2, hz=4000.0))
    burst = np.concatenate([sine(burst_s, hz=4000.0), np.zeros(RATE_HZ, np.float32)])
    assert meter.loudest_db(burst) - steady_db == pytest.approx(-below_db, abs=0.5)


def test_pieces_say_what_the_whole_says():
    noise = np.random.default_rng(3).normal(0, 0.1, RATE_HZ).astype(np.float32)
    meter = LevelMeter(RATE_HZ)
    pieces = [meter.loudest_db(piece) for piece in np.split(noise, 20)]
    assert max(pieces) == pytest.approx(LevelMeter(RATE_HZ).loudest_db(noise), abs=1e-6)


def test_silence_has_the_level_of_the_floor():
    assert LevelMeter(RATE_HZ).loudest_db(np.zeros(100, np.float32)) == FLOOR_DB


def test_a_file_is_heard_at_its_level_and_calibrated(listening, tmp_path):
    path = write_wav(tmp_path / "tone.wav", sine(2, level_db=-30.0))
    _, plain = listening(path)
    _, calibrated = listening(path, calibration_db=120.0)

    assert heard(plain) == pytest.approx(-30.0, abs=0.3)
    assert heard(calibrated) == pytest.approx(90.0, abs=0.3)


def reachable(root):
    """Everything that an object holds, modules and classes left out."""
    seen, stack = {}, [root]
    while stack:
        one = stack.pop()
        if id(one) in seen or isinstance(one, type) or type(one).__name__ in {"module", "function"}:
            continue
        seen[id(one)] = one
        stack.extend(gc.get_referents(one))
    return list(seen.values())


def test_nothing_of_the_sound_is_held_but_a_number(listening, tmp_path):
    microphone, ear = listening(write_wav(tmp_path / "noise.wav", sine(0.4, level_db=-20.0)))
    heard(ear)

    held = reachable(microphone.__dict__) + reachable(ear.__dict__)
    assert not [one for one in held if isinstance(one, np.ndarray | bytearray | memoryview)]
    assert not [one for one in held if isinstance(one, bytes) and one]
    assert not [one for one in held if isinstance(one, list | tuple) and len(one) > 50]
    assert isinstance(ear.take(), float | None)


def test_an_unplugged_microphone_is_told_and_heard_again_when_it_is_back(listening, tmp_path):
    path = tmp_path / "later.wav"
    microphone, ear = listening(path)

    wait_until(microphone.trouble)
    assert str(path) in microphone.trouble()
    assert ear.take() is None
    write_wav(path, sine(0.4))
    heard(ear)
    assert microphone.trouble() == ""


def test_zeros_alone_are_no_sound(listening, tmp_path):
    _, ear = listening(write_wav(tmp_path / "zeros.wav", np.zeros(RATE_HZ // 4)))
    stop = threading.Event()
    CLOCK.wait(0.3, stop)
    assert ear.take() is None


def node(device, rule=""):
    text = (
        '[[sensors]]\nsource = { kind = "composed" }\n'
        "lens = { width_px = 640, height_px = 640, fov_deg = 180 }\n"
        f'[microphone]\ndevice = "{device}"\n{rule}'
    )
    return parse_config(text, name="node.toml")


def test_the_doctor_hears_it_or_says_that_it_does_not(tmp_path):
    path = write_wav(tmp_path / "tone.wav", sine(2, level_db=-30.0))
    (well,) = check_microphone(node(path), CLOCK)
    (silent,) = check_microphone(node(tmp_path / "none.wav"), CLOCK)

    assert (well.verdict, "-30 dB" in well.what) == ("OK", True)
    assert silent.code is Code.MICROPHONE_SILENT
    (none,) = check_microphone(node(""), CLOCK)
    assert (none.verdict, none.what) == ("OK", "no microphone is set up")


def test_a_rule_that_hears_needs_a_microphone():
    rule = '[[rules]]\nkind = "loud_noise"\nname = "loud"\nlevel_db = -20\n'
    with pytest.raises(ConfigError, match="needs a microphone"):
        node("", rule)
    assert node("plughw:1", rule).rules


def test_a_level_that_no_sound_without_calibration_reaches_is_refused():
    rule = '[[rules]]\nkind = "loud_noise"\nname = "loud"\nlevel_db = 85\n'
    with pytest.raises(ConfigError, match="0 is full scale"):
        node("plughw:1", rule)
    assert node("plughw:1", f"calibration_db = 116\n{rule}").rules


def test_full_scale_is_not_forgotten_for_what_is_quieter():
    ear = Ear()
    for level_db in (-30.0, 0.0, -20.0):
        ear.hear(level_db)
    assert (ear.take(), ear.take()) == (0.0, None)
