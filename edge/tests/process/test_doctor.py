"""The doctor: every line says what is, a FAIL decides the exit status, each has its remedy."""

import contextlib
import io
import json
import shutil
import socket
import threading

import msgspec
import pytest

from roeh.core.clock import SimulatedClock, SystemClock
from roeh.core.config import parse_config
from roeh.core.errors import EXIT_OK, ChecksFailed
from roeh.core.paths import evidence_socket
from roeh.doctor.cameras import check_chosen_model
from roeh.doctor.checks import BOARD_CHECKS, MACHINE_CHECKS, NODE_CHECKS, POLE_CHECKS
from roeh.doctor.finding import Finding
from roeh.doctor.machine import LIBRARIES, Library, check_clock, check_library, models_in
from roeh.doctor.machine_view import MachineView
from roeh.doctor.main import run_doctor
from roeh.doctor.network import check_broker, check_ports
from roeh.doctor.sensors import check_sources
from roeh.doctor.storage import (
    check_data_dir,
    check_run_dir,
    check_users,
    file_system_at,
    judge_file_system,
)
from roeh.vision.manifest import find_models_dir
from roeh.vision.runner import INTERPRETER_MODULES
from tests.apt import require_packages
from tests.delivering_nodes import AckingDesk
from tests.ports import free_port
from tests.process.network_camera import PACKAGES, Camera
from tests.process.secured_broker import City, secured_broker

CLOCK = SystemClock()
COMPOSED = '{ kind = "composed", people = 1 }'
MOUNTS = """
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=800M
41 22 0:40 / /var/lib/roeh rw shared:9 - nfs4 store:/poles rw
42 41 0:41 / /var/lib/roeh/my\\040disk rw shared:9 - vfat /dev/sda1 rw
43 22 0:42 / /srv rw - ext4 /dev/sdb1 rw
44 43 0:43 / /srv rw - xfs /dev/sdc1 rw
"""


def node(directory, *, source=COMPOSED, **sections):
    """A node's configuration, with a table of keys for each further section."""
    tables = {
        "paths": {"data_dir": f"{directory}/data", "run_dir": f"{directory}/run"},
        "retrieve": {"port": 0},
        **sections,
    }
    lines = ["[[sensors]]", f"source = {source}"]
    lines.append("lens = { width_px = 320, height_px = 320, fov_deg = 180 }")
    for table, keys in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return parse_config("\n".join(lines), name="node.toml")


def verdicts(outcomes):
    return [outcome.verdict for outcome in outcomes]


def worst(outcomes):
    """The gravest outcome."""
    return max(outcomes, key=lambda outcome: ("OK", "WARN", "FAIL").index(outcome.verdict))


