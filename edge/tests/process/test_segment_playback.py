"""Stock tools play what we write: ffprobe, and the video element of a browser."""

import contextlib
import functools
import http.server
import json
import os
import queue
import signal
import subprocess
import threading

import pytest

from roeh.bitstream.cut import ClipGop, cut
from tests.apt import require_packages
from tests.encoded_video import FPS, HEIGHT_PX, WIDTH_PX, encoded, end_dts, in_gops, segment
from tests.signed_video import T_US, signed_groups, t_us

PICTURES = 30
SIGNED_GOPS = 4
PATIENCE_S = 60
#: What the browser plays; the last is cut off behind its header, so that a test can fail.
PLAYED = ["h264 0b", "h264 2b", "signed segment", "signed clip"]
NO_VIDEO = "no video"
#: Plays all files at once and tells the test of each what became of it.
PAGE = """<!doctype html><meta charset="utf-8"><title>segments</title><script>
function play(name) {
  const video = document.createElement("video");
  function say(what) {
    fetch("said", {method: "POST", body: JSON.stringify({
      name, what, duration_s: video.duration, time_s: video.currentTime,
      width_px: video.videoWidth, height_px: video.videoHeight,
    })});
  }
  video.muted = true;
  video.addEventListener("ended", () => say("ended"));
  video.addEventListener("error", () => say("error: " + video.error.message));
  video.src = encodeURIComponent(name) + ".mp4";
  document.documentElement.append(video);
  video.play().catch(() => {});  // the error event says why
}
NAMES.forEach(play);
</script>"""


@functools.cache
def written(kind):
    """(bytes of a file, how many pictures are in it)."""
    if kind.startswith("signed"):
        config, groups = signed_groups(SIGNED_GOPS, b_frames=2)
        if kind == "signed segment":
            return segment(config, groups), SIGNED_GOPS * 10
        gops = [
            ClipGop(
                config=config,
                units=group,
                end_dts=end_dts(group),
                t_first_us=t_us(group[0].dts),
                t_end_us=t_us(end_dts(group)),
            )
            for group in groups
        ]
        return b"".join(cut(gops, T_US + 1_000_000, T_US + 2_000_000, "a derivative")), 20
    codec, b_frames = kind.split()
    config, units = encoded(codec, int(b_frames[0]))
    return segment(config, in_gops(units)), PICTURES


@pytest.mark.apt("ffmpeg")
@pytest.mark.parametrize(
    "kind", ["h264 0b", "h264 2b", "h265 0b", "h265 2b", "signed segment", "signed clip"]
)
def test_ffprobe_decodes_every_picture_and_complains_of_nothing(kind, tmp_path):
    require_packages("ffmpeg")
    octets, pictures = written(kind)
    file = tmp_path / "segment.mp4"
    file.write_bytes(octets)
    shown = "stream=nb_read_frames,nb_read_packets,width,height,duration_ts,time_base"
    command = ["ffprobe", "-v", "warning", "-count_frames", "-count_packets", "-of", "json"]
    done = subprocess.run(
        [*command, "-show_entries", shown, str(file)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    (stream,) = json.loads(done.stdout)["streams"]
    assert (stream["nb_read_frames"], stream["nb_read_packets"]) == (str(pictures),) * 2
    assert (stream["width"], stream["height"]) == (WIDTH_PX, HEIGHT_PX)
    assert stream["time_base"] == "1/90000"
    assert stream["duration_ts"] == pictures * 90_000 // FPS


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a browser says of each file after it tried to play it."""
    require_packages("chromium")
    directory = tmp_path_factory.mktemp("browser")
    for kind in PLAYED:
        (directory / f"{kind}.mp4").write_bytes(written(kind)[0])
    (directory / f"{NO_VIDEO}.mp4").write_bytes(written(PLAYED[0])[0][:200])
    names = json.dumps([*PLAYED, NO_VIDEO])
    (directory / "index.html").write_text(PAGE.replace("NAMES", names))
    said = queue.Queue()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(directory))

        def do_POST(self):
            said.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with browser(f"http://127.0.0.1:{server.server_port}/index.html", directory):
            results = [said.get(timeout=PATIENCE_S) for _ in (*PLAYED, NO_VIDEO)]
        server.shutdown()
    return {result["name"]: result for result in results}


@contextlib.contextmanager
def browser(address, directory):
    """A headless browser at an address; it and its children end with the block."""
    command = [
        "chromium",
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        f"--user-data-dir={directory / 'profile'}",
        address,
    ]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.apt("chromium")
@pytest.mark.parametrize("kind", PLAYED)
def test_a_browser_plays_it_to_its_end(kind, said):
    pictures = written(kind)[1]
    assert said[kind]["what"] == "ended"
    assert (said[kind]["width_px"], said[kind]["height_px"]) == (WIDTH_PX, HEIGHT_PX)
    assert said[kind]["time_s"] == pytest.approx(pictures / FPS, abs=3 / FPS)
    assert said[kind]["duration_s"] == pytest.approx(said[kind]["time_s"], abs=1 / FPS)


@pytest.mark.apt("chromium")
def test_the_browser_does_not_say_that_of_what_is_no_video(said):
    assert said[NO_VIDEO]["what"].startswith("error: ")
