"""hls4ml at work: from the deployed Keras model to the firmware's text."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import hls4ml

from hw_amc import graph as ir
from hw_amc.compress.deployed import custom_objects
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.graph.reader import identifier
from hw_amc.hls import layers, reader, terms
from hw_amc.hls.target import Core, Target, cpp_type, network_name

#: Elements in the FIFO between two layers. In a chain whose layers work at constant rates the slowest one sets the
#: pace, and a deeper FIFO before it would only fill: two suffice, one being written while the other is read.
FIFO_DEPTH = 2


def convert(model: Any, graph: Graph, target: Target, folder: Path) -> Any:
    """Convert a deployed model with our layers in place; returns hls4ml's ModelGraph.

    Raises
    ------
    Mismatch
        The model's weights are not the Graph's integers.
    UnsupportedLayer
        hls4ml cannot parse a layer.
    """
    layers.register()
    core = Core.of(graph)
    settings = {
        "Model": {"Precision": cpp_type(core.source.fmt), "ReuseFactor": 1},
        "LayerName": {graph.input.name: {"Precision": {"result": cpp_type(core.source.fmt)}}},
    }
    with reader.handlers(graph, target), _quiet():
        network = hls4ml.converters.convert_from_keras_model(
            _with_names_of(graph, model),
            output_dir=str(folder),
            project_name=network_name(graph),
            backend=target.backend,
            hls_config=settings,
            part=target.part,
            clock_period=target.clock_ns,
            io_type="io_stream",
            write_weights_txt=False,
        )
    _check(network, core, graph)
    for layer in network.get_layers():
        for variable in layer.get_variables():
            variable.pragma = ("stream", FIFO_DEPTH)
    return network


def _with_names_of(graph: Graph, model: Any) -> Any:
    """Return a functional model whose layers bear the names of the graph's nodes, identifiers as C++ needs them."""
    from tensorflow import keras

    names = {node.layer_name: node.name for node in graph.nodes}
    names |= {layer.name: identifier(layer.name) for layer in model.layers if layer.name not in names}
    functional = keras.Model(model.inputs, model.outputs)
    if all(name == layer for layer, name in names.items()):
        return functional
    with keras.utils.custom_object_scope(custom_objects()):
        renamed = keras.models.clone_model(
            functional,
            clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "name": names[layer.name]}),
        )
    renamed.set_weights(model.get_weights())
    return renamed


def write_firmware(model: Any, graph: Graph, target: Target) -> tuple[dict[str, str], tuple[str, str]]:
    """Let hls4ml write into a scratch folder and return what it wrote: name -> text, and the two ends' type names.

    Raises
    ------
    Mismatch
        The integers in the written C++ are not the Graph's.
    """
    with tempfile.TemporaryDirectory(prefix="hw_amc_hls_") as scratch:
        folder = Path(scratch) / "project"
        network = convert(model, graph, target, folder)
        writer = network.config.backend.writer
        with _quiet():
            for step in ("project_dir", "project_cpp", "project_header", "defines", "parameters", "nnet_utils"):
                getattr(writer, f"write_{step}")(network)
            writer.write_generated_code(network)
        files = _collect(folder, network_name(graph))
    files["firmware/nnet_utils/hw_amc_backend.h"] = _backend_header(target)
    require_text(files["firmware/nnet_utils/nnet_code_gen.h"], graph, target)
    ends = (network.get_input_variables()[0].type.name, network.get_output_variables()[0].type.name)
    return files, ends


def require_text(code: str, graph: Graph, target: Target) -> None:
    """Raise Mismatch unless the integers in generated code are the Graph's weights."""
    for node, (source, *_) in graph.walk():
        for product in terms.products(node, source.fmt, target.layer(node.name)):
            text = terms.function_text(code, product.name)
            field, bias = _fields(node, product.name)
            rows, columns = product.matrix.shape
            matrix = terms.parse_matrix(text, (rows, columns))
            if isinstance(node, ir.Conv1d):
                matrix = matrix.reshape(node.kernel.shape)
            elif isinstance(node, ir.Affine):
                matrix = matrix.diagonal()
            reader.require_integers(node, field, matrix, "the C++")
            reader.require_integers(node, bias, terms.parse_bias(text, len(product.bias)), "the C++")


def _fields(node: Node, product: str) -> tuple[str, str]:
    return ("recurrent", "recurrent_bias") if product == f"{node.name}_recurrent" else ("kernel", "bias")


def _check(network: Any, core: Core, graph: Graph) -> None:
    """Every layer of the core must have become one of ours, with the Graph's format, and nothing else."""
    wanted = [graph.input.name, *(node.name for node in core.layers(graph))]
    got = [layer.name for layer in network.get_layers()]
    if got != wanted:
        raise UnsupportedLayer(f"hls4ml turned the layers {wanted} into {got}; the HLS road needs them one to one")
    for node in core.layers(graph):
        result = network.graph[node.name].get_output_variable().type.precision
        if (result.width, result.integer, result.signed) != (node.fmt.bits, node.fmt.integer_bits, node.fmt.signed):
            raise UnsupportedLayer(f"hls4ml gave layer {node.name!r} the type {result}, the graph says {node.fmt}")


def _collect(folder: Path, network: str) -> dict[str, str]:
    """Read the written files that the project needs: ours, hls4ml's types and helpers, and the ap_types headers."""
    files = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((folder / "firmware").rglob("*"))
        if path.is_file() and (path.parent.name != "nnet_utils" or path.name in _NNET_UTILS)
    }
    code = "firmware/nnet_utils/nnet_code_gen.h"
    files[code] = _without_stock_kernels(files[code])
    source = f"firmware/{network}.cpp"
    # The streams are inner ones: the core around them has the ports.
    files[source] = re.sub(r"^ *#pragma HLS INTERFACE .*\n", "", files[source], flags=re.MULTILINE)
    return files


_NNET_UTILS = ("nnet_types.h", "nnet_helpers.h", "nnet_code_gen.h", *layers.HEADERS)


def _without_stock_kernels(code: str) -> str:
    """Leave the stock kernels, which are not used, out of the generated code."""
    start = code.index("#include")
    begin, end = code.index("namespace nnet {"), code.index("// hls4ml insert code")
    return f'{code[:start]}#include "hw_amc_types.h"\n\nnamespace nnet {{\n\n{code[end:]}'.replace(code[begin:end], "")


def _backend_header(target: Target) -> str:
    return f"// Which tool this project is for.\n#define HW_AMC_{target.backend.upper()}\n"


@contextlib.contextmanager
def _quiet() -> Any:
    """hls4ml reports its progress with print; our command line has its own."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
