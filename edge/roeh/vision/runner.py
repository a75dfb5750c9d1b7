"""One adapter for the two TensorFlow Lite runtimes: ai-edge-litert and tflite-runtime.

The only module that imports either. It needs numpy and the runtime alone, so that it
runs where nothing else of the product is installed. Pictures are written straight
into the model's input tensor and outputs are read where the runtime left them:
nothing is copied between the picture and the decoder.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from roeh.core.errors import ConfigError, ModelRefused, RuntimeMissing
from roeh.core.types import Size
from roeh.vision.manifest import VerifiedModel

RUNTIME_ENV = "ROEH_TFLITE"

Runtime = Literal["ai-edge-litert", "tflite-runtime"]

#: In order of preference: on int8 the first is many times faster.
INTERPRETER_MODULES: dict[Runtime, str] = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}


@dataclass(frozen=True, slots=True)
class RawOutput:
    """What the network said of one picture, before decoding.

    Both arrays are views of the runtime's memory: the next `run` or `invoke` of the
    same runner overwrites them.

    Attributes:
        scores: float32 (n, classes), per anchor point and class, in [0, 1].
        distribution: float32 (n, 4 * bins), per anchor point the logits of the
            distances left, top, right and bottom.
    """

    scores: NDArray[np.float32]
    distribution: NDArray[np.float32]


class Runner(Protocol):
    """A loaded model. Belongs to one thread at a time."""

    @property
    def input_size(self) -> Size:
        """Width and height of the pictures it takes."""
        ...

    def input_view(self) -> NDArray[np.uint8]:
        """The input tensor itself, (height, width, 3) BGR: write here, then `invoke`.

        The same array for the runner's whole life.
        """
        ...

    def invoke(self) -> RawOutput:
        """Run on what lies in the input tensor."""
        ...

    def run(self, image: NDArray[np.uint8]) -> RawOutput:
        """Copy a picture, (height, width, 3) BGR, into the input tensor and run."""
        ...


def choose_runtime(environ: Mapping[str, str] = os.environ) -> Runtime:
    """The runtime ROEH_TFLITE names, else the first that is installed.

    Raises:
        ConfigError: ROEH_TFLITE names something else.
        RuntimeMissing: none is installed.
    """
    asked = environ.get(RUNTIME_ENV, "")
    for runtime, module in INTERPRETER_MODULES.items():
        if asked == runtime or (not asked and _installed(module)):
            return runtime
    if asked:
        raise ConfigError(
            what="unknown runtime",
            which=f"{RUNTIME_ENV}={asked}",
            remedy=f"use {' or '.join(INTERPRETER_MODULES)}, or unset it",
        )
    raise RuntimeMissing(
        what="no TensorFlow Lite runtime is installed",
        which=" or ".join(INTERPRETER_MODULES),
        remedy="install ai-edge-litert",
    )


def open_runner(
    model: VerifiedModel,
    *,
    runtime: Runtime | None = None,
    threads: int = 1,
    environ: Mapping[str, str] = os.environ,
) -> Runner:
    """Load a verified model.

    Args:
        model: from `roeh.vision.manifest.open_model`.
        runtime: which runtime; by default what `choose_runtime` says.
        threads: CPU threads of one inference; 0, where nobody measured them: one.
        environ: where ROEH_TFLITE is looked up.

    Raises:
        ConfigError: ROEH_TFLITE names no runtime.
        RuntimeMissing: the runtime is not installed.
        ModelRefused: the runtime cannot load it, or its tensors are not as listed.
    """
    return _TfliteRunner(model, runtime or choose_runtime(environ), max(1, threads))


class _Interpreter(Protocol):
    """The part of both runtimes' `Interpreter` that is used: they share one interface."""

    def allocate_tensors(self) -> None: ...
    def get_input_details(self) -> list[dict[str, Any]]: ...
    def get_output_details(self) -> list[dict[str, Any]]: ...
    def tensor(self, index: int) -> Callable[[], NDArray[Any]]: ...
    def invoke(self) -> None: ...


class _TfliteRunner:
    """`Runner` on either runtime."""

    def __init__(self, model: VerifiedModel, runtime: Runtime, threads: int) -> None:
        self._size = model.input_size
        self._interpreter = _load(model, runtime, threads)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        shape = (1, self._size.height_px, self._size.width_px, 3)
        if len(inputs) != 1 or tuple(inputs[0]["shape"]) != shape or inputs[0]["dtype"] != np.uint8:
            raise _unlike_listed(model, f"input is not uint8 {shape}")
        columns = {int(detail["shape"][-1]): int(detail["index"]) for detail in outputs}
        scores = columns.pop(len(model.labels), None)
        if scores is None or len(columns) != 1:
            raise _unlike_listed(model, f"outputs are not {len(model.labels)} scores and a box")
        (distribution,) = columns.values()
        self._views = tuple(
            _TensorView(self._interpreter, index)
            for index in (int(inputs[0]["index"]), scores, distribution)
        )
        image, raw_scores, raw_distribution = (view.array[0] for view in self._views)
        self._input: NDArray[np.uint8] = image
        self._output = RawOutput(scores=raw_scores, distribution=raw_distribution)

    @property
    def input_size(self) -> Size:
        return self._size

    def input_view(self) -> NDArray[np.uint8]:
        return self._input

    def invoke(self) -> RawOutput:
        self._interpreter.invoke()
        assert not any(view.moved() for view in self._views), "the runtime moved a tensor"
        return self._output

    def run(self, image: NDArray[np.uint8]) -> RawOutput:
        assert image.shape == self._input.shape, (image.shape, self._input.shape)
        np.copyto(self._input, image, casting="no")
        return self.invoke()


class _TensorView:
    """An array over a tensor's memory that may live through `invoke`.

    The runtimes refuse to run while an array from their own `tensor()` is alive,
    because resizing an input would move the memory. Nothing here resizes after
    `allocate_tensors`, so the address stands; `moved` checks that it does.
    """

    def __init__(self, interpreter: _Interpreter, index: int) -> None:
        self._borrow = interpreter.tensor(index)
        borrowed = self._borrow()
        self._address = borrowed.ctypes.data
        memory = (ctypes.c_uint8 * borrowed.nbytes).from_address(self._address)
        # The array holds `memory` and so the interpreter: a view never outlives its tensor.
        memory.owner = interpreter  # type: ignore[attr-defined]  # any attribute will do
        self.array: NDArray[Any] = np.ndarray(
            borrowed.shape, borrowed.dtype, buffer=memoryview(memory)
        )

    def moved(self) -> bool:
        """Whether the runtime has put the tensor elsewhere."""
        return bool(self._borrow().ctypes.data != self._address)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def _load(model: VerifiedModel, runtime: Runtime, threads: int) -> _Interpreter:
    try:
        module = importlib.import_module(INTERPRETER_MODULES[runtime])
    except ImportError as error:
        raise RuntimeMissing(
            what=f"the TensorFlow Lite runtime cannot be imported ({error})",
            which=runtime,
            remedy=f"install {runtime}, or choose another with {RUNTIME_ENV}",
        ) from error
    try:
        interpreter = cast(
            "_Interpreter", module.Interpreter(model_content=model.content, num_threads=threads)
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise _unlike_listed(model, f"{runtime} cannot load it ({error})") from error
    return interpreter


def _unlike_listed(model: VerifiedModel, what: str) -> ModelRefused:
    return ModelRefused(
        what=what, which=str(model.path), remedy="list it in the manifest as it is, or renew it"
    )