@contextlib.contextmanager
def answering(reply):
    """A TCP server that answers every connection's first bytes with `reply`; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    with peer:
                        peer.settimeout(10.0)
                        peer.recv(4096)
                        peer.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10.0)


def test_a_machine_that_can_run_a_node_is_told_so(tmp_path):
    port = {"type": "1", "operstate": "up", "device/driver": "", "speed": "1000"}
    for name, text in port.items():
        file = tmp_path / "sys/class/net/eth0" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    board = MachineView(
        sys=tmp_path / "sys", proc=tmp_path / "proc", root=tmp_path, tool_dirs=str(tmp_path)
    )
    out = io.StringIO()
    assert run_doctor(None, as_json=False, clock=CLOCK, out=out, view=board) == EXIT_OK
    text = out.getvalue()
    for check in (*MACHINE_CHECKS, *BOARD_CHECKS):
        assert f" {check.name} " in text
    assert "FAIL" not in text
    assert "roeh doctor -c NODE.toml" in text


def test_a_machine_reads_one_json_line_for_each_finding(tmp_path):
    (tmp_path / "data").write_text("not a directory")
    out = io.StringIO()
    status = run_doctor(node(tmp_path), as_json=True, clock=CLOCK, out=out)
    findings = [msgspec.json.decode(line, type=Finding) for line in out.getvalue().splitlines()]
    assert status == ChecksFailed.exit_status
    assert {finding.check for finding in findings} == {
        check.name for check in (*MACHINE_CHECKS, *BOARD_CHECKS, *NODE_CHECKS, *POLE_CHECKS)
    }
    (data_dir,) = [finding for finding in findings if finding.check == "data_dir"]
    assert data_dir.verdict == "FAIL"
    for finding in findings:
        assert (finding.verdict == "OK") == (finding.remedy == "")


def test_what_comes_from_outside_stays_on_its_line(tmp_path):
    (tmp_path / "file").touch()
    # U+2028 breaks a line in many viewers, U+009B begins a terminal's command.
    data_dir = f"{tmp_path}/file/a\u2028OK    all is well\u009b2J"
    config = node(tmp_path, paths={"data_dir": data_dir, "run_dir": f"{tmp_path}/run"})
    out = io.StringIO()
    assert run_doctor(config, as_json=False, clock=CLOCK, out=out) == ChecksFailed.exit_status
    text = out.getvalue()
    assert "all is well" in text
    assert not any(line.startswith("OK    all is well") for line in text.splitlines())
    assert "\u009b" not in text


def test_the_runtimes_looked_for_are_those_that_are_used():
    assert LIBRARIES[0].modules == INTERPRETER_MODULES


@pytest.mark.parametrize(
    ("library", "verdict", "words"),
    [
        (Library("this test", {"pytest": "pytest"}), "OK", "pytest "),
        (Library("x", {"no-such-distribution": "nothing"}), "FAIL", "is not installed"),
        (Library("x", {"no-such-distribution": "nothing"}, required=False), "WARN", "only for x"),
        (Library("x", {"pytest": "no_such_module"}), "FAIL", "No module named 'no_such_module'"),
        # One that ends the process, as code for another processor does.
        (
            Library("x", {"pytest": "os; os.kill(os.getpid(), 9)"}),
            "FAIL",
            "crashes when imported (SIGKILL)",
        ),
        # The first is broken, the second takes its place.
        (Library("x", {"pytest": "no_such_module", "msgspec": "msgspec"}), "OK", "msgspec "),
    ],
)
def test_a_library_is_judged_by_importing_it(library, verdict, words):
    outcome = check_library(library)
    assert outcome.verdict == verdict
    assert words in outcome.what


@pytest.mark.parametrize(
    ("clock", "verdict"),
    [
        (SimulatedClock(t_utc_ns=1_800_000_000 * 10**9, utc_error_ns=2_000_000), "OK"),
        (SimulatedClock(t_utc_ns=1_800_000_000 * 10**9, synchronised=False), "WARN"),
        (SimulatedClock(t_utc_ns=0), "FAIL"),
    ],
)
def test_a_clock_that_cannot_be_believed_is_named(clock, verdict):
    assert verdicts(check_clock(clock)) == [verdict]


@pytest.fixture
def models(tmp_path):
    """A copy of the installed models."""
    return shutil.copytree(find_models_dir(), tmp_path / "models")


def test_models_as_the_manifest_lists_them_are_good(models):
    assert verdicts(models_in(models)) == ["OK"]


def test_a_changed_model_is_named(models):
    model = next(models.glob("*.tflite"))
    model.write_bytes(model.read_bytes()[:-1] + b"\x00\x01")
    outcome = worst(models_in(models))
    assert outcome.verdict == "FAIL"
    assert model.name in outcome.what


def test_a_model_nobody_listed_is_a_warning(models):
    (models / "stranger.tflite").write_bytes(b"TFL3")
    assert worst(models_in(models)).verdict == "WARN"


def test_no_models_at_all_is_a_failure(tmp_path):
    assert verdicts(models_in(tmp_path)) == ["FAIL"]


def test_a_model_that_no_manifest_knows_is_refused(tmp_path):
    config = node(tmp_path, detect={"model": "no-such-model"})
    assert verdicts(check_chosen_model(config, CLOCK)) == ["FAIL"]


def test_a_data_directory_that_is_there_or_can_be_made_is_good(tmp_path):
    assert worst(check_data_dir(node(tmp_path), CLOCK)).verdict != "FAIL"
    (tmp_path / "data").mkdir()
    assert worst(check_data_dir(node(tmp_path), CLOCK)).verdict != "FAIL"
    assert list((tmp_path / "data").iterdir()) == []


def test_a_data_directory_that_cannot_be_written_is_named():
    # Not even root writes here.
    config = node("/proc", paths={"data_dir": "/proc/self", "run_dir": "/proc/self"})
    assert "/proc/self" in worst(check_data_dir(config, CLOCK)).what
    assert worst(check_data_dir(config, CLOCK)).verdict == "FAIL"
    assert worst(check_run_dir(config, CLOCK)).verdict == "FAIL"


def test_a_disk_too_small_for_the_outbox_is_named(tmp_path):
    free_bytes = shutil.disk_usage(tmp_path).free
    config = node(tmp_path, outbox={"max_bytes": 2 * free_bytes})
    assert "MiB free" in worst(check_data_dir(config, CLOCK)).what
    assert worst(check_data_dir(config, CLOCK)).verdict == "FAIL"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/pole", "ext4"),
        ("/run/roeh", "tmpfs"),
        ("/running", "ext4"),
        ("/var/lib/roeh/data", "nfs4"),
        ("/var/lib/roeh/my disk/data", "vfat"),
        ("/srv/roeh", "xfs"),
    ],
)
def test_the_file_system_under_a_path_is_found(tmp_path, path, kind):
    assert file_system_at(type(tmp_path)(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("ext4", "OK"), ("xfs", "OK"), ("tmpfs", "WARN"), ("vfat", "WARN"), ("nfs4", "FAIL")],
)
def test_a_file_system_is_judged_by_what_it_keeps(kind, verdict):
    assert judge_file_system(kind).verdict == verdict


def test_a_path_too_long_for_a_socket_is_named(tmp_path):
    config = node(tmp_path, paths={"run_dir": f"{tmp_path}/{'r' * 120}"})
    (outcome,) = check_run_dir(config, CLOCK)
    assert outcome.verdict == "FAIL"
    assert "107 at most" in outcome.what


def test_a_user_that_does_not_exist_is_named(tmp_path):
    assert verdicts(check_users(node(tmp_path, users={"detect": "root"}), CLOCK)) == ["OK"]
    (outcome,) = check_users(node(tmp_path, users={"detect": "no-such-user"}), CLOCK)
    assert outcome.verdict == "FAIL"
    assert "detect = 'no-such-user'" in outcome.what


def test_a_source_is_judged_by_its_first_picture(tmp_path):
    outcome, picture = check_sources(node(tmp_path), CLOCK)
    assert picture.verdict == "OK"
    assert "neither dark nor covered nor blurred" in picture.what
    assert (outcome.verdict, outcome.what) == (
        "OK",
        "sensor sensor: gives pictures of 320x320 px",
    )


@pytest.mark.parametrize("content", [None, b"", b"this is not video\n" * 100])
def test_a_file_that_is_not_video_is_named(tmp_path, content):
    video = tmp_path / "street.mp4"
    if content is not None:
        video.write_bytes(content)
    source = f'{{ kind = "file", path = "{video}" }}'
    (outcome,) = check_sources(node(tmp_path, source=source), CLOCK)
    assert outcome.verdict == "FAIL"
    assert "street.mp4" in outcome.what


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", "OK"),
        (b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n", "OK"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "FAIL"),
        (b"", "FAIL"),
    ],
)
def test_a_network_camera_has_to_speak_rtsp(tmp_path, reply, verdict):
    with answering(reply) as port:
        source = f'{{ kind = "rtsp", url = "rtsp://user:secret@127.0.0.1:{port}/live" }}'
        (outcome,) = check_sources(node(tmp_path, source=source), CLOCK)
    assert outcome.verdict == verdict
    assert "secret" not in outcome.what


HEAD = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
REFUSAL = b'RTSP/1.0 401 No\r\nContent-Length: 5\r\nWWW-Authenticate: Basic realm="c"\r\n\r\n'
H265 = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n"
DESCRIBED = b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(H265)


@contextlib.contextmanager
def answering_in_pieces(*answers):
    """The port of a server that answers each request in pieces, a moment apart."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                for pieces in answers:
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        CLOCK.wait(0.02)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answers", "transport", "verdict", "words"),
    [
        (([HEAD], [REFUSAL, b"no", b" no"], [REFUSAL, b"no no"]), "tcp", "FAIL",
         "refuses the user name or password"),
        (([HEAD[:9], HEAD[9:]], [DESCRIBED, H265[:40], H265[40:]]), "udp", "WARN",
         "H.265 over UDP"),
        (([HEAD], [DESCRIBED, H265]), "tcp", "OK", "describes the stream"),
    ],
)  # fmt: skip
def test_a_network_camera_s_answers_are_read_to_their_end(
    tmp_path, answers, transport, verdict, words
):
    """A refusal with a page in it is a refusal all the same; H.265 stands in the description."""
    with answering_in_pieces(*answers) as port:
        url = f"rtsp://user:secret@127.0.0.1:{port}/live"
        source = f'{{ kind = "rtsp", url = "{url}", transport = "{transport}" }}'
        (outcome,) = check_sources(node(tmp_path, source=source), CLOCK)
    assert outcome.verdict == verdict
    assert words in outcome.what
    assert "secret" not in outcome.what


