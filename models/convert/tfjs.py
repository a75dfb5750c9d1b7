"""Reads a TensorFlow.js graph model: a JSON graph with its weights beside it.

Only what such a file needs to be traced again: nodes, attributes, constants. Neither
tensorflowjs nor a protocol buffer is involved.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a node: `node:index` in the graph's notation."""

    node: str
    index: int

    @classmethod
    def parse(cls, text: str) -> Output:
        """From `name` or `name:index`."""
        node, _, index = text.partition(":")
        return cls(node=node, index=int(index or 0))


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. Attributes are read through typed accessors only."""

    name: str
    op: str
    inputs: tuple[Output, ...]
    attributes: dict[str, Any]

    def integers(self, key: str) -> list[int]:
        """A list of integers; the format writes them as text."""
        return [int(item) for item in self.attributes[key]["list"].get("i", [])]

    def text(self, key: str) -> str:
        """A string; the format writes its bytes in base64."""
        return base64.b64decode(self.attributes[key]["s"]).decode()

    def number(self, key: str) -> float:
        """A float."""
        return float(self.attributes[key]["f"])

    def flag(self, key: str) -> bool:
        """A bool; left out of the file where it is false."""
        return bool(self.attributes.get(key, {}).get("b", False))


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by name and the values of its constants."""

    nodes: dict[str, Node]
    constants: dict[str, NDArray[Any]]

    def in_order(self, outputs: Iterable[str], *, ends: Iterable[str]) -> list[Node]:
        """The nodes that `outputs` need, each after what it needs itself.

        Constants are left out, and so is whatever lies before the nodes in `ends`.
        """
        done = set(ends) | set(self.constants)
        ordered: list[Node] = []
        pending = [self.nodes[name] for name in outputs]
        while pending:
            node = pending[-1]
            open_inputs = [item.node for item in node.inputs if item.node not in done]
            if node.name in done:
                pending.pop()
            elif open_inputs:
                pending.extend(self.nodes[name] for name in open_inputs)
            else:
                done.add(node.name)
                ordered.append(pending.pop())
        return ordered


def read_graph(model_json: Path) -> Graph:
    """The graph in a `model.json`, with weights from the files it names.

    Raises:
        ValueError: a weight is stored in a way this reader does not know.
    """
    model = json.loads(model_json.read_text(encoding="utf-8"))
    constants: dict[str, NDArray[Any]] = {}
    for group in model["weightsManifest"]:
        stored = b"".join((model_json.parent / path).read_bytes() for path in group["paths"])
        constants.update(_weights(group["weights"], stored))
    nodes = {
        node["name"]: Node(
            name=node["name"],
            op=node["op"],
            inputs=tuple(Output.parse(text) for text in node.get("input", [])),
            attributes=node.get("attr", {}),
        )
        for node in model["modelTopology"]["node"]
    }
    return Graph(nodes=nodes, constants=constants)


def _weights(described: list[dict[str, Any]], stored: bytes) -> dict[str, NDArray[Any]]:
    weights: dict[str, NDArray[Any]] = {}
    offset = 0
    for weight in described:
        quantised = weight.get("quantization", {}).get("dtype")
        kind = np.dtype(quantised or weight["dtype"])
        if kind not in (np.float16, np.float32, np.int32):
            raise ValueError(f"weight {weight['name']} is stored as {kind}")
        shape = tuple(weight["shape"])
        count = int(np.prod(shape))
        values = np.frombuffer(stored, kind, count, offset).reshape(shape)
        weights[weight["name"]] = values.astype(weight["dtype"])
        offset += values.nbytes
    if offset != len(stored):
        raise ValueError(f"{len(stored) - offset} bytes of weights are left over")
    return weights
