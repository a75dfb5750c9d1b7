"""Capture's part of outputs: on when told, off by itself, whatever happens."""

import struct
import threading
import wave

import pytest

from roeh.capture.outputs import Outputs
from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.config import GpioOutput, SoundOutput, TrialOutput
from roeh.core.delivery import OrderItem
from roeh.core.orders import DeterOrder, Outcome, RestartOrder
from roeh.sources.outputs.line import LineOutput
from roeh.sources.outputs.output import OutputFailed
from roeh.sources.outputs.sound import SoundPlayer
from tests.waiting import wait_until

CLOCK = SystemClock()


def in_s(duration_s):
    return CLOCK.mono_ns() + round(duration_s * NS_PER_S)


class Trials:
    """Outputs that write into files."""

    def __init__(self, directory, *names):
        self._directory = directory
        self._names = names
        self.start()

    def start(self):
        sections = [TrialOutput(name=name, file=str(self.path(name))) for name in self._names]
        self.outputs = Outputs(sections, CLOCK)

    def path(self, name):
        return self._directory / f"{name}.txt"

    def said(self, name):
        return self.path(name).read_text().split()


@pytest.fixture
def trials(tmp_path):
    trials = Trials(tmp_path, "siren", "lamp")
    yield trials
    trials.outputs.close()


def ordered(name, on_s, until_ns):
    order = DeterOrder(output=name, on_s=on_s)
    return OrderItem(row=1, command_id="c", order=order, until_mono_us=until_ns // 1000)


def test_it_is_off_at_first_on_when_told_and_off_by_itself(trials):
    assert trials.said("siren") == ["off"]
    trials.outputs.let_on("siren", in_s(0.05))
    assert trials.said("siren") == ["off", "on"]
    wait_until(lambda: trials.said("siren") == ["off", "on", "off"])
    assert trials.said("lamp") == ["off"]


def test_two_at_once_end_each_at_its_own_time(trials):
    trials.outputs.let_on("siren", in_s(60))
    trials.outputs.let_on("lamp", in_s(0.05))
    wait_until(lambda: trials.said("lamp")[-1] == "off")
    assert trials.said("siren") == ["off", "on"]


def test_an_order_lets_it_on_and_another_off_at_once(trials):
    assert trials.outputs.carry_out(ordered("siren", 60, in_s(60))).outcome is Outcome.DONE
    assert trials.said("siren")[-1] == "on"
    assert trials.outputs.carry_out(ordered("siren", 0, in_s(0))).outcome is Outcome.DONE
    # Answered when it is so.
    assert trials.said("siren") == ["off", "on", "off"]


def test_an_order_that_comes_after_its_end_lets_nothing_on(trials):
    late = trials.outputs.carry_out(ordered("siren", 5, in_s(-1)))
    assert (late.outcome, late.reason) == (Outcome.FAILED, "over_already")
    assert trials.said("siren") == ["off"]


def test_the_end_of_capture_lets_all_off(trials):
    for name in ("siren", "lamp"):
        trials.outputs.let_on(name, in_s(60))
    trials.outputs.close()
    assert [trials.said(name)[-1] for name in ("siren", "lamp")] == ["off", "off"]
    with pytest.raises(OutputFailed):
        trials.outputs.let_on("siren", in_s(60))


def test_a_start_lets_off_what_a_kill_left_on(trials):
    trials.path("siren").write_text("on\n")
    trials.start()
    assert trials.said("siren") == ["on", "off"]


def test_other_orders_are_not_its(trials):
    item = OrderItem(1, "c", RestartOrder(process="detect"), None)
    assert trials.outputs.carry_out(item).reason == "not_its_order"


def test_one_that_does_not_work_is_told_and_works_again_when_it_can(tmp_path):
    trials = Trials(tmp_path / "away", "siren")
    try:
        assert trials.outputs.trouble().startswith("output siren: ")
        failed = trials.outputs.carry_out(ordered("siren", 5, in_s(5)))
        assert (failed.outcome, failed.reason) == (Outcome.FAILED, "output_failed")
        (tmp_path / "away").mkdir()
        trials.outputs.let_on("siren", in_s(60))
        assert trials.outputs.trouble() == ""
    finally:
        trials.outputs.close()


class Sticking:
    """An output that cannot be let off the first times."""

    trouble = ""

    def __init__(self, times):
        self.times = times
        self.is_on = False
        self.is_off = threading.Event()

    def on(self):
        self.is_on = True

    def off(self):
        self.times -= 1
        if self.times > 0:
            raise OutputFailed("it sticks")
        self.is_on = False
        self.is_off.set()

    def close(self):
        self.is_on = False


def test_one_that_cannot_be_let_off_is_tried_until_it_is():
    output = Sticking(times=2)
    outputs = Outputs([TrialOutput(name="siren", file="x")], CLOCK, lambda _: output)
    outputs.let_on("siren", in_s(0.01))
    wait_until(lambda: "it sticks" in outputs.trouble())
    assert output.is_off.wait(10)
    wait_until(lambda: outputs.trouble() == "")
    outputs.close()


def test_an_order_to_let_off_what_sticks_is_not_answered_as_done_and_goes_on():
    output = Sticking(times=2)
    outputs = Outputs([TrialOutput(name="siren", file="x")], CLOCK, lambda _: output)
    outputs.let_on("siren", in_s(60))
    answer = outputs.carry_out(ordered("siren", 0, in_s(0)))
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, "output_failed")
    assert output.is_on
    assert output.is_off.wait(10)
    wait_until(lambda: outputs.trouble() == "")
    outputs.close()