@pytest.mark.apt(" ".join(PACKAGES))
@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_wrong_password_of_a_network_camera_is_said_and_never_shown(tmp_path, method):
    require_packages(*PACKAGES)
    camera = Camera("viewer", "right", method)
    camera.start()
    try:
        verdicts = {}
        for password in ("right", "wr0ng"):
            url = camera.url.replace("//", f"//viewer:{password}@")
            source = f'{{ kind = "rtsp", url = "{url}" }}'
            (verdicts[password],) = check_sources(node(tmp_path, source=source), CLOCK)
        source = f'{{ kind = "rtsp", url = "{camera.url}" }}'
        (nameless,) = check_sources(node(tmp_path, source=source), CLOCK)
        source = f'{{ kind = "rtsp", url = "{camera.url}x" }}'
        (elsewhere,) = check_sources(node(tmp_path, source=source), CLOCK)
    finally:
        camera.kill()
    assert verdicts["right"].verdict == "OK"
    assert verdicts["wr0ng"].verdict == "FAIL"
    assert "refuses the user name or password" in verdicts["wr0ng"].what
    assert "wr0ng" not in str(verdicts["wr0ng"])
    assert "wants a user name" in nameless.what
    assert elsewhere.verdict == "FAIL"


def test_a_network_camera_that_is_away_is_named(tmp_path):
    port = free_port()
    source = f'{{ kind = "rtsp", url = "rtsp://127.0.0.1:{port}/live" }}'
    (outcome,) = check_sources(node(tmp_path, source=source), CLOCK)
    assert outcome.verdict == "FAIL"
    assert f"127.0.0.1:{port}" in outcome.what


