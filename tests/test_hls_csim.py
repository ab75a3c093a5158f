"""C simulation equals golden in every layer, on both builds; and a changed bit does not go unnoticed."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest

from hw_amc import hls, tools
from hw_amc.config import LayerHls
from hw_amc.errors import ConfigError, DataError, Mismatch, ToolFailed, ToolMissing
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import csim
from hw_amc.hls.estimate.whole import legal_reuse_factors
from hw_amc.hls.strategies.base import struct_text
from hw_amc.hls.streams import network_name
from hw_amc.verify import equality as compare

PART = "xc7z020clg400-1"
FOUR_BITS = {
    "input_quant": {"bits": 6},
    "gru": {
        "kernel_bits": 4,
        "recurrent_bits": 4,
        "bias_bits": 6,
        "state_bits": 6,
        "candidate_bits": 6,
        "gate_bits": 6,
    },
    "gru_relu": {"bits": 4},
    "conv1": {"kernel_bits": 4, "bias_bits": 8},
    "conv2": {"kernel_bits": 4, "bias_bits": 12},
}
WIDE = {
    "input_quant": {"bits": 12},
    "gru": {"state_bits": 12, "candidate_bits": 12, "gate_bits": 10, "recurrent_bits": 12, "kernel_bits": 12},
    "gru_relu": {"bits": 12},
    "conv1": {"kernel_bits": 12},
}
#: Multipliers shared below and above the fan-in, and used once each.
PACKED = {
    "gru": LayerHls(reuse_factor=3),
    "gru_affine": LayerHls(reuse_factor=2),
    "conv1": LayerHls(reuse_factor=9),
    "conv2": LayerHls(reuse_factor=240),
    "head": LayerHls(reuse_factor=1, strategy="Resource"),
}
SHARED = {"gru": LayerHls(reuse_factor=18), "conv1": LayerHls(reuse_factor=36), "head": LayerHls(reuse_factor=5)}
#: Products with multipliers of their own, three cells to a lane; literals; multipliers of LUTs; cells in lanes.
MIXED = {
    "gru": LayerHls(reuse_factor=4, recurrent_reuse_factor=6, cells_reuse_factor=3),
    "conv1": LayerHls(reuse_factor=9, dsp_multipliers=2),
    "conv2": LayerHls(strategy="latency"),
}
LANES = {"gru": LayerHls(strategy="latency", cells_reuse_factor=4)}
FRAMES = deployed.wire_frames(7)


@dataclass
class Case:
    folder: Path
    graph: Graph
    tensors: dict[str, Any]

    @property
    def layers(self) -> list[str]:
        return list(self.tensors)

    def simulate(self, flavour: str, folder: Path | None = None) -> int:
        got = csim.build(folder or self.folder, flavour).run(FRAMES, self.layers, workers=1)
        return compare.require_equal(self.graph, ("golden", flavour), self.tensors, got)

    def changed(self, folder: Path, file: str, old: str, new: str) -> Path:
        """Copy the project with one piece of text changed."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("csim"))
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))
        return folder


def make(folder: Path, fill: str, backend: str = "Vitis", formats: Any = None, layers: Any = None) -> Case:
    model, graph = deployed.build(fill, folder / "weights.h5", formats)
    tensors = golden.run(graph, FRAMES, [node.name for node in graph.nodes[1:]])
    target = hls.Target(backend, PART, 10.0, layers or {})
    project = hls.build_project(model, graph, target, FRAMES[:2], {k: v[:2] for k, v in tensors.items()})
    project.write(folder / "project")
    return Case(folder / "project", graph, tensors)


@pytest.fixture(scope="module", autouse=True)
def quick_builds() -> Iterator[Any]:
    """Optimise less: these networks run for milliseconds."""
    flavours = {"ap_fixed": ("-O0", *csim.FLAVOURS["ap_fixed"][1:]), "native": ("-O1", *csim.FLAVOURS["native"][1:])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csim, "FLAVOURS", flavours)
        yield


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    layers = {"gru": LayerHls(reuse_factor=18), "conv2": LayerHls(strategy="latency")}
    return make(tmp_path_factory.mktemp("hls"), "random", layers=layers)


