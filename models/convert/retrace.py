"""Traces NanoDet anew with channels last.

The published graph came from PyTorch by way of ONNX: channels come first, and a
transposition stands on either side of every convolution, 83 in all. TensorFlow Lite
computes with channels last. Here every value is kept with channels last throughout;
a transposition then moves nothing, it only turns over how the graph counts the axes,
and axis numbers are translated where an operation names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .tfjs import Graph, Node, Output

#: TensorFlow's own types say nothing a checker could use.
Tensor: TypeAlias = Any
TracedNetwork: TypeAlias = Any

#: The network was published for pictures of this size; the sizes inside its resizing
#: operations belong to it.
PUBLISHED_SIZE_PX = 416

#: NanoDet's training normalisation, BGR in 0..255 (its configuration files).
MEAN_BGR = (103.53, 116.28, 123.675)
DEVIATION_BGR = (57.375, 57.12, 58.395)

SCORES = ("Identity", "Identity_1", "Identity_2")
DISTRIBUTIONS = ("Identity_3", "Identity_4", "Identity_5")
INPUT = "input_1"

#: Where the axes of a channels-first tensor lie in a channels-last one.
LAST_OF_FIRST = (0, 3, 1, 2)
FIRST_TO_LAST = [0, 2, 3, 1]
LAST_TO_FIRST = [0, 3, 1, 2]

#: The stem's max pooling pads with minus infinity, which would leave int8 no resolution.
#: What it pads is a leaky ReLU of slope 0.1: hardly anything there is below this.
LOWEST_PADDING = -1.0


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor, channels last, and whether the graph counts its channels first here."""

    tensor: Tensor
    channels_first: bool


def network(graph: Graph, height_px: int, width_px: int) -> TracedNetwork:
    """The network as a TensorFlow function for one input size.

    Returns:
        A concrete function: float32 (1, height, width, 3) BGR in 0..255 to scores
        (1, n, 80) and distribution logits (1, n, 44).
    """

    @tf.function(
        input_signature=[tf.TensorSpec([1, height_px, width_px, 3], tf.float32, name="image")],
        autograph=False,
    )
    def detect(image: Tensor) -> dict[str, Tensor]:
        normalised = (image - np.array(MEAN_BGR, np.float32)) * (
            1 / np.array(DEVIATION_BGR, np.float32)
        )
        tracer = _Tracer(graph, height_px, width_px)
        tensors = tracer.trace(normalised)
        return {
            "cls": tf.concat([tensors[name] for name in SCORES], 1),
            "reg": tf.concat([tensors[name] for name in DISTRIBUTIONS], 1),
        }

    return detect.get_concrete_function()


