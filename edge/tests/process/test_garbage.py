"""Whatever it is given: one clear line, the documented status, never a traceback."""

import re
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from tests.process.command_line import command_lines
from tests.process.running_node import write_street

MODELS = Path(__file__).parents[3] / "models"


class Case(NamedTuple):
    """A command line, and how it has to end."""

    status: int
    line: str
    arguments: str
    environment: tuple[tuple[str, str], ...] = ()
    stdout: str | None = None


#: Words in braces are files of the `garbage` directory.
CASES = {
    "video missing": Case(
        12, "SOURCE_UNREADABLE: no such file: ", "replay {d}/none.avi --out {d}/o1"
    ),
    "video is a directory": Case(
        12, "SOURCE_UNREADABLE: a directory, not a video file: ", "replay {d} --out {d}/o2"
    ),
    "video is empty": Case(
        12, "SOURCE_UNREADABLE: an empty file: ", "replay {d}/empty.avi --out {d}/o3"
    ),
    "video is text": Case(12, "SOURCE_UNREADABLE: ", "replay {d}/text.avi --out {d}/o4"),
    "video is noise": Case(12, "SOURCE_UNREADABLE: ", "replay {d}/noise.mp4 --out {d}/o5"),
    "video cut before its first picture": Case(
        12, "SOURCE_UNREADABLE: ", "replay {d}/head.mp4 --out {d}/o6"
    ),
    "results in the way of a file": Case(
        27, "OUTPUT_REFUSED: cannot write ", "replay {d}/clip.mp4 --out {d}/text.avi/out"
    ),
    "replay of another shape than the lens": Case(
        11,
        "LENS: the picture has another shape",
        "replay {d}/clip.mp4 -c {d}/square.toml --out {d}/o7",
    ),
    "demo of no video": Case(
        12, "SOURCE_UNREADABLE: ", "demo --source {d}/text.avi --keep {d}/k1 --seconds 1"
    ),
    "demo kept among other things": Case(
        27, "OUTPUT_REFUSED: the directory is not empty: ", "demo --source composed --keep {d}"
    ),
    "demo kept below a file": Case(
        27, "OUTPUT_REFUSED: cannot write ", "demo --source composed --keep {d}/text.avi/k"
    ),
    "demo without a model": Case(
        14,
        "MODEL_MISSING: ",
        "demo --source composed --seconds 1 --keep {d}/k2",
        (("ROEH_MODELS", "{d}/nothing"),),
    ),
    "configuration missing": Case(10, "CONFIG: ", "config check -c {d}/none.toml"),
    "configuration is not TOML": Case(10, "CONFIG: ", "run -c {d}/text.avi"),
    "configuration of noise": Case(10, "CONFIG: ", "run -c {d}/noise.mp4"),
    "lens of 400 degrees": Case(10, "CONFIG: .*fov_deg", "run -c {d}/wide.toml"),
    "camera's video missing": Case(
        12, "SOURCE_UNREADABLE: no such file: ", "run --only capture -c {d}/gone.toml"
    ),
    "camera of another shape than its lens": Case(
        11, "LENS: the picture has another shape", "run --only capture -c {d}/square.toml"
    ),
    "node without a model": Case(
        14, "MODEL_MISSING: ", "run -c {d}/node.toml", (("ROEH_MODELS", "{d}/nothing"),)
    ),
    "model with one bit changed": Case(
        15,
        "MODEL_REFUSED: ",
        "run --only detect -c {d}/node.toml",
        (("ROEH_MODELS", "{d}/flipped"),),
    ),
    "port of the page taken": Case(17, "PORT_TAKEN: ", "run --only retrieve -c {d}/taken.toml"),
    "data directory is a file": Case(
        19, "STORAGE_FAILED: ", "run --only evidence -c {d}/nodata.toml"
    ),
    "run directory is a file": Case(27, "OUTPUT_REFUSED: cannot write ", "run -c {d}/norun.toml"),
    "watching no broker": Case(16, "BROKER_REFUSED: ", "watch --broker mqtt://127.0.0.1:{closed}"),
    "output on a full disk": Case(
        27, "OUTPUT_REFUSED: cannot write .*standard output", "models --json", stdout="/dev/full"
    ),
    "no command": Case(2, "", ""),
    "unknown command": Case(2, "", "fly"),
    "seconds of nonsense": Case(2, "", "demo --seconds nan"),
    "seconds without end": Case(2, "", "demo --seconds inf"),
    "confidence beyond one": Case(2, "", "detect {d} --lens none --min-confidence 2"),
}