@pytest.mark.parametrize(
    ("backend", "fill", "formats", "layers"),
    [("Vitis", "alternating", WIDE, None), ("Vivado", "random", None, PACKED), ("Vitis", "random", None, MIXED)],
    ids=["Vitis, 12 bit", "Vivado, packed", "Vitis, mixed"],
)
def test_both_builds_equal_golden_in_every_layer(
    tmp_path: Path, backend: str, fill: str, formats: Any, layers: Any
) -> None:
    case = make(tmp_path, fill, backend, formats, layers)
    integers = len(FRAMES) * sum(int(np.prod(case.graph[name].shape)) for name in case.layers)
    assert case.simulate("native") == integers
    assert case.simulate("ap_fixed") == integers


@pytest.mark.parametrize(
    ("fill", "formats", "layers"),
    [
        ("largest", None, None),
        ("smallest", WIDE, SHARED),
        ("zero", None, PACKED),
        ("ties", FOUR_BITS, None),
        ("sparse", FOUR_BITS, SHARED),
        ("alternating", None, MIXED),
        ("random", WIDE, LANES),
    ],
    ids=["largest", "smallest", "zero", "ties", "sparse", "mixed", "lanes"],
)
def test_native_equals_golden_on_adversarial_weights(tmp_path: Path, fill: str, formats: Any, layers: Any) -> None:
    assert make(tmp_path, fill, "Vivado", formats, layers).simulate("native")