def test_a_camera_that_gives_nothing_is_told_once_and_not_waited_for(tmp_path):
    source = f'{{ kind = "v4l2", device = "{tmp_path}/video9" }}'
    (outcome,) = check_sources(node(tmp_path, source=source), CLOCK)
    assert outcome.verdict == "FAIL"
    assert "video9" in outcome.what


@pytest.mark.apt("python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base")
def test_what_a_jetson_s_camera_needs_is_named_with_its_package(tmp_path):
    require_packages("python3-gi", "gir1.2-gst-plugins-base-1.0", "gstreamer1.0-plugins-base")
    source = '{ kind = "gstreamer", camera = 0 }'
    (outcome,) = check_sources(node(tmp_path, source=source), CLOCK)
    assert outcome.verdict == "FAIL"
    assert "no nvarguscamerasrc" in outcome.what
    assert outcome.remedy == "install nvidia-l4t-gstreamer"


def test_a_broker_beyond_this_machine_without_tls_is_a_warning_reachable_or_not(tmp_path):
    config = node(tmp_path, broker={"host": "192.0.2.1.invalid"})
    assert verdicts(check_broker(config, CLOCK)) == ["WARN", "FAIL"]


def test_a_desk_whose_word_could_not_be_verified_is_named(tmp_path):
    keys_file = tmp_path / "desk.keys"
    desk = {"keys_file": str(keys_file)}
    broker = {"port": free_port()}
    unreadable, _ = check_broker(node(tmp_path, broker=broker, desk=desk), CLOCK)
    assert (unreadable.verdict, str(keys_file) in unreadable.what) == ("FAIL", True)
    keys_file.write_text("# soon\n")
    without_ack, _ = check_broker(node(tmp_path, broker=broker, desk=desk), CLOCK)
    assert "nothing would leave the outbox" in without_ack.what
    keys_file.write_text(AckingDesk().line)
    believed, _ = check_broker(node(tmp_path, broker=broker, desk=desk), CLOCK)
    assert believed.verdict == "OK"


