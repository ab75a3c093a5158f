"""What an operation needs for the HLS core: how Keras' arrays become its integers, its C++ and its cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.config import LayerHls
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.maps import streamed
from hw_amc.hls.product import Product
from hw_amc.hls.strategies import strategy_of

Integers = NDArray[np.int64]

#: Class of a graph's node -> what the core knows of it.
OPERATIONS: dict[type[Node], Operation] = {}
#: Class of a graph's node -> what builds another form of it, which `builds` tells.
FORMS: dict[type[Node], Operation] = {}


@dataclass(frozen=True)
class LayerBuild:
    """One node as a project builds it."""

    node: Any
    #: What feeds it.
    sources: tuple[Node, ...]
    settings: LayerHls

    @classmethod
    def of(cls, graph: Graph, name: str, settings: LayerHls | None = None) -> LayerBuild:
        """Return a node of a graph as the core streams it; without settings as it is by default."""
        found = streamed(graph)
        return cls(found[name], tuple(found.sources(found[name])), settings or LayerHls())

    @property
    def source(self) -> Node:
        """What feeds it, first."""
        return self.sources[0]

    @property
    def steps(self) -> int:
        """Elements of its output stream: time steps, pixels, or one."""
        return elements(self.node)


class Operation(ABC):
    """One operation; a subclass with `node`, or with `form_of`, registers itself."""

    node: ClassVar[type[Node]]
    #: Node of which it builds some only.
    form_of: ClassVar[type[Node]]
    #: Header of its kernels, in hls/firmware.
    header: ClassVar[str]
    #: Keras class that is read as this operation -> its arrays and the quantisers that round them.
    keras: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    #: Options of the node that its kernel knows.
    options: ClassVar[tuple[str, ...]] = ()
    #: Settings that mean something for it.
    settings: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        if "node" in cls.__dict__:
            OPERATIONS[cls.node] = cls()
        if "form_of" in cls.__dict__:
            FORMS[cls.form_of] = cls()

    def builds(self, node: Any) -> bool:
        """Whether a node has the form that this operation builds."""
        return True

    def header_of(self, node: Any) -> str:
        """Header of the kernel that a node takes."""
        return self.header

    def check(self, layer: LayerBuild) -> None:
        """Require that a layer can be built as its settings say.

        Raises
        ------
        ConfigError
            A setting means nothing here or has an impossible value; the message names it.
        """
        for key, value in layer.settings:
            if key not in self.settings and value != LayerHls.model_fields[key].default:
                known = ", ".join(self.settings) or "none"
                raise ConfigError(
                    f"[hls.layers.{layer.node.name}] {key} means nothing for {layer.node.op!r}; its settings: {known}"
                )
        self.products(layer)

    def refusal(self, layer: LayerBuild) -> str:
        """Say why the kernel cannot do what a node asks for, whatever its settings; empty where it can."""
        return ""

    def require_form(self, layer: LayerBuild) -> None:
        """Raise UnsupportedLayer, with the node's name, where the kernel cannot do what it asks for."""
        reason = self.refusal(layer)
        if reason:
            raise UnsupportedLayer(f"{layer.node.name}: {reason}")

    def products(self, layer: LayerBuild) -> tuple[Product, ...]:
        """Return the constant products; the same objects every time.

        Raises
        ------
        ConfigError
            A setting has an impossible value.
        """
        return _products(self, layer)

    def build_products(self, layer: LayerBuild) -> tuple[Product, ...]:
        """Make the products; see `products`."""
        return ()

    def weights(self, arrays: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Return a Keras layer's rounded arrays by the node's field."""
        return {}

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        """Of each element of the output, the last element of one input that it needs."""
        own, count = layer.steps, elements(layer.sources[place])
        return [-(-(k + 1) * count // own) - 1 for k in range(own)]

    def tables(self, layer: LayerBuild) -> Mapping[str, Integers]:
        """Return the integers, (words,), of read-only memories beside the products', by the name of each."""
        return {}

    def multiplications(self, layer: LayerBuild) -> int:
        """Multiplications of two variables in its hardware: a literal is no variable."""
        shared = (product for product in self.products(layer) if product.strategy == "resource")
        return sum(strategy_of(product).multiplications(product) for product in shared)

    def weights_of_step(self, layer: LayerBuild) -> int:
        """Count the weights by which an element of the stream is multiplied, without zeros that cost nothing."""
        return sum(int(np.count_nonzero(array)) for array in layer.node.arrays().values())

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        """Name of the integer that stands at a place of a matrix; the rows of several products are counted on."""
        raise NotImplementedError

    def code(self, layer: LayerBuild) -> str:
        """C++ of the layer's products and memories."""
        return "\n".join(strategy_of(product).emit(product) for product in self.products(layer))

    @abstractmethod
    def kernel(self, layer: LayerBuild) -> str:
        """C++ function template that computes the layer."""

    @abstractmethod
    def members(self, layer: LayerBuild) -> list[str]:
        """Body of the C++ configuration struct, one member a line."""

    @abstractmethod
    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        """Estimate cycles and resources, without the streams behind the layer."""


def elements(node: Node) -> int:
    """Elements that a stream carries for one frame: time steps, or one vector."""
    return prod(node.shape[:-1])


@lru_cache(maxsize=64)
def _products(operation: Operation, layer: LayerBuild) -> tuple[Product, ...]:
    return operation.build_products(layer)


def find(node: Node) -> Operation:
    """Return the operation of a node.

    Raises
    ------
    UnsupportedLayer
        The HLS core has none, or the node has an option that the core lacks; the message names the node.
    """
    if type(node) not in OPERATIONS:
        raise UnsupportedLayer(
            f"the HLS core has no kernel for {node.op!r} (node {node.name!r}); `hw-amc rtl` says if the RTL has one"
        )
    node.refuse_options("the HLS core", OPERATIONS[type(node)].options)
    form = FORMS.get(type(node))
    return form if form is not None and form.builds(node) else OPERATIONS[type(node)]
