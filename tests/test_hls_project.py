"""The written project: the same text every time, every number from the Graph, weights required to be the Graph's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest

from hw_amc import hls
from hw_amc.config import BoardSettings, Budget, HlsSettings, LayerHls
from hw_amc.errors import ConfigError, DataError, Mismatch, UnsupportedLayer
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import ops
from hw_amc.hls.strategies import strategy_of
from hw_amc.hls.strategies.base import struct_text
from hw_amc.hls.strategies.latency import Latency
from hw_amc.sources import Sources

FRAMES = deployed.wire_frames(3)
CODE = "firmware/products.h"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Graph]:
    return deployed.build("sparse", tmp_path_factory.mktemp("network") / "weights.h5")


def build(network: tuple[Any, Graph], backend: str = "Vitis", **layers: LayerHls) -> Sources:
    model, graph = network
    return hls.build_project(model, graph, hls.Target(backend, "xc7z020clg400-1", 10.0, layers), FRAMES, _keras(graph))


def _keras(graph: Graph) -> Any:
    return golden.run(graph, FRAMES, ["gru", "head"])


@pytest.mark.parametrize("backend", ["Vivado", "Vitis"])
def test_the_same_input_gives_the_same_project(network: tuple[Any, Graph], backend: str) -> None:
    first, second = build(network, backend), build(network, backend)
    assert first.digest() == second.digest()
    assert "firmware/ap_types/ap_fixed.h" in first.files
    # Nothing of this machine: no scratch folder, no home, no place where packages are installed.
    for name, text in first.files.items():
        assert not re.search(r"/tmp/|/home/|site-packages|hw_amc_hls_", text), name


def test_the_tools_differ_where_they_must(network: tuple[Any, Graph]) -> None:
    vivado, vitis = build(network, "Vivado").files, build(network, "Vitis").files
    different = {name for name in vivado if vivado[name] != vitis[name]}
    assert different - {name for name in different if name.endswith((".h", "_core.cpp"))} == {
        "project.tcl",
        "hw_amc.json",
    }
    for name in different - {"project.tcl", "hw_amc.json"}:
        lines = [
            {line for line in files[name].splitlines() if not line.lstrip().startswith("#pragma HLS")}
            for files in (vivado, vitis)
        ]
        assert lines[0] == lines[1], name
    assert "create_clock -period 10 " in vitis["project.tcl"]
    assert "set_part {xc7z020clg400-1}" in vivado["project.tcl"]


def test_every_precision_is_the_graphs(network: tuple[Any, Graph]) -> None:
    _, graph = network
    types = build(network).files["firmware/defines.h"]
    arrays = re.findall(r"nnet::array<ap_(u?)fixed<(\d+),(-?\d+),AP_RND_CONV,AP_SAT>, (\d+)>", types)
    nodes = graph.nodes[1:]
    wanted = [("" if n.fmt.signed else "u", n.fmt.bits, n.fmt.integer_bits, n.shape[-1]) for n in nodes]
    assert [(u, int(w), int(i), int(c)) for u, w, i, c in arrays] == wanted


def test_the_core_is_two_bare_streams_and_runs_freely(network: tuple[Any, Graph]) -> None:
    files = build(network).files
    core = files["firmware/hw_amc_core.cpp"]
    for pragma in ("axis port=samples", "axis port=logits", "ap_ctrl_none port=return"):
        assert f"#pragma HLS INTERFACE {pragma}" in core
    assert "integer<16, false>::type sample_word_t" in files["firmware/hw_amc_core.h"]
    assert "field<input_t::value_type, 8>(word)" in re.sub(r"\w+_t::value", "input_t::value", core)
    assert "INTERFACE" not in files["firmware/small_net.cpp"]


def test_fifos_are_short(network: tuple[Any, Graph]) -> None:
    text = build(network).files["firmware/small_net.cpp"]
    streams = re.findall(r"hls::stream<\w+> (\w+)\(", text)
    assert streams
    assert re.findall(r"STREAM variable=(\w+) depth=2$", text, re.MULTILINE) == streams


@pytest.mark.parametrize("factor", [1, 6])
def test_the_text_multiplies_as_the_schedule_says(network: tuple[Any, Graph], factor: int) -> None:
    _, graph = network
    code = build(network, gru=LayerHls(reuse_factor=factor, strategy="resource")).files[CODE]
    layer = ops.LayerBuild(
        graph["gru"], tuple(graph.sources(graph["gru"])), LayerHls(reuse_factor=factor, strategy="resource")
    )
    product = ops.find(graph["gru"]).products(layer)[0]
    text = struct_text(code, "gru_product")
    assert len(re.findall(r"\bmultiply<", text)) == strategy_of(product).multiplications(product) > 0
    assert factor > 1 or product.folding.multipliers == np.count_nonzero(product.matrix)


def test_a_weight_that_is_not_the_graphs_is_named(tmp_path: Path) -> None:
    model, graph = deployed.build("sparse", tmp_path / "weights.h5")
    layer = model.get_layer("conv2")
    kernel, bias = layer.get_weights()
    kernel[2, 1, 3] = 0.5 if kernel[2, 1, 3] != 0.5 else 0.25
    layer.set_weights([kernel, bias])
    with pytest.raises(Mismatch, match=r"layer conv2: kernel\[2, 1, 3\] is \d+ in Keras and -?\d+ in the graph"):
        build((model, graph))


def test_a_weight_lost_on_the_way_to_the_text_is_named(
    network: tuple[Any, Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = Latency.emit

    def lose(strategy: Any, product: Any) -> Any:
        text = emit(strategy, product)
        return text.replace(text[text.index(" mac(") :].split(";")[0] + ";", "", 1)

    monkeypatch.setattr(Latency, "emit", lose)
    with pytest.raises(Mismatch, match=r"layer conv1: kernel\[.*\] is 0 in the C\+\+ and -?\d+ in the graph"):
        build(network, conv1=LayerHls(strategy="latency"))


def test_a_format_that_is_not_the_graphs_is_named(network: tuple[Any, Graph], tmp_path: Path) -> None:
    _, graph = deployed.build("sparse", tmp_path / "a.h5")
    other, _ = deployed.build("sparse", tmp_path / "b.h5", {"gru": {"state_bits": 4, "candidate_bits": 4}})
    with pytest.raises(Mismatch, match=r"layer gru: fmt is s4\.3 in Keras and s8\.7 in the graph"):
        build((other, graph))


def test_settings_are_checked(network: tuple[Any, Graph]) -> None:
    with pytest.raises(ConfigError, match=r"\[hls.layers.conv3\]: the network has no such layer; did you mean conv"):
        build(network, conv3=LayerHls())
    with pytest.raises(ConfigError, match=r"\[hls.layers.conv1\] reuse_factor = 7 is not legal; choose from 1, 2, 3"):
        build(network, conv1=LayerHls(reuse_factor=7))


def test_the_clock_is_the_boards_unless_the_project_says() -> None:
    budget = Budget(lut=1, ff=1, dsp=1, bram36=1)
    board = BoardSettings(name="b", part="p", ps="zynq7", clock_mhz=125, budget=budget)
    assert hls.Target.of(HlsSettings(), board).clock_ns == 8
    assert hls.Target.of(HlsSettings(clock_ns=4.0), board).clock_ns == 4


def test_bench_data_must_fit(network: tuple[Any, Graph]) -> None:
    model, graph = network
    target = hls.Target("Vitis", "p", 10.0)
    with pytest.raises(DataError, match="needs the Keras model's integers of head"):
        hls.build_project(model, graph, target, FRAMES, {})
    with pytest.raises(DataError, match=r"bench tensor 'head' must be integers \(3, 5\)"):
        hls.build_project(model, graph, target, FRAMES, {"head": np.zeros((3, 4), np.int32)})
    with pytest.raises(DataError, match="bench frames must be integers"):
        hls.build_project(model, graph, target, FRAMES / 2.0, _keras(graph))


def test_a_layer_that_nothing_reads_is_refused(network: tuple[Any, Graph]) -> None:
    from dataclasses import replace

    _, graph = network
    branch = replace(graph["conv2_relu"], inputs=("conv2",), name="side")
    with pytest.raises(UnsupportedLayer, match="side: nothing reads this layer"):
        hls.CoreStreams.of(replace(graph, nodes=(*graph.nodes[:-1], branch, graph.nodes[-1])))


def test_layers_of_any_name_have_identifiers_in_the_text() -> None:
    from tensorflow import keras

    body = [deployed.act("iq", 8, 1), deployed.conv1d("block1/conv-1", 3, 3), deployed.relu("block1/relu.1")]
    layers = [*body, keras.layers.GlobalAveragePooling1D(name="g"), deployed.act("2nd"), deployed.dense("head", 5)]
    model = keras.Sequential([keras.Input((16, 2), name="frames"), *layers])
    graph = build_graph(deployed.fill(model, "random"), "names", list("abcde"))
    written = hls.build_project(
        model, graph, hls.Target("Vitis", "xc7z020clg400-1", 10.0), FRAMES, golden.run(graph, FRAMES, ["head"])
    )
    assert "block1_conv_1_product" in written.files[CODE]
    assert "layer_2nd" in written.files["firmware/names_net.cpp"]
    assert not any(name in text for text in written.files.values() for name in ("conv-1", "block1/", "relu.1"))