def test_a_broker_that_answers_is_good_and_one_that_does_not_is_named(tmp_path):
    with answering(b"") as port:
        config = node(tmp_path, broker={"port": port})
        assert verdicts(check_broker(config, CLOCK)) == ["OK"]
    (outcome,) = check_broker(node(tmp_path, broker={"port": free_port()}), CLOCK)
    assert outcome.verdict == "FAIL"
    assert "nothing listens there" in outcome.what


@pytest.mark.apt("mosquitto")
def test_a_certificate_that_the_broker_does_not_want_is_no_good_news(short_directory):
    def found(certificate_file):
        files = {"certificate_file": str(certificate_file), "key_file": str(certificate_file)}
        tls = {"ca_file": str(broker.city.broker_ca), **files}
        reached = {"host": "localhost", "port": broker.poles_port}
        config = node(short_directory, broker=reached, **{"broker.tls": tls})
        return list(check_broker(config, CLOCK))[-1]  # after what it says of the files

    foreign = short_directory / "foreign"
    foreign.mkdir()
    with secured_broker(short_directory) as broker:
        own = broker.city.node("pole-7")
        assert found(own).verdict == "OK"
        stranger = found(City(foreign).node("pole-7"))
        assert (stranger.verdict, "TLS failed" in stranger.what) == ("FAIL", True)


def test_tls_is_tried_and_its_files_are_read(tmp_path):
    missing = {"ca_file": str(tmp_path / "ca.pem")}
    (outcome,) = check_broker(node(tmp_path, **{"broker.tls": missing}), CLOCK)
    assert outcome.verdict == "FAIL"
    assert "broker.tls.ca_file" in outcome.what


def test_a_password_that_everybody_can_read_is_a_warning(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("open sesame")
    with answering(b"") as port:
        config = node(
            tmp_path, broker={"port": port, "username": "pole", "password_file": str(secret)}
        )
        secret.chmod(0o644)
        assert verdicts(check_broker(config, CLOCK)) == ["WARN", "OK"]
        secret.chmod(0o640)
        assert verdicts(check_broker(config, CLOCK)) == ["OK"]
        secret.unlink()
        assert verdicts(check_broker(config, CLOCK)) == ["FAIL", "OK"]


def test_a_port_is_free_or_taken_by_this_node_or_by_another_program(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = node(tmp_path, retrieve={"port": port})
        assert verdicts(check_ports(config, CLOCK)) == ["FAIL"]
        evidence_socket(config).parent.mkdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as evidence:
            evidence.bind(str(evidence_socket(config)))
            evidence.listen()
            (outcome,) = check_ports(config, CLOCK)
            assert outcome.what.endswith("this node runs")
    assert verdicts(check_ports(config, CLOCK)) == ["OK"]