def clip(path, width, height, count=20):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            picture = np.full((height, width, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def garbage(tmp_path_factory):
    """A directory of things that nobody should give it."""
    d = tmp_path_factory.mktemp("garbage")
    (d / "empty.avi").touch()
    (d / "text.avi").write_text("This is no video, and no TOML either.\n" * 40)
    (d / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(100_000))
    whole = clip(d / "clip.mp4", 320, 192).read_bytes()
    (d / "head.mp4").write_bytes(whole[:40])
    (d / "nothing").mkdir()
    flipped = shutil.copytree(MODELS, d / "flipped", ignore=shutil.ignore_patterns("convert"))
    for model in flipped.glob("*.tflite"):
        content = bytearray(model.read_bytes())
        content[len(content) // 2] ^= 1
        model.write_bytes(content)

    def variant(name, *changes, **options):
        text = write_street(d, port=1883, **options).read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (d / name).write_text(text)

    file_source = 'source = { kind = "file", path = "%s" }'
    variant("wide.toml", ("fov_deg = 60.0", "fov_deg = 400.0"))
    variant("gone.toml", source=file_source % (d / "none.avi"))
    square = ("width_px = 640, height_px = 384", "width_px = 512, height_px = 512")
    variant("square.toml", square, source=file_source % (d / "clip.mp4"))
    variant("nodata.toml", data_dir=d / "text.avi")
    variant("norun.toml", (f'run_dir = "{d}/run"', f'run_dir = "{d}/text.avi"'))
    with socket.socket() as taken, socket.socket() as closed:
        for holder in (taken, closed):
            holder.bind(("127.0.0.1", 0))
        taken.listen()
        variant(
            "taken.toml", ("[retrieve]\nport = 0", f"[retrieve]\nport = {taken.getsockname()[1]}")
        )
        write_street(d, port=1883)
        yield {"d": str(d), "closed": str(closed.getsockname()[1])}


@pytest.fixture(scope="module")
def roeh():
    with command_lines() as running:
        yield running.run


@pytest.mark.parametrize("name", CASES)
def test_garbage_is_answered_in_one_line_with_the_documented_status(roeh, garbage, name):
    case = CASES[name]
    outcome = roeh(
        *case.arguments.format(**garbage).split(),
        cwd=garbage["d"],
        environment=[(key, value.format(**garbage)) for key, value in case.environment],
        stdout=case.stdout,
    )
    assert "Traceback" not in outcome.stderr
    assert outcome.status == case.status, outcome.stderr
    told = [line for line in outcome.stderr.splitlines() if re.match(r"roeh: [A-Z_]+: ", line)]
    if case.line:
        assert len(told) == 1, outcome.stderr
        assert re.match(f"roeh: {case.line}", told[0]), told[0]
    else:
        assert not told
        assert "usage: roeh" in outcome.stderr + outcome.stdout


@pytest.mark.parametrize(
    "arguments", ["models --json", "config show -c {d}/node.toml", "demo --source composed --json"]
)
def test_a_reader_who_has_enough_is_no_error(roeh, garbage, arguments):
    outcome = roeh(*arguments.format(**garbage).split(), cwd=garbage["d"], stdout="closed pipe")
    assert (outcome.status, outcome.stderr) == (0, "")


def test_a_video_that_was_cut_off_is_read_to_where_it_ends_and_said_to_be(roeh, garbage, tmp_path):
    whole = Path(garbage["d"]) / "clip.mp4"
    # Matroska can be read without its end.
    with av.open(str(whole)) as source, av.open(str(tmp_path / "whole.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) * 6 // 10])
    outcome = roeh("replay", tmp_path / "cut.mkv", "--out", tmp_path / "out")
    assert outcome.status == 0, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "the file is cut off: " in outcome.stderr
    assert (tmp_path / "out" / "tracks.jsonl").exists()
