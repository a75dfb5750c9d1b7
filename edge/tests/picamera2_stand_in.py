"""What stands for picamera2 where there is none: the same names, signatures and manners.

Each name in `USED` is here with the signature of picamera2 0.3.38, which the tests with the
real package compare. It draws pictures into buffers with padded rows, encodes them with
x264, and treats its user as the real one does: a thread that ends without a word when a
callback raises, requests that count, a driver that stops when none is left, a camera that
is busy while it is open. A `Board` says what the camera looks at and what goes wrong.
"""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from fractions import Fraction

import av
import numpy as np

from roeh.core.clock import Clock
from roeh.sources.picamera2.binding import Library
from tests.clocks import SynchronisedClock

PADDING = 77
#: Frames that a control takes to be seen.
CONTROL_DELAY = 2
CHROMA_U, CHROMA_V = 100, 160


class Board:
    """A board with cameras: what they see, and what becomes of them.

    Args:
        fps: of the sensor, whatever is asked for.
        order: what the streams are given as, whatever is asked for: YUV420 or NV12.
        exposes: whether exposure can be set.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        cameras: int = 1,
        fps: float = 60.0,
        order: str = "YUV420",
        exposes: bool = True,
        align: int = 32,
    ) -> None:
        self.clock = clock or SynchronisedClock()
        self.cameras = cameras
        self.fps = fps
        self.order = order
        self.align = align
        #: Luma, 0 to 1, that a microsecond at gain 1 gives.
        self.light_per_us = 0.42 / 20_000
        self.controls = {"FrameDurationLimits": (8_333, 1_000_000, 33_333)}
        if exposes:
            self.controls |= {
                "AeEnable": (False, True, True),
                "ExposureTime": (75, 200_000, 20_000),
                "AnalogueGain": (1.0, 16.0, 1.0),
                "Saturation": (0.0, 32.0, 1.0),
            }
        self.is_silent = threading.Event()
        self.is_unplugged = threading.Event()
        #: A call that does not come back until the event is set.
        self.hangs: dict[str, threading.Event] = {}
        self.refuses_to_write = threading.Event()
        self.refuses_to_read = threading.Event()
        self.encoder_breaks = threading.Event()
        self.encoder_is_silent = threading.Event()
        #: The width of all streams, whatever is asked for; 0 for what is asked for.
        self.gives_width_px = 0
        self.pictures = 0
        #: It falls silent after so many.
        self.most_pictures = 1 << 62
        self.looked_anew = 0
        self.is_open = False
        self.opened = self.closed = 0
        self.outstanding = 0
        self.starved = 0
        self.released_twice = 0
        self.died_of: Exception | None = None
        self.set: dict[str, object] = {}
        self.encoder: object = None
        self.stamp_ahead_ns = 0

    def library(self) -> Library:
        """What the source is given instead of the real package."""

        class OnThisBoard(Picamera2):
            board = self
            _cm = CameraManager(self)

            @staticmethod
            def global_camera_info():
                return [
                    {"Model": "stand-in", "Location": 2, "Rotation": 0, "Id": f"/cam{n}", "Num": n}
                    for n in range(self.cameras)
                ]

        return Library(
            Picamera2=OnThisBoard,
            MappedArray=MappedArray,
            Output=Output,
            LibavH264Encoder=LibavH264Encoder,
            hardware_encoder=lambda: H264Encoder,
        )

    def hang_in(self, name: str) -> None:
        """Where a call of that name hangs."""
        event = self.hangs.get(name)
        if event is not None:
            event.wait()


class Output:
    """Takes what an encoder gives."""

    def __init__(self, pts=None):
        self.recording = False
        self.ptsoutput = pts
        self.needs_pacing = False
        self.needs_add_stream = False

    def start(self):
        self.recording = True

    def stop(self):
        self.recording = False

    def outputframe(self, frame, keyframe=True, timestamp=None, packet=None, audio=False):
        raise NotImplementedError


class _Encoder:
    """One picture in, one picture out, in the camera's thread."""

    def __init__(self, bitrate, iperiod, framerate):
        self.bitrate, self.iperiod, self.framerate = bitrate, iperiod, framerate
        self.name = ""
        self.firsttimestamp = None
        self.output = None
        self._running = False
        self._lock = threading.Lock()
        self._held = []

    def start_for(self, stream):
        self._size = stream["size"]
        self._stride = stream["stride"]
        self._order = {"YUV420": "yuv420p", "NV12": "nv12"}[stream["format"]]
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height = self._size
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, 1_000_000)
        context.framerate = Fraction(self.framerate or 30)
        context.bit_rate = self.bitrate
        context.gop_size = self.iperiod
        context.thread_count = 1
        context.options = {"preset": "ultrafast", "tune": "zerolatency"}
        self._context = context
        self._running = True
        self.output.start()

    def encode(self, request):
        with self._lock:
            if not self._running:
                return
            if request.picam2.board.encoder_breaks.is_set():
                raise OSError("the encoder broke")
            if request.picam2.board.encoder_is_silent.is_set():
                return
            request.acquire()
            self._held.append(request)
            stamp_us = request.stamp_ns // 1000
            if self.firsttimestamp is None:
                self.firsttimestamp = stamp_us
            width = self._size[0]
            with MappedArray(request, self.name) as mapped:
                frame = av.VideoFrame.from_numpy_buffer(
                    mapped.array, format=self._order, width=width
                )
                frame.pts = stamp_us - self.firsttimestamp
                for packet in self._context.encode(frame):
                    self._give(packet)
            while len(self._held) > 1:
                self._held.pop(0).release()

    def stop(self):
        with self._lock:
            if not self._running:
                raise RuntimeError("Encoder already stopped")
            self._running = False
            for packet in self._context.encode(None):
                self._give(packet)
            while self._held:
                self._held.pop(0).release()
            self.output.stop()

    def _give(self, packet):
        self.output.outputframe(bytes(packet), packet.is_keyframe, packet.pts, packet, False)


