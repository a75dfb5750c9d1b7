"""What the real picamera2 needs to run on libcamera's virtual camera instead of a Pi's.

Loaded by virtual_camera.pth at the start of Python, in the machine only. Three changes, made
when picamera2's modules are imported; all else is the package as it is:

1. A virtual camera has no raw stream, and picamera2 asks every camera for its raw modes.
   Its answer here is one mode of the virtual sensor's size, used for nothing.
2. picamera2 describes a buffer as one plane. libcamera's virtual camera writes luma and
   colour into two (a Pi's driver takes one): the same buffer is described as two.

3. libcamera 0.4's virtual camera leaves the status of a picture as it was in memory, and
   picamera2 drops each picture whose status is not a success. Every picture that comes with
   a completed request is one here.

The heap that buffers come from is the kernel's `system` instead of a Pi's `linux,cma`: a
link beside it, see guest/conftest.py. pykms.py beside this file is the third absence.
"""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType, SimpleNamespace


class _Changing(importlib.abc.Loader):
    """A module's own loader, then the change."""

    def __init__(self, loader, change):
        self._loader = loader
        self._change = change

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType):
        self._loader.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        change = _CHANGES.get(name)
        if change is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Changing(spec.loader, change)
        return spec


def _answer_raw_modes(module: ModuleType):
    class_ = module.Picamera2
    asked = class_._get_raw_modes

    def raw_modes(self):
        if self._is_rpi_camera():
            return asked(self)
        area = self.camera_properties_["PixelArrayActiveAreas"][0]
        return [{"format": "SBGGR10", "size": (area[2], area[3])}]

    class_._get_raw_modes = raw_modes


def _take_every_status(module: ModuleType):
    real = module.libcamera

    class AnyStatus(real.FrameMetadata.Status):
        """Equal to each: a derived class is asked before the one that it derives from."""

        __hash__ = None

        def __eq__(self, other):
            return True

    class Libcamera(ModuleType):
        """The real one but for this."""

        FrameMetadata = SimpleNamespace(Status=SimpleNamespace(Success=AnyStatus(0)))

        def __getattr__(self, name):
            return getattr(real, name)

    module.libcamera = Libcamera("libcamera")


def _change_camera(module: ModuleType):
    _answer_raw_modes(module)
    _take_every_status(module)


def _describe_two_planes(module: ModuleType):
    libcamera = module.libcamera

    def two_planes(planes):
        """NV12: luma in two thirds of the bytes, then colour."""
        # The first plane stays the object it was: picamera2 knows the buffer by its file.
        luma, colour = planes[0], libcamera.FrameBuffer.Plane()
        whole_bytes = luma.length
        luma.length = whole_bytes * 2 // 3
        colour.fd = luma.fd
        colour.offset, colour.length = luma.length, whole_bytes - luma.length
        return libcamera.FrameBuffer([luma, colour])

    two_planes.Plane = libcamera.FrameBuffer.Plane
    module.libcamera = SimpleNamespace(FrameBuffer=two_planes)


_CHANGES = {
    "picamera2.picamera2": _change_camera,
    "picamera2.allocators.dmaallocator": _describe_two_planes,
}
sys.meta_path.insert(0, _Finder())