def _other_layers() -> Any:
    """Dense on every step and on the last, both poolings, an even width, signed activations."""
    from tensorflow import keras

    from hw_amc.compress.layers import qkeras

    kernel, bias = "quantized_bits(6,0,0,alpha=1)", "quantized_bits(10,2,0,alpha=1)"
    weights = {"kernel_quantizer": kernel, "bias_quantizer": bias}
    layers = [
        qkeras.QActivation("quantized_bits(8,1,0,alpha=1)", name="input_quant"),
        qkeras.QDense(5, name="dense1", **weights),
        qkeras.QActivation("quantized_bits(7,2,0,alpha=1)", name="dense1_quant"),
        keras.layers.MaxPooling1D(2, name="largest"),
        qkeras.QConv1D(4, 4, padding="same", name="conv1", **weights),
        qkeras.QActivation("quantized_bits(7,3,0,alpha=1)", name="conv1_quant"),
        keras.layers.AveragePooling1D(4, name="pool"),
        keras.layers.GlobalAveragePooling1D(name="gap"),
        qkeras.QDense(3, name="head", **weights),
    ]
    x = inputs = keras.Input((16, 2), name="frames")
    for layer in layers:
        x = layer(x)
    model = keras.Model(inputs, x)
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(0, 0.6, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("layers", [{}, {"dense1": LayerHls(reuse_factor=2), "head": LayerHls(reuse_factor=12)}])
def test_the_other_layers_are_exact_too(tmp_path: Path, layers: dict[str, LayerHls]) -> None:
    model = _other_layers()
    graph = build_graph(model, "other layers", ["a", "b", "c"])
    tensors = golden.run(graph, FRAMES, [node.name for node in graph.nodes[1:]])
    target = hls.Target("Vitis", PART, 10.0, layers)
    hls.build_project(model, graph, target, FRAMES, tensors).write(tmp_path)
    case = Case(tmp_path, graph, tensors)
    assert case.simulate("native") == sum(tensor.size for tensor in tensors.values())
    if not layers:
        assert case.simulate("ap_fixed") == case.simulate("native")


@pytest.mark.slow
@pytest.mark.parametrize(
    "layers", [None, PACKED, SHARED, MIXED, LANES], ids=["adders", "packed", "shared", "mixed", "lanes"]
)
@pytest.mark.parametrize("formats", [None, FOUR_BITS, WIDE], ids=["8 bit", "4 bit", "12 bit"])
@pytest.mark.parametrize(("fill", "backend"), zip(deployed.FILLS, ["Vivado", "Vitis"] * 4, strict=False))
def test_every_combination(tmp_path: Path, backend: str, fill: str, formats: Any, layers: Any) -> None:
    case = make(tmp_path, fill, backend, formats, layers)
    assert case.simulate("native") == case.simulate("ap_fixed")


CODE = "firmware/products.h"


def _struct(case: Case, name: str) -> str:
    return struct_text((case.folder / CODE).read_text(), name)


def _other_number(case: Case, name: str, pattern: str, bit: int = 0) -> tuple[str, str]:
    """The text of a struct up to the first number that `pattern` catches, and the same with one bit of it changed."""
    text = _struct(case, name)
    found = re.search(pattern, text)
    assert found is not None
    begin, end = found.span(1)
    return text[:end], f"{text[:begin]}{int(found[1]) ^ 1 << bit}"


#: What is changed -> layer, a pattern of the number, and a bit of it that shows in the layer's output.
CHANGES = {
    "literal": ("conv2", r"mac\(a, x\[\d+\], (-?\d+)\)", 0),
    "bias": ("conv2", r"total\(a, \d+, (-?\d+)\)", 0),
    "weight in a ROM": ("gru", r"weights0\[\d+\] = \{(-?[1-9]\d*)", 0),
    "selection": ("gru", r"picks\d+\[\d+\] = \{(\d+)", 0),
    "start of an accumulator": ("gru", r"bias\[\d+\]\[\d+\] = \{\{(-?\d+)", 10),
    "owner of a result": ("gru", r"if \(position == 0\) cells\[(\d+)\]", 0),
    "shift of an adder": ("conv1", r"add<[^>]*>\(x\[\d+\], (\d+)", 0),
}


@pytest.mark.parametrize("flavour", ["native", pytest.param("ap_fixed", marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", list(CHANGES))
def test_one_changed_number_is_found_and_its_layer_named(case: Case, tmp_path: Path, what: str, flavour: str) -> None:
    layer, pattern, bit = CHANGES[what]
    folder = case.changed(tmp_path / "changed", CODE, *_other_number(case, f"{layer}_product", pattern, bit))
    where = rf"layer {layer}, frame \d+, step \d+, channel \d+: golden -?\d+, {flavour} -?\d+"
    with pytest.raises(Mismatch, match=where):
        case.simulate(flavour, folder)


def test_a_changed_rounding_of_a_gate_is_found(case: Case, tmp_path: Path) -> None:
    old = "0,AP_RND_CONV,AP_SAT> gate_t"
    folder = case.changed(tmp_path / "changed", "firmware/parameters.h", old, old.replace("RND_CONV", "TRN"))
    with pytest.raises(Mismatch, match="layer gru, frame"):
        case.simulate("native", folder)


def test_a_changed_rounding_of_a_result_type_is_found(case: Case, tmp_path: Path) -> None:
    """Half up instead of half to even differs on ties only."""
    types = (case.folder / "firmware/defines.h").read_text().splitlines()
    line = next(line for line in types if "ap_ufixed" in line and ", 6>" in line)
    folder = case.changed(tmp_path / "changed", "firmware/defines.h", line, line.replace("AP_RND_CONV", "AP_RND"))
    with pytest.raises(Mismatch, match="layer gru_relu"):
        case.simulate("native", folder)


def test_the_build_is_cached_by_its_text(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = csim.build(case.folder, "native").library
    real = tools.run

    def only_version(args: Any, *rest: Any, **options: Any) -> Any:
        assert "--version" in args, "compiled again"
        return real(args, *rest, **options)

    monkeypatch.setattr(tools, "run", only_version)
    assert csim.build(case.folder, "native").library == library
    # A text that no earlier run of this test can have left in the cache.
    old = _other_number(case, "conv2_product", CHANGES["literal"][1])[0]
    folder = case.changed(tmp_path / "changed", CODE, old, f"{old} /* {uuid.uuid4()} */")
    with pytest.raises(AssertionError, match="compiled again"):
        csim.build(folder, "native")


def test_frames_are_shared_by_processes_and_progress_is_told(case: Case) -> None:
    simulator = csim.build(case.folder, "native")
    frames = np.tile(FRAMES, (10, 1, 1))
    done: list[int] = []
    got = simulator.run(frames, ["gru", "head"], workers=2, progress=done.append)
    assert sorted(done) == [6, 32, 32]
    for name, tensor in got.items():
        np.testing.assert_array_equal(tensor, np.tile(case.tensors[name], (10, *[1] * (tensor.ndim - 1))))
    assert got["gru"].dtype == np.int32
    assert list(simulator.run(frames[:1])) == ["head"]
    assert simulator.run(frames[:0])["head"].shape == (0, 5)


def test_the_input_quantiser_is_the_shells_and_can_be_traced(case: Case) -> None:
    got = csim.build(case.folder, "native").run(FRAMES, ["input_quant"])
    np.testing.assert_array_equal(got["input_quant"], case.tensors["input_quant"])


def test_bad_frames_and_names_are_refused(case: Case) -> None:
    simulator = csim.build(case.folder, "native")
    with pytest.raises(ConfigError, match="no layer 'gru2'; it has input_quant, gru,"):
        simulator.run(FRAMES, ["gru2"])
    with pytest.raises(DataError, match=r"integers \(n, 16, 2\), not float64"):
        simulator.run(FRAMES / 2.0)
    with pytest.raises(DataError, match=r"integers \(n, 16, 2\), not int16 \(7, 8, 2\)"):
        simulator.run(FRAMES[:, :8])
    with pytest.raises(DataError, match=r"outside the wire format s16\.14"):
        simulator.run(FRAMES.astype(np.int32) * 2)
    with pytest.raises(ConfigError, match="unknown C simulation 'float'; choose from ap_fixed, native"):
        csim.build(case.folder, "float")


def test_no_compiler_is_told_with_the_mend(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolMissing, match=r"g\+\+ is not on PATH; .*apt-get install g\+\+"):
        csim.build(case.folder, "native")


def test_a_crash_is_a_failure(case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    twice = "(head.read(), head.read());"
    folder = case.changed(tmp_path / "changed", "firmware/hw_amc_core.cpp", "head.read();", twice)
    with pytest.raises(ToolFailed, match="crashed \\(SIGABRT\\)"):
        csim.build(folder, "native").run(FRAMES)
    assert "Fatal Python error" not in capfd.readouterr().err


def test_arrays_of_a_large_network_have_room(case: Case, tmp_path: Path) -> None:
    deep = "({ volatile char maps[64 << 20]; maps[0] = 1; head.read(); });"
    folder = case.changed(tmp_path / "deep", "firmware/hw_amc_core.cpp", "head.read();", deep)
    assert case.simulate("native", folder) > 0


def test_the_bench_compares_every_layer_and_names_the_first_difference(case: Case, tmp_path: Path) -> None:
    folder = case.changed(tmp_path / "bench", "tb_data/logits.dat", "", "")
    sources = ["hw_amc_test.cpp", "firmware/hw_amc_core.cpp", f"firmware/{network_name(case.graph)}.cpp"]
    flags = ["-O0", "-std=c++14", "-w", "-fwrapv", "-Ifirmware/ap_types", "-DHW_AMC_TRACE_LAYERS"]
    tools.run(["g++", *flags, *sources, "-o", folder / "bench"], folder)
    said = tools.run([folder / "bench"], folder)
    assert "gru: 0 of 192 integers differ\n" in said
    assert said.endswith("PASS: 2 frames\n")
    path = folder / "tb_data" / "layer_conv1.dat"
    first, *others = path.read_text().split(" ")
    path.write_text(" ".join([str(int(first) + 1), *others]))
    with pytest.raises(ToolFailed, match="exit code 1"):
        tools.run([folder / "bench"], folder, log=folder / "log")
    said = (folder / "log").read_text()
    assert f"MISMATCH: layer conv1 frame 0 index 0: expected {int(first) + 1}, got {first}\n" in said
    assert said.endswith("FAIL\n")


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1, 2, 8, 40, 80, 160, 400])
@pytest.mark.parametrize("backend", ["Vitis", "Vivado"])
def test_the_committed_network_equals_golden_on_full_frames(tmp_path: Path, backend: str, factor: int) -> None:
    """Every layer at its largest legal factor up to this one."""
    from hw_amc import compress

    folder = Path(__file__).parents[1] / "hls_projects" / "gru_cnn_sparse07"
    graph = Graph.load(folder)
    rng = np.random.default_rng(2)
    frames = rng.normal(0, 6000, (64, *graph.input.shape)).clip(-(1 << 15), (1 << 15) - 1).astype(np.int16)
    tensors = golden.run(graph, frames, [node.name for node in graph.nodes[1:]])
    model = compress.load_deployed(folder / "weights.h5")
    layers = {
        node.name: LayerHls(reuse_factor=max(each for each in legal_reuse_factors(graph, node) if each <= factor))
        for node in graph.nodes[1:]
        if node.arrays()
    }
    target = hls.Target(backend, PART, 8.0, layers)
    hls.build_project(model, graph, target, frames[:1], {"head": tensors["head"][:1]}).write(tmp_path)
    for flavour, count in (("native", 64), ("ap_fixed", 2)):
        wanted = {name: tensor[:count] for name, tensor in tensors.items()}
        got = csim.build(tmp_path, flavour).run(frames[:count], list(wanted))
        compare.require_equal(graph, ("golden", flavour), wanted, got)