class LibavH264Encoder(_Encoder):
    """The one in software."""

    def __init__(self, bitrate=None, repeat=True, iperiod=30, framerate=30, qp=None, profile=None):
        super().__init__(bitrate, iperiod, framerate)
        assert repeat


class H264Encoder(_Encoder):
    """The board's."""

    def __init__(
        self,
        bitrate=None,
        repeat=True,
        iperiod=None,
        framerate=None,
        enable_sps_framerate=False,
        qp=None,
        profile=None,
    ):
        super().__init__(bitrate, iperiod, framerate)
        assert repeat


class Job:
    """What is to be done with the next picture."""

    def __init__(self, functions, signal_function=None):
        self._functions = functions
        self._future = Future()
        self._future.set_running_or_notify_cancel()
        self._signal_function = signal_function
        self._result = None

    def finish(self, result):
        self._result = result

    def signal(self):
        if not self._future.done():
            self._future.set_result(self._result)
        if self._signal_function:
            self._signal_function(self)

    def get_result(self, timeout=None):
        return self._future.result(timeout=timeout)

    def cancel(self):
        self._future.set_exception(CancelledError())


class CompletedRequest:
    """One picture's buffers."""

    def __init__(self, request, picam2):
        self.request = request
        self.picam2 = picam2
        self.ref_count = 1
        self.lock = picam2.request_lock
        self.stop_count = picam2.stop_count
        self.config = picam2.camera_configuration().copy()
        self.stamp_ns, self.metadata = 0, {}

    def acquire(self):
        with self.lock:
            if self.ref_count == 0:
                raise RuntimeError("CompletedRequest: acquiring lock with ref_count 0")
            self.ref_count += 1

    def release(self):
        with self.lock:
            self.ref_count -= 1
            if self.ref_count < 0:
                self.picam2.board.released_twice += 1
                raise RuntimeError("CompletedRequest: lock now has negative ref_count")
            if self.ref_count == 0:
                self.picam2.take_back(self)
                self.request = None
                self.config = {}

    def get_metadata(self):
        assert self.request is not None
        self.picam2.board.hang_in("metadata")
        return dict(self.metadata)


