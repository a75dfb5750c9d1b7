"""The stand-in for picamera2, which all other tests run on, has the real one's face."""

import inspect
import types

from guest.signatures import differences, real

from roeh.sources.picamera2 import binding
from roeh.sources.picamera2.binding import USED
from tests.picamera2_stand_in import named


def really(name):
    return real("picamera2", name)


def test_every_used_name_has_the_real_signature():
    """Every name that Roeh uses of picamera2 is in the stand-in, with the real one's signature."""
    assert len(USED) > 20
    assert differences(USED, really, named) == []


def test_a_doctored_stand_in_is_found():
    """A stand-in with a parameter more, fewer, renamed or with another default is found out."""

    def found(doctored):
        return differences(["Picamera2.capture_request"], really, lambda _: doctored)

    honest = inspect.signature(really("Picamera2.capture_request"))
    parameters = list(honest.parameters.values())
    doctored = {
        "fewer": parameters[:-1],
        "renamed": [*parameters[:-1], parameters[-1].replace(name="other")],
        "default": [*parameters[:-1], parameters[-1].replace(default="other")],
        "more": [*parameters, inspect.Parameter("extra", inspect.Parameter.KEYWORD_ONLY)],
    }
    for how, its in doctored.items():
        function = types.FunctionType((lambda: None).__code__, {})
        function.__signature__ = honest.replace(parameters=its)
        assert found(function), how
    assert found(property(lambda self: None))
    same = types.FunctionType((lambda: None).__code__, {})
    same.__signature__ = honest
    assert found(same) == []


def test_what_the_binding_takes_of_objects_is_there():
    """The attributes that the binding reads and sets on objects exist on real ones."""
    library = binding.load_library()
    encoder = library.LibavH264Encoder(bitrate=1, repeat=True, iperiod=5, framerate=5)
    assert encoder.firsttimestamp is None
    camera = library.Picamera2(0)
    try:
        assert camera.pre_callback is None
    finally:
        camera.close()
