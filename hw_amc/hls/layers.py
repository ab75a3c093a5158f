"""Our layers in hls4ml: classes, configuration and call templates, registered for Vivado and Vitis alike.

Each layer holds its Graph node; every number and type in the C++ comes from there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.layers import Layer, register_layer
from hls4ml.model.optimizer import OptimizerPass
from hls4ml.model.types import FixedPrecisionType, RoundingMode, SaturationMode, Source

from hw_amc import graph as ir
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import terms
from hw_amc.hls.target import cpp_type, raw_type

BACKENDS = ("Vivado", "Vitis")
FIRMWARE = Path(__file__).parent / "firmware"
HEADERS = ("hw_amc_kernels.h", "hw_amc_trace.h", "hw_amc_types.h")


def precision(fmt: FixedFormat) -> FixedPrecisionType:
    """`fmt` as hls4ml's type: rounds half to even, saturates."""
    return FixedPrecisionType(fmt.bits, fmt.integer_bits, fmt.signed, RoundingMode.RND_CONV, SaturationMode.SAT)


class ExactLayer(Layer):  # type: ignore[misc]
    """A layer that computes one Graph node in integers.

    Attributes in hls4ml's dictionary: `ir_node` (graph.Node), `ir_source` (the node that feeds it), `layer_hls`
    (config.LayerHls), `number` (its place in the trace).
    """

    #: C++ kernel; `_reuse` is appended where the products are packed.
    kernel = ""

    def initialize(self) -> None:
        """Create the output tensor and the products' code."""
        node = self.get_attr("ir_node")
        self.add_output_variable(list(node.shape), precision=precision(node.fmt))
        self.products = terms.products(node, self.get_attr("ir_source").fmt, self.get_attr("layer_hls"))
        if self.products:
            self.set_attr("products_code", Source("\n".join(product.emit() for product in self.products)))

    def kernel_name(self) -> str:
        """C++ function template that computes the layer."""
        packed = any(not product.literal for product in self.products)
        return f"hw_amc::{self.kernel}{'_reuse' if packed else ''}"

    def members(self) -> list[str]:
        """Body of the C++ configuration struct, one member a line."""
        raise NotImplementedError

    def product_members(self, names: tuple[str, ...], x_types: tuple[str, ...], m_types: tuple[str, ...]) -> list[str]:
        """Return members of the configuration struct that forward to the generated functions."""
        return [
            f"static void {name}(const {x} *x, {m} *m) {{\n        #pragma HLS INLINE\n"
            f"        nnet::{product.name}(x, m);\n    }}"
            for name, x, m, product in zip(names, x_types, m_types, self.products, strict=True)
        ]


class ExactQuantize(ExactLayer):
    """Round half to even and saturate; a ReLU where the target is unsigned."""

    kernel = "quantize"

    def members(self) -> list[str]:
        return [_constant("steps", _steps(self.get_attr("ir_node")))]