class MappedArray:
    """A buffer of a request, mapped."""

    def __init__(self, request, stream, reshape=True, write=True):
        assert request.request is not None
        if write and not reshape and request.picam2.board.refuses_to_write.is_set():
            raise OSError("no memory")
        if not write and request.picam2.board.refuses_to_read.is_set():
            raise OSError("no descriptor is left")
        self.__request, self.__stream, self.__reshape = request, stream, reshape
        self.__array = None

    def __enter__(self):
        array = self.__request.request[self.__stream]
        if self.__reshape:
            stream = self.__request.config[self.__stream]
            array = array.reshape(stream["size"][1] * 3 // 2, stream["stride"])
            if stream["format"] == "NV12":
                array = array[:, : stream["size"][0]]
        self.__array = array
        return self

    def __exit__(self, exc_type, exc_value, exc_traceback):
        self.__array = None

    @property
    def array(self):
        return self.__array


class CameraManager:
    """The list of cameras, looked at once."""

    def __init__(self, board):
        self.board = board
        self.cameras = {}

    def reset(self):
        self.board.looked_anew += 1


class Picamera2:
    """One camera of a board."""

    board: Board
    _cm: CameraManager

    @staticmethod
    def global_camera_info():
        raise NotImplementedError

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        board = self.board
        board.hang_in("open")
        if board.is_unplugged.is_set() or board.is_open:
            reason = "Device or resource busy" if board.is_open else "No such device"
            raise RuntimeError("Camera __init__ sequence did not complete.") from RuntimeError(
                f"Failed to acquire camera: {reason}"
            )
        board.is_open = True
        board.opened += 1
        self.request_lock = threading.Lock()
        self.lock = threading.Lock()
        self.stop_count = 0
        self.started = False
        self.pre_callback = None
        self._config = {}
        self._jobs = []
        self._encoders = set()
        self._free = []
        self._controls = {}
        self._applied = {"ExposureTime": 20_000, "AnalogueGain": 1.0}
        self._pending = []
        self._abort = threading.Event()
        self._thread = None
        self._number = 0

    @property
    def camera_controls(self):
        return dict(self.board.controls)

    def camera_configuration(self):
        return self._config

    def create_video_configuration(
        self,
        main={},  # noqa: B006 - the real one's
        lores=None,
        raw={},  # noqa: B006
        transform=None,
        colour_space=None,
        buffer_count=6,
        controls={},  # noqa: B006
        display="main",
        encode="main",
        queue=True,
        sensor={},  # noqa: B006
        use_case="video",
    ):
        return {
            "main": dict(main),
            "lores": None if lores is None else dict(lores),
            "buffer_count": buffer_count,
            "controls": dict(controls),
            "display": display,
            "encode": encode,
            "queue": queue,
        }

    def configure(self, camera_config=None):
        assert not self.started
        for name in ("main", "lores"):
            stream = camera_config[name]
            if stream is None:
                continue
            width, height = stream["size"]
            width = self.board.gives_width_px or width
            stream["size"] = (width, height)
            if width % 2 or height % 2:
                raise RuntimeError("width and height should be even")
            stream["format"] = self.board.order
            stream["stride"] = -(-width // self.board.align) * self.board.align
        self._config = camera_config
        self.set_controls(camera_config["controls"])
        self._free = [
            {
                name: np.full(one["stride"] * one["size"][1] * 3 // 2, PADDING, np.uint8)
                for name in ("main", "lores")
                if (one := camera_config[name]) is not None
            }
            for _ in range(camera_config["buffer_count"])
        ]

    def set_controls(self, controls):
        for name in controls:
            if name not in self.board.controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self._controls |= controls
        self.board.set |= controls

    def start_encoder(self, encoder=None, output=None, pts=None, quality=None, name=None):
        if not isinstance(output, Output):
            raise RuntimeError("Must pass Output")  # noqa: TRY004 - as the real one
        encoder.output, encoder.name = output, name
        encoder.start_for(self._config[name])
        self.board.encoder = encoder
        with self.lock:
            self._encoders.add(encoder)

    def stop_encoder(self, encoders=None):
        for encoder in list(self._encoders):
            encoder.stop()
            with self.lock:
                self._encoders.remove(encoder)

    def start(self, config=None, show_preview=False):
        self.board.hang_in("start")
        self.started = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def capture_request(self, wait=None, signal_function=None, flush=None):
        assert wait is False
        job = Job([], signal_function)
        with self.lock:
            self._jobs.append(job)
        return job

    def cancel_all_and_flush(self):
        with self.lock:
            for job in self._jobs:
                job.cancel()
            self._jobs = []

    def stop_preview(self):
        self.board.hang_in("stop")
        if self._thread is None:
            raise RuntimeError("No preview specified.")
        self._abort.set()
        self._thread.join()
        self._thread = None

    def close(self):
        self.board.hang_in("close")
        if self._thread is not None:
            self.stop_preview()
        self.stop_count += 1
        self.started = False
        self.board.is_open = False
        self.board.closed += 1

    def take_back(self, request):
        self.board.outstanding -= 1
        if self.started and request.stop_count == self.stop_count:
            self._free.append(request.request)
            self._pending.append(dict(self._controls))
            self._controls = {}

    def _run(self):
        board = self.board
        while not self._abort.wait(1 / board.fps):
            if board.is_silent.is_set() or board.is_unplugged.is_set():
                continue
            if board.pictures >= board.most_pictures:
                continue
            with self.request_lock:
                if not self._free:
                    board.starved += 1
                    continue
                buffers = self._free.pop(0)
                board.outstanding += 1
            try:
                self._process(self._completed(buffers))
            except Exception as error:  # noqa: BLE001 - as the real one's thread ends
                board.died_of = error
                return

    def _completed(self, buffers):
        board = self.board
        while len(self._pending) > CONTROL_DELAY:
            self._applied |= self._pending.pop(0)
        self._number += 1
        board.pictures += 1
        request = CompletedRequest(buffers, self)
        request.stamp_ns = board.clock.boot_ns() + board.stamp_ahead_ns
        request.metadata = {"SensorTimestamp": request.stamp_ns}
        level = 0.4
        if "ExposureTime" in board.controls:
            exposure, gain = self._applied["ExposureTime"], self._applied["AnalogueGain"]
            request.metadata |= {
                "ExposureTime": exposure,
                "AnalogueGain": gain,
                "DigitalGain": 1.0,
            }
            level = min(1.0, exposure * gain * board.light_per_us)
        for name, buffer in buffers.items():
            draw(buffer, self._config[name], self._number, level)
        return request

    def _process(self, request):
        finished = []
        with self.lock:
            if self.pre_callback:
                self.pre_callback(request)
            if self._jobs:
                request.acquire()
                job = self._jobs.pop(0)
                job.finish(request)
                finished.append(job)
            for encoder in self._encoders:
                encoder.encode(request)
        request.release()
        for job in finished:
            job.signal()


def draw(buffer, stream, number, level):
    """The picture of that number: six bits of it along the lower rim, a grey above."""
    (width, height), stride = stream["size"], stream["stride"]
    luma = buffer[: stride * height].reshape(height, stride)[:, :width]
    luma[:] = 16 + 219 * level
    for bit in range(6):
        left = bit * width // 6
        luma[height * 7 // 8 :, left : left + width // 6] = 235 if number >> bit & 1 else 16
    chroma = buffer[stride * height :]
    if stream["format"] == "NV12":
        pairs = chroma.reshape(height // 2, stride)
        pairs[:, 0:width:2], pairs[:, 1:width:2] = CHROMA_U, CHROMA_V
        return
    planes = chroma.reshape(2, height // 2, stride // 2)
    planes[0, :, : width // 2], planes[1, :, : width // 2] = CHROMA_U, CHROMA_V


_MODULES = {
    "encoders.h264_encoder.H264Encoder": H264Encoder,
    "encoders.libav_h264_encoder.LibavH264Encoder": LibavH264Encoder,
    "job.Job": Job,
    "MappedArray": MappedArray,
    "outputs.Output": Output,
    "Picamera2": Picamera2,
    "picamera2.CameraManager": CameraManager,
    "request.CompletedRequest": CompletedRequest,
}


def named(dotted: str) -> object:
    """What stands for a name of the package picamera2."""
    for prefix, kind in _MODULES.items():
        if dotted.startswith(f"{prefix}."):
            return getattr(kind, dotted.removeprefix(f"{prefix}."))
    raise KeyError(dotted)