class _Tracer:
    """Carries values through the graph, one method per kind of operation."""

    def __init__(self, graph: Graph, height_px: int, width_px: int) -> None:
        self._graph = graph
        self._height_px = height_px
        self._width_px = width_px
        self._values: dict[Output, Value] = {}
        self._traces = {
            "Add": self._arithmetic,
            "ConcatV2": self._concatenate,
            "Conv2D": self._convolve,
            "Identity": self._pass_on,
            "LeakyRelu": self._leaky_relu,
            "MaxPool": self._max_pool,
            "Pad": self._pad,
            "PadV2": self._pad,
            "Reshape": self._flatten,
            "ResizeBilinear": self._resize,
            "Sigmoid": self._sigmoid,
            "SplitV": self._split,
            "Transpose": self._transpose,
        }

    def trace(self, image: Tensor) -> dict[str, Tensor]:
        """The tensors of the six outputs by name."""
        self._values[Output(INPUT, 0)] = Value(image, channels_first=True)
        outputs = (*SCORES, *DISTRIBUTIONS)
        # The shapes that reshaping asks for are computed in the graph; none is needed here.
        shapes = [
            node.inputs[1].node for node in self._graph.nodes.values() if node.op == "Reshape"
        ]
        for node in self._graph.in_order(outputs, ends=[INPUT, *shapes]):
            if node.op not in self._traces:
                raise ValueError(f"{node.name} is a {node.op}, which is not known here")
            for index, value in enumerate(self._traces[node.op](node)):
                self._values[Output(node.name, index)] = value
        return {name: self._values[Output(name, 0)].tensor for name in outputs}

    def _value(self, node: Node, position: int) -> Value:
        return self._values[node.inputs[position]]

    def _constant(self, node: Node, position: int) -> NDArray[Any]:
        return self._graph.constants[node.inputs[position].node]

    def _transpose(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        order = self._constant(node, 1).tolist()
        if len(order) == 4:
            assert order == (FIRST_TO_LAST if value.channels_first else LAST_TO_FIRST)
        return [Value(value.tensor, not value.channels_first)]

    def _convolve(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        assert not value.channels_first
        tensor = tf.nn.conv2d(
            value.tensor,
            self._constant(node, 1),
            node.integers("strides"),
            node.text("padding"),
            dilations=node.integers("dilations"),
        )
        return [Value(tensor, channels_first=False)]

    def _max_pool(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        assert not value.channels_first
        tensor = tf.nn.max_pool2d(
            value.tensor, node.integers("ksize"), node.integers("strides"), node.text("padding")
        )
        return [Value(tensor, channels_first=False)]

    def _pad(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        widths = self._constant(node, 1)
        if value.channels_first:
            widths = widths[FIRST_TO_LAST]
        fill = max(float(self._constant(node, 2)), LOWEST_PADDING) if node.op == "PadV2" else 0.0
        return [Value(tf.pad(value.tensor, widths, constant_values=fill), value.channels_first)]

    def _arithmetic(self, node: Node) -> list[Value]:
        left = self._value(node, 0)
        if node.inputs[1] in self._values:
            right = self._value(node, 1).tensor
        else:
            right = self._constant(node, 1)
            if left.channels_first and right.ndim == 4:
                right = np.transpose(right, FIRST_TO_LAST)
        return [Value(left.tensor + right, left.channels_first)]

    def _leaky_relu(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        return [Value(tf.nn.leaky_relu(value.tensor, node.number("alpha")), value.channels_first)]

    def _sigmoid(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        return [Value(tf.sigmoid(value.tensor), value.channels_first)]

    def _pass_on(self, node: Node) -> list[Value]:
        return [self._value(node, 0)]

    def _concatenate(self, node: Node) -> list[Value]:
        last = len(node.inputs) - 1
        values = [self._value(node, position) for position in range(last)]
        axis = _axis(int(self._constant(node, last)), values[0])
        return [Value(tf.concat([v.tensor for v in values], axis), values[0].channels_first)]

    def _split(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        axis = _axis(int(self._constant(node, 2)), value)
        sizes = self._constant(node, 1).tolist()
        return [Value(part, value.channels_first) for part in tf.split(value.tensor, sizes, axis)]

    def _resize(self, node: Node) -> list[Value]:
        value = self._value(node, 0)
        assert not value.channels_first
        published = self._constant(node, 1)
        size = published * (self._height_px, self._width_px) // PUBLISHED_SIZE_PX
        tensor = tf.raw_ops.ResizeBilinear(
            images=value.tensor,
            size=size.astype(np.int32),
            align_corners=node.flag("align_corners"),
            half_pixel_centers=node.flag("half_pixel_centers"),
        )
        return [Value(tensor, channels_first=False)]

    def _flatten(self, node: Node) -> list[Value]:
        """Rows and columns to one axis: the only use the network makes of Reshape."""
        value = self._value(node, 0)
        assert value.channels_first
        tensor = tf.reshape(value.tensor, [1, -1, value.tensor.shape[-1]])
        return [Value(tensor, channels_first=True)]


def _axis(axis: int, value: Value) -> int:
    return LAST_OF_FIRST[axis % 4] if value.channels_first else axis