def test_to_let_off_what_cannot_be_had_is_not_answered_as_done(tmp_path):
    trials = Trials(tmp_path / "away", "siren")
    answer = trials.outputs.carry_out(ordered("siren", 0, in_s(0)))
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, "output_failed")
    trials.outputs.close()


class Kernel:
    """What the kernel keeps of lines that somebody asked for; the logical level of each."""

    def __init__(self):
        self.levels = {}
        self.is_gone = False

    def request(self, path, consumer=None, config=None):
        assert path == "/dev/gpiochip4"
        return self.set_values({line: wanted.output_value for line, wanted in config.items()})

    def set_values(self, values):
        if self.is_gone:
            raise OSError(19, "No such device")
        self.levels |= {line: bool(value.value) for line, value in values.items()}
        return self

    def release(self):
        pass


@pytest.mark.parametrize("active_low", [False, True])
def test_a_line_is_off_when_it_is_taken_and_when_it_is_let_go(active_low):
    kernel = Kernel()
    section = GpioOutput(name="lamp", chip="/dev/gpiochip4", line=23, active_low=active_low)
    line = LineOutput(section, kernel.request)
    assert kernel.levels == {23: active_low}
    line.on()
    assert kernel.levels == {23: not active_low}
    line.close()
    assert kernel.levels == {23: active_low}


def test_a_chip_that_goes_away_or_is_none_is_told():
    kernel = Kernel()
    section = GpioOutput(name="lamp", chip="/dev/gpiochip4", line=23)
    line = LineOutput(section, kernel.request)
    kernel.is_gone = True
    with pytest.raises(OutputFailed, match="No such device"):
        line.off()
    with pytest.raises(OutputFailed, match="output lamp, /dev/gpiochip4, lines 23"):
        LineOutput(section)


# Sound: ALSA without a card, whose devices are a file, and nothing.


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """Where what the card `card` plays can be read, as 16-bit stereo at 48 kHz."""
    path = tmp_path / "heard.raw"
    config = f'pcm.void {{ type null }}\npcm.card {{ type file slave.pcm void file "{path}" }}\n'
    (tmp_path / "asound.conf").write_text(config)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    return path


def spoken(directory, seconds=1.0, rate_hz=16_000):
    path = directory / "spoken.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(struct.pack("<h", 8000) * round(seconds * rate_hz))
    return str(path)


def test_a_message_is_played_once_from_begin_to_end(heard, tmp_path):
    player = SoundPlayer(SoundOutput(name="voice", file=spoken(tmp_path), device="card"))
    player.on()
    wait_until(lambda: heard.exists() and heard.stat().st_size >= 48_000 * 4)
    player.off()
    samples = heard.read_bytes()
    assert len(samples) == pytest.approx(48_000 * 4, rel=0.05)
    middle = struct.unpack_from("<h", samples, len(samples) // 8 * 4)[0]
    # Of one channel each of two has half the power.
    assert middle == pytest.approx(8000 / 2**0.5, rel=0.05)
    assert player.trouble == ""


def test_a_message_ends_when_it_is_let_off(heard, tmp_path):
    player = SoundPlayer(SoundOutput(name="voice", file=spoken(tmp_path, 600), device="card"))
    player.on()
    wait_until(lambda: heard.exists() and heard.stat().st_size > 0)
    player.off()
    size_bytes = heard.stat().st_size
    assert size_bytes < 600 * 48_000 * 4
    player.close()
    assert heard.stat().st_size == size_bytes


def test_no_card_and_no_sound_are_told(heard, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("text.wav", "missing.wav"):
        with pytest.raises(OutputFailed, match=name):
            SoundPlayer(SoundOutput(name="voice", file=str(tmp_path / name)))
    player = SoundPlayer(SoundOutput(name="voice", file=spoken(tmp_path), device="nowhere"))
    with pytest.raises(OutputFailed, match="nowhere cannot be had"):
        player.on()
