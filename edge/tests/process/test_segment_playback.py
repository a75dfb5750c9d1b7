"""Stock tools play what we write: ffprobe, and the video element of a browser."""

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
#: Waits for the end of the video, then writes what happened into the page.
PAGE = """<!doctype html><meta charset="utf-8"><title>segment</title>
<video muted src="segment.mp4"></video><pre></pre><script>
// Runs in the browser that the test starts.
const video = document.querySelector("video");
function say(what) {
  document.querySelector("pre").textContent = JSON.stringify({
    what, ended: video.ended, readyState: video.readyState, duration_s: video.duration,
    width_px: video.videoWidth, height_px: video.videoHeight, time_s: video.currentTime,
    pictures: video.getVideoPlaybackQuality().totalVideoFrames,
    error: video.error && video.error.message,
  });
  fetch("said", {method: "POST", body: document.querySelector("pre").textContent});
}
video.addEventListener("ended", () => say("ended"));
video.addEventListener("error", () => say("error"));
video.play().catch(error => say(String(error)));
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


@pytest.mark.apt("chromium")
@pytest.mark.parametrize("kind", ["h264 0b", "h264 2b", "signed segment", "signed clip"])
def test_a_browser_plays_it_to_its_end(kind, tmp_path):
    require_packages("chromium")
    octets, pictures = written(kind)
    said = played(octets, tmp_path)
    assert (said["what"], said["error"], said["ended"]) == ("ended", None, True)
    assert (said["width_px"], said["height_px"]) == (WIDTH_PX, HEIGHT_PX)
    assert said["time_s"] == pytest.approx(pictures / FPS, abs=3 / FPS)
    assert said["duration_s"] == pytest.approx(said["time_s"], abs=1 / FPS)


@pytest.mark.apt("chromium")
def test_the_browser_does_not_say_that_of_what_is_no_video(tmp_path):
    """So the test before can fail."""
    require_packages("chromium")
    octets, _ = written("h264 0b")
    assert played(octets[:200], tmp_path)["what"] != "ended"


def played(octets, directory):
    """What the page says of a file after the browser tried to play it."""
    (directory / "segment.mp4").write_bytes(octets)
    (directory / "index.html").write_text(PAGE)
    said = queue.Queue()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(directory))

        def do_POST(self):  # named by http.server
            said.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--autoplay-policy=no-user-gesture-required",
            f"--user-data-dir={directory / 'profile'}",
            f"http://127.0.0.1:{server.server_port}/index.html",
        ]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            command, stdout=quiet, stderr=quiet, start_new_session=True
        ) as browser:
            try:
                return said.get(timeout=PATIENCE_S)
            finally:
                os.killpg(browser.pid, signal.SIGKILL)
                browser.wait()
                server.shutdown()