class ExactGru(ExactLayer):
    """GRU with hard gates, its state quantiser included."""

    kernel = "gru"

    def members(self) -> list[str]:
        node, source = self.get_attr("ir_node"), self.get_attr("ir_source")
        m_x, m_h = node.product_ranges(source.fmt)
        reuse = self.get_attr("layer_hls").reuse_factor
        return [
            _constant("steps", node.shape[0]),
            _constant("inputs", source.shape[-1]),
            _constant("units", node.units),
            _constant("cells", -(-node.units // reuse)),
            f"typedef {cpp_type(node.fmt)} state_t;",
            f"typedef {cpp_type(node.gate_fmt)} gate_t;",
            f"typedef {cpp_type(m_x, rounding=False)} input_product_t;",
            f"typedef {cpp_type(m_h, rounding=False)} recurrent_product_t;",
            f"typedef {raw_type(source.fmt)} input_raw_t;",
            f"typedef {raw_type(node.fmt)} state_raw_t;",
            f"typedef {raw_type(m_x)} input_product_raw_t;",
            f"typedef {raw_type(m_h)} recurrent_product_raw_t;",
            *self.product_members(
                ("input_product", "recurrent_product"),
                ("input_raw_t", "state_raw_t"),
                ("input_product_raw_t", "recurrent_product_raw_t"),
            ),
        ]


class ExactLinear(ExactLayer):
    """Dense or affine: a product at each step."""

    kernel = "linear"

    def members(self) -> list[str]:
        return [_constant("steps", _steps(self.get_attr("ir_node"))), *self.linear_members()]

    def linear_members(self) -> list[str]:
        """Types and the product, whose accumulator is as wide as the real weights need."""
        return [
            f"typedef {raw_type(self.get_attr('ir_source').fmt)} input_raw_t;",
            f"typedef {raw_type(self.get_attr('ir_node').fmt)} product_raw_t;",
            *self.product_members(("product",), ("input_raw_t",), ("product_raw_t",)),
        ]


class ExactConv1d(ExactLinear):
    """Convolution over time, stride 1, padding same."""

    kernel = "conv1d"

    def members(self) -> list[str]:
        width = self.get_attr("ir_node").kernel.shape[0]
        ahead = width - 1 - (width - 1) // 2
        return [_constant("width", width), _constant("ahead", ahead), *super().members()]


class ExactMeanPool(ExactLayer):
    """Mean over windows of 2^k samples, or over the frame."""

    kernel = "mean_pool1d"

    def members(self) -> list[str]:
        node, source = self.get_attr("ir_node"), self.get_attr("ir_source")
        pool = node.pool if isinstance(node, ir.AvgPool1d) else source.shape[0]
        windows = source.shape[0] // pool
        return [
            _constant("windows", windows),
            _constant("pool", pool),
            f"typedef {raw_type(node.fmt)} sum_raw_t;",
        ]


class ExactMaxPool(ExactLayer):
    """Largest of the samples of a window."""

    kernel = "max_pool1d"

    def members(self) -> list[str]:
        node = self.get_attr("ir_node")
        return [_constant("windows", node.shape[0]), _constant("pool", node.pool)]


LAYERS: dict[type[ir.Node], type[ExactLayer]] = {
    ir.Quantize: ExactQuantize,
    ir.Gru: ExactGru,
    ir.Conv1d: ExactConv1d,
    ir.Dense: ExactLinear,
    ir.Affine: ExactLinear,
    ir.AvgPool1d: ExactMeanPool,
    ir.GlobalAvgPool1d: ExactMeanPool,
    ir.MaxPool1d: ExactMaxPool,
}


def _constant(name: str, value: int) -> str:
    return f"static const int {name} = {value};"


def _steps(node: ir.Node) -> int:
    return node.shape[0] if len(node.shape) > 1 else 1


_CLASSES = tuple(dict.fromkeys(LAYERS.values()))


class ExactConfig(LayerConfigTemplate):  # type: ignore[misc]
    """The C++ configuration struct of our layers."""

    def __init__(self) -> None:
        super().__init__(_CLASSES)

    def format(self, node: Any) -> str:
        members = "\n".join(f"    {line}" for line in node.members())
        return f"struct config{node.index} {{\n{members}\n}};\n"


class ExactCall(FunctionCallTemplate):  # type: ignore[misc]
    """The call of our kernels, and the tap on its output."""

    def __init__(self) -> None:
        super().__init__(_CLASSES, include_header=["nnet_utils/hw_amc_kernels.h"])

    def format(self, node: Any) -> list[str]:
        source, result = node.get_input_variable(), node.get_output_variable()
        types = f"{source.type.name}, {result.type.name}, config{node.index}"
        return [
            f"{node.kernel_name()}<{types}>({source.name}, {result.name});",
            f"HW_AMC_TRACE({node.get_attr('number')}, {result.name});",
        ]


class RemoveIdentity(OptimizerPass):  # type: ignore[misc]
    """Drop a quantiser whose input already has its format: the shell's, and the one that a GRU node includes."""

    def match(self, node: Any) -> bool:
        return isinstance(node, ExactQuantize) and node.get_attr("identity", False)

    def transform(self, model: Any, node: Any) -> bool:
        model.remove_node(node)
        return True


@cache
def register() -> None:
    """Register layers, templates and kernels with hls4ml, once a process."""
    for layer in _CLASSES:
        register_layer(layer.__name__, layer)
    # Vitis runs Vivado's flows as well, so that one entry serves both.
    get_backend("Vivado").register_pass("hw_amc_remove_identity", RemoveIdentity, flow="vivado:optimize")
    for name in BACKENDS:
        backend = get_backend(name)
        backend.register_template(ExactConfig)
        backend.register_template(ExactCall)
        for header in HEADERS:
            backend.register_source(FIRMWARE / header)
