"""Our layers in hls4ml, and the templates of their C++."""

from __future__ import annotations

from typing import Any

from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.attributes import ConfigurableAttribute
from hls4ml.model.layers import Layer, layer_map, register_layer
from hls4ml.model.types import FixedPrecisionType, RoundingMode, SaturationMode

from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.backends import HOST_PREFIX
from hw_amc.hls.ops import LayerBuild, find


def precision(fmt: FixedFormat) -> FixedPrecisionType:
    """`fmt` as hls4ml's type: rounds half to even, saturates."""
    return FixedPrecisionType(fmt.bits, fmt.integer_bits, fmt.signed, RoundingMode.RND_CONV, SaturationMode.SAT)


class HwAmcUnread(Layer):  # type: ignore[misc]
    """A layer as hls4ml meets it, before the whole network is read: its shape and what can be set for it."""

    _expected_attributes = (
        ConfigurableAttribute("reuse_factor", default=1),
        ConfigurableAttribute("recurrent_reuse_factor", default=1),
        ConfigurableAttribute("cells_reuse_factor", default=1),
    )

    def initialize(self) -> None:
        """Create the output tensor."""
        name = self.model.config.backend.name
        if not name.startswith(HOST_PREFIX):
            # hls4ml's own words where it has some: its back ends refuse what they refused.
            reason = self.get_attr("refusal") or "not supported"
            raise Exception(
                f"layer {self.name!r} ({self.get_attr('keras_class')}): {reason} by back end {name}; "
                f"those of hw_amc begin with {HOST_PREFIX}"
            )
        self.add_output_variable(list(self.get_attr("output_shape")))


class HwAmcLayer(Layer):  # type: ignore[misc]
    """One node of the Graph. `build` (ops.LayerBuild) holds it; for the core's input it is None."""

    def initialize(self) -> None:
        """Create the output tensor."""
        node = self.get_attr("node")
        self.add_output_variable(
            list(node.shape), var_name=f"{node.name}_out", type_name=f"{node.name}_t", precision=precision(node.fmt)
        )


class Config(LayerConfigTemplate):  # type: ignore[misc]
    """The C++ configuration struct of a layer."""

    def __init__(self) -> None:
        super().__init__(HwAmcLayer)

    def format(self, node: Any) -> str:
        layer: LayerBuild | None = node.get_attr("build")
        if layer is None:
            return ""
        members = "\n".join(f"    {line}" for line in find(layer.node).members(layer))
        return f"struct {layer.node.name}_config {{\n{members}\n}};\n"


class Call(FunctionCallTemplate):  # type: ignore[misc]
    """The call of a layer's kernel, and the tap on its output."""

    def __init__(self) -> None:
        super().__init__(HwAmcLayer)

    def format(self, node: Any) -> list[str]:
        layer: LayerBuild | None = node.get_attr("build")
        if layer is None:
            return []
        name = layer.node.name
        types = ", ".join([*(f"{source.name}_t" for source in layer.sources), f"{name}_t", f"{name}_config"])
        streams = ", ".join([*node.get_attr("streams"), f"{name}_out"])
        return [
            f"{find(layer.node).kernel(layer)}<{types}>({streams});",
            f"HW_AMC_TRACE({node.get_attr('number')}, {name}_out);",
        ]


def register() -> None:
    """Register the layers with hls4ml, once a process."""
    for layer in (HwAmcUnread, HwAmcLayer):
        if layer.__name__ not in layer_map:
            register_layer(layer.__name__, layer)
