"""Networks in ONNX: golden gives every integer of the file, and what fits none is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_files
import pytest
from command_line import run
from onnx_files import Net, number, part
from test_init import bring_in

from hw_amc.compress.onnx import refit, wire
from hw_amc.compress.onnx.file import load_graph
from hw_amc.compress.onnx.read import OnnxModel, load_onnx
from hw_amc.compress.onnx.refit import Rounding
from hw_amc.errors import DataError, HwAmcError, UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.graph.reader import build_graph
from hw_amc.verify.backend import Golden, prove
from hw_amc.verify.keras import KerasReference

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data" / "onnx"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "boards").symlink_to(ROOT / "boards")
    (root / "hls_projects").mkdir()
    return root


def graph_of(found: OnnxModel) -> Graph:
    shapes = found.model.output_shape
    heads = [shape[-1] for shape in (shapes if isinstance(shapes, list) else [shapes])]
    return build_graph(found.model, "net", [tuple(f"c{i}" for i in range(head)) for head in heads])


def differing(found: OnnxModel, words: Any) -> dict[str, int]:
    """Integers of golden, which equals Keras, that are not the file's: by layer."""
    graph = graph_of(found)
    prove(graph, (KerasReference(found.model, graph), Golden(graph)), words, [node.name for node in graph.nodes[1:]])
    nodes = {node.layer_name: node for node in graph.nodes}
    wanted = found.kept(words / 2.0**14)
    given = Golden(graph).run(words, [nodes[layer].name for layer in wanted])
    counts = {}
    for layer, real in wanted.items():
        raw = given[nodes[layer].name].reshape(real.shape)
        assert len(np.unique(raw)) > 2  # or it would prove nothing
        counts[layer] = int(np.count_nonzero(np.rint(np.ldexp(real, nodes[layer].fmt.frac)) != raw))
    return counts


def words_of(count: int, samples: int = 16, seed: int = 4) -> Any:
    """Wire words over their whole range."""
    rng = np.random.default_rng(seed)
    loud = rng.integers(-(2**15), 2**15, (count, samples, 2))
    return np.where(np.arange(count)[:, None, None] % 2, loud, loud >> 2).astype(np.int16)


@pytest.mark.parametrize("name", ["po2", "free"])
def test_a_network_of_brevitas_gives_what_qonnx_computes(name: str) -> None:
    """`benchmarks/brevitas_networks.py` made the file, and qonnx its numbers."""
    found, kept = load_onnx(DATA / f"{name}.onnx"), np.load(DATA / f"{name}.npz")
    graph, words = graph_of(found), kept["words"].transpose(0, 2, 1)
    nodes = {node.layer_name: node for node in graph.nodes}
    assert len(found.seen) >= 5
    for seen in found.seen:
        node, tensor = nodes[seen.layer], kept[seen.tensor].astype(np.float64)
        if tensor.ndim == 3:
            tensor = tensor.transpose(0, 2, 1)
        given = Golden(graph).run(words, [node.name])[node.name].reshape(tensor.shape)
        wanted = np.rint(tensor / seen.kept.scale * 2.0**node.fmt.frac).astype(np.int64)
        if node.name in graph.outputs and not found.is_exact:
            np.testing.assert_array_equal(given.argmax(axis=1), wanted.argmax(axis=1))
        else:
            np.testing.assert_array_equal(given, wanted)
    assert found.is_exact == (name == "po2")
    assert bool(found.refitted) == (name == "free")


def test_it_goes_from_file_to_golden_in_every_integer(root: Path) -> None:
    with pytest.warns(UserWarning, match="class0"):
        outcome = bring_in(root, DATA / "po2.onnx", name="po2")
    assert outcome.file_noise is not None
    assert (outcome.file_noise.differ, outcome.judgement.same) == (0, 1.0)
    assert outcome.file_noise.integers == 64 * (64 * 2 + 64 * 8 + 16 * 8 + 8 + 5)
    mark = json.loads((outcome.folder / "init.json").read_text())
    assert mark["onnx"] == {"integers": outcome.file_noise.integers, "differ": 0, "refitted": []}
    card = (outcome.folder / "MODEL_CARD.md").read_text()
    assert "integers equal those of the file: all scales are powers of two." in card
    assert "100.00 % of the answers are those of the file's own network" in card
    assert {layer.name for layer in outcome.layers if layer.sqnr_db == float("inf")} == {
        seen.layer for seen in load_onnx(DATA / "po2.onnx").seen
    }


def test_what_free_scales_cost_is_said(root: Path) -> None:
    with pytest.warns(UserWarning, match="class0"):
        outcome = bring_in(root, DATA / "free.onnx", name="free")
    assert outcome.file_noise is not None
    mark = json.loads((outcome.folder / "init.json").read_text())["onnx"]
    assert len(mark["refitted"]) == 8
    assert mark["differ"] == outcome.file_noise.differ < outcome.file_noise.integers // 50
    assert outcome.judgement.same is not None
    assert outcome.judgement.same > 0.95
    assert outcome.golden["reference"].startswith("Keras (float64)")  # its sums are past 2^24
    card = (outcome.folder / "MODEL_CARD.md").read_text()
    assert "8 factors are no powers of two: " in card
    assert "| layer | bits of its factors | sums whose answer moved |" in card


@pytest.mark.cosim
def test_make_hls_works_on_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(root))
    assert run("init", str(DATA / "po2.onnx"), "--name", "simulated") == 0
    assert run("hls", "simulated", "--frames", "4") == 0
    found = json.loads((root / "hls_projects" / "simulated" / "build" / "report.json").read_text())
    assert found["csim"]["ap_fixed"]["mismatches"] == 0
    graph = Graph.load(root / "hls_projects" / "simulated")
    assert found["csim"]["ap_fixed"]["integers"] == 4 * sum(int(np.prod(node.shape)) for node in graph.nodes[1:])


@pytest.mark.slow
@pytest.mark.cosim
def test_it_becomes_verilog_and_an_overlay(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(root))
    assert run("init", str(DATA / "po2.onnx"), "--name", "verilog") == 0
    for command in (("rtl",), ("cosim", "--fast", "--frames", "4"), ("bench", "--frames", "4"), ("overlay",)):
        assert run(command[0], "verilog", *command[1:]) == 0
    found = json.loads((root / "hls_projects" / "verilog" / "build" / "report.json").read_text())
    assert (found["cosim"]["verilator"]["frames"], found["cosim"]["verilator"]["mismatches"]) == (4, 0)
    assert (found["bench"]["sim"]["frames"], found["bench"]["sim"]["mismatches"]) == (4, 0)


# -- every operation, beside the file's own numbers ----------------------------------------------------------


def begin(net: Net, scale: float = 2.0**-6) -> str:
    return net.quant("x", scale)


def head(net: Net, x: str, inputs: int, scale: Any = 2.0**-3) -> str:
    matrix, bias = net.weights((4, inputs), scale), net.const(np.arange(4) / 8)
    return net.add("Gemm", net.add("Flatten", x), matrix, bias, transB=1)


def convolutions(net: Net) -> str:
    """Strides, dilations, groups, pads of every kind, a bias on the grid."""
    x = net.quant(net.add("Relu", net.conv(begin(net), (4, 2, 3), np.arange(4) / 16, pads=[1, 1])), 2.0**-4, 6, 0)
    x = net.quant(net.conv(x, (4, 2, 3), group=2, dilations=[2], pads=[2, 2]), 2.0**-4)
    x = net.quant(net.conv(x, (4, 1, 2), group=4, strides=[2], auto_pad="SAME_LOWER"), 2.0**-3)
    return head(net, net.quant(net.conv(x, (3, 4, 3), pads=[2, 0]), 2.0**-3), 24)


def shifts(net: Net) -> str:
    """One scale for each output, all powers of two: shifts of the kernel."""
    scale = np.array([2.0**-3, 2.0**-5, 2.0**-4]).reshape(3, 1, 1)
    x = net.quant(net.add("Relu", net.conv(begin(net), (3, 2, 3), scale=scale, pads=[1, 1])), 2.0**-4, 6, 0)
    return head(net, net.add("GlobalAveragePool", net.add("MaxPool", x, kernel_shape=[2], strides=[2])), 3)


def far_scales(net: Net) -> str:
    """Formats without a bit at the binary point, on either side."""
    x = net.quant(net.conv(begin(net, 2.0**-9), (3, 2, 3)), 2.0**-10)
    return head(net, net.quant(net.conv(x, (3, 3, 3), scale=2.0**-9), 2.0**-14), 36)


def images(net: Net) -> str:
    """Two dimensions, channels first; a flattened map keeps the order of its matrix."""
    net.shape = (1, 1, 2, 16)
    x = net.add("Relu", net.conv(begin(net), (3, 1, 2, 3), pads=[0, 1, 0, 1]))
    x = net.add("MaxPool", net.quant(x, 2.0**-3, 6, 0), kernel_shape=[1, 2], strides=[1, 2])
    return head(net, net.quant(net.conv(x, (2, 3, 1, 3)), 2.0**-3), 12)


def channels_last(net: Net) -> str:
    """Frames (T, 2), as QKeras has them, turned around and back; a matrix along the last axis."""
    net.shape = (1, 16, 2)
    x = net.add("Transpose", begin(net), perm=[0, 2, 1])
    x = net.quant(net.conv(x, (4, 2, 3)), 2.0**-4)
    x = net.add("MatMul", net.add("Transpose", x, perm=[0, 2, 1]), net.weights((4, 3)))
    return head(net, net.add("Add", net.quant(x, 2.0**-2), net.const(0.25)), 42)


def branches(net: Net) -> str:
    """A sum, a difference, a product and neighbours of branches."""
    x = net.quant(net.conv(begin(net), (4, 2, 3), pads=[1, 1]), 2.0**-4)
    y = net.quant(net.conv(x, (4, 4, 1)), 2.0**-3)
    both = net.quant(net.add("Add", net.add("Relu", x), y), 2.0**-3)
    less = net.quant(net.add("Sub", both, x), 2.0**-3)
    times = net.quant(net.add("Mul", less, y), 2.0**-1)
    joined = net.add("Concat", net.quant(times, 2.0**-2), net.quant(both, 2.0**-2), axis=1)
    return head(net, net.add("ReduceMean", joined, net.const([2], "int64"), keepdims=0), 8)


def binary(net: Net) -> str:
    """Weights of one bit, a narrow range, and shapes that the frames' shape gives."""
    weights = net.add("BipolarQuant", net.const(net.rng.normal(0, 1, (4, 2, 3))), net.const(0.5))
    x = net.quant(net.add("Conv", begin(net), weights), 2.0**-3, 5, narrow=1)
    shape = net.add("Gather", net.add("Shape", x), net.const([0], "int64"))
    flat = net.add("Reshape", x, net.add("Concat", shape, net.const([-1], "int64"), axis=0))
    return net.add("MatMul", flat, net.weights((56, 4)))


def biases(net: Net) -> str:
    """Biases between the steps of the accumulator are exact where a quantiser follows."""
    bias = net.rng.normal(0, 0.4, 4)
    x = net.quant(net.add("Relu", net.conv(begin(net), (4, 2, 3), bias)), 2.0**-4, 6, 0)
    x = net.add("MaxPool", net.conv(x, (4, 4, 3), bias[::-1]), kernel_shape=[2], strides=[2])
    return head(net, net.quant(x, 2.0**-2), 24)


EXACT: dict[str, Callable[[Net], str]] = {
    made.__name__: made for made in (convolutions, shifts, far_scales, images, channels_last, branches, binary, biases)
}


@pytest.mark.parametrize("name", EXACT)
def test_scales_that_are_powers_of_two_are_exact(tmp_path: Path, name: str) -> None:
    net = Net()
    path = net.write(tmp_path / "m.onnx", EXACT[name](net))
    found = load_onnx(path)
    assert found.refitted == []
    samples = max(found.graph.input_shape)
    counts = differing(found, words_of(6, samples))
    assert counts == dict.fromkeys(counts, 0)
    assert found.answers(words_of(6, samples) / 2.0**14).shape == (6, 1)


def test_batch_normalisations_and_free_scales_change_next_to_no_integer(tmp_path: Path) -> None:
    """Signs, a channel of zeros and a mean over six samples among them."""
    net = Net()
    x = net.conv(begin(net, 0.0171), (4, 2, 3), scale=np.array([0.11, 0.13, 0.2, 0.07]).reshape(4, 1, 1))
    x = net.add("MaxPool", net.add("Relu", net.norm(x, [0.8, -1.1, 0.0, 0.4])), kernel_shape=[2], strides=[2])
    x = net.quant(x, 0.049, 6, 0)
    x = net.quant(net.add("Mul", net.conv(x, (4, 4, 2)), net.const(np.array([0.3, 2, 1, -1.7]).reshape(4, 1))), 0.083)
    x = net.quant(net.add("GlobalAveragePool", x), 0.031)
    found = load_onnx(net.write(tmp_path / "m.onnx", net.quant(head(net, x, 4), 0.19)))
    assert len(found.refitted) >= 4
    assert [each for each in found.refitted if each.moved is None or each.moved > each.sums / 2_000] == []
    counts = differing(found, words_of(12))
    assert sum(counts.values()) <= 3
    assert next(iter(counts.values())) == 0


def test_a_float_network_becomes_float_keras(tmp_path: Path) -> None:
    net = Net((1, 2, 16))
    kernel = net.const(net.rng.normal(0, 0.5, (4, 2, 3)))
    x = net.add("Conv", "x", kernel, net.const([0.1, -0.2, 0.3, 0.0]), pads=[1, 1], strides=[2])
    x = net.add("Relu", net.norm(x, [0.8, -1.1, 0.5, 0.4]))
    y = net.add("Add", x, net.add("Conv", x, net.const(net.rng.normal(0, 0.5, (4, 2, 1))), group=2))
    flat = net.add("Flatten", net.add("AveragePool", y, kernel_shape=[2], strides=[2]))
    gemm = net.add("Gemm", flat, net.const(net.rng.normal(0, 0.5, (3, 16))), net.const([0.0, 1.0, 2.0]), transB=1)
    path = net.write(tmp_path / "m.onnx", net.add("Softmax", gemm, axis=1))
    found = load_onnx(path)
    assert not any(type(layer).__module__.startswith("qkeras") for layer in found.model.layers)
    frames = words_of(9) / 2.0**14
    np.testing.assert_allclose(
        found.model.predict(frames.astype(np.float32), verbose=0), found.run(frames, [gemm])[gemm], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(found.answers(frames)[:, 0], found.run(frames, [gemm])[gemm].argmax(axis=1))


def test_a_float_network_takes_the_deploy_pass(root: Path, tmp_path: Path) -> None:
    net = Net((1, 2, 16))
    x = net.add("Relu", net.add("Conv", "x", net.const(net.rng.normal(0, 0.5, (4, 2, 3)))))
    path = net.write(tmp_path / "torch.onnx", head_of_floats(net, net.add("GlobalAveragePool", x)))
    outcome = bring_in(root, path, classes="a,b,c")
    assert outcome.judgement.same is not None
    assert outcome.judgement.same >= 0.8
    assert all(layer.sqnr_db is None or layer.sqnr_db > 20 for layer in outcome.layers)
    assert outcome.file_noise is None


def head_of_floats(net: Net, x: str) -> str:
    flat = net.add("Squeeze", x, net.const([2], "int64"))
    return net.add("Gemm", flat, net.const(net.rng.normal(0, 0.5, (4, 3))))


# -- factors -------------------------------------------------------------------------------------------------


def answers(x: Any, factor: Any, addend: Any, target: Rounding) -> Any:
    return np.clip(np.rint((x * factor + addend) * 2.0**target.frac), target.low, target.high)


@pytest.mark.parametrize("seed", range(4))
def test_factors_move_as_many_integers_as_they_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    factor, addend = rng.normal(0, 0.7, 5), rng.normal(0, 2.0, 5)
    factor[4] = 0.0
    source, target = Rounding(6, -700, 900), Rounding(3, -32, 31)
    found = refit.fit(factor, addend, source, target)
    x = np.arange(source.low, source.high + 1)[:, None] / 2.0**source.frac
    ours = found.factor / 2.0**found.frac, found.addend / 2.0**found.addend_frac
    wanted = answers(x, factor, addend, target)
    assert np.abs(answers(x, *ours, target)[:, :4] - wanted[:, :4]).sum() == found.moved
    assert found.moved == 0
    coarse = refit._rounded(factor, addend, source, target, 3)
    rough = coarse.factor / 8, coarse.addend / 2.0**coarse.addend_frac
    moved = np.abs(answers(x, *rough, target)[:, :4] - wanted[:, :4]).sum()
    assert moved > 0
    assert coarse.moved - int(answers(x, *rough, target)[0, 4] != wanted[0, 4]) == moved


# -- what is refused -----------------------------------------------------------------------------------------


def small(op: str = "Relu", **settings: Any) -> tuple[list[Any], dict[str, Any]]:
    return [(op, ["x"], "y", settings)], {}


def test_files_cut_short_and_changed_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = (DATA / "po2.onnx").read_bytes()
    path = tmp_path / "m.onnx"
    rng = np.random.default_rng(0)
    for place in rng.integers(1, len(whole), 150):
        path.write_bytes(whole[:place])
        with pytest.raises(HwAmcError) as told:
            load_onnx(path)
        assert "\n" not in str(told.value)
    refused = []
    for place in rng.integers(0, len(whole), 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            load_onnx(path)
        except HwAmcError as error:
            refused.append(str(error))
    assert len(refused) > 5
    assert not any("\n" in line for line in refused)
    for data in (b"", b"\x08\x07", b"no onnx at all", b"\xff" * 40):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"m\.onnx is not a whole ONNX file: .*; export or fetch it again"):
            load_onnx(path)
    with pytest.raises(DataError, match=r"none\.onnx does not exist"):
        load_onnx(tmp_path / "none.onnx")


def test_weights_in_another_file_are_not_read(tmp_path: Path) -> None:
    inner = number(1, 4) + number(2, 1) + part(8, "w") + part(13, part(1, "location") + part(2, "/etc/hostname"))
    path = onnx_files.write(tmp_path / "m.onnx", *small(), more=part(5, inner + number(14, 1)))
    with pytest.raises(DataError, match=r"tensor 'w' lies in another file; .*onnx.save\(onnx.load\('net.onnx'\)"):
        load_onnx(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 2, "T"), r"is of shape 1 x 2 x \?; export it with a batch of 1 and frames of a fixed number"),
        ((8, 2, 16), "is of shape 8 x 2 x 16"),
        ((1, 3, 16), "must be a frame of I and Q"),
        ((1, 2, 4, 16), "must be a frame of I and Q"),
        ((1, 2, 1 << 40), "larger than any network here has"),
        ((), "is of shape nothing"),
    ],
)
def test_inputs_that_are_no_frames_are_refused(tmp_path: Path, shape: Any, message: str) -> None:
    path = onnx_files.write(tmp_path / "m.onnx", *small(), shape)
    with pytest.raises((DataError, UnsupportedLayer), match=message):
        load_onnx(path)


def test_a_batch_of_any_size_is_one(tmp_path: Path) -> None:
    net = Net(("batch", 2, 16))
    assert load_onnx(net.write(tmp_path / "m.onnx", convolutions(net))).graph.input_shape == (1, 2, 16)


def bad_quant(net: Net, zero: float = 0.0, bits: float = 8.0, **settings: Any) -> str:
    given = (net.const(0.25), net.const(zero), net.const(bits))
    return net.add("Quant", "x", *given, **{"signed": 1, "narrow": 0, **settings})


def not_finite(net: Net) -> str:
    return net.add("Add", "x", net.const([np.nan, 1.0]))


REFUSED: dict[str, tuple[Callable[[Net], str], str]] = {
    "operation": (lambda net: net.add("LSTM", "x"), r"node 'n_t0' \(LSTM\) is no operation that is known here"),
    "floor": (lambda net: bad_quant(net, rounding_mode="FLOOR"), "rounding_mode FLOOR has no exact form"),
    "zero_point": (lambda net: bad_quant(net, zero=3.0), "a tensor needs one scale, and a zero point of 0"),
    "bits": (lambda net: bad_quant(net, bits=2.5), "its bit width must be one whole number of 1 to 32"),
    "many_bits": (lambda net: bad_quant(net, bits=1e9), "its bit width must be one whole number of 1 to 32"),
    "sign": (lambda net: net.add("BipolarQuant", "x", net.const(1.0)), "the sign of a tensor has no form here"),
    "scale": (lambda net: net.quant("x", -1.0), "its scale must be above 0"),
    "float_weights": (
        lambda net: net.add("Conv", begin(net), net.const(np.ones((3, 2, 3)))),
        "its weights 'k3' are not quantised; give them a quantiser",
    ),
    "nan": (not_finite, "1 of the 2 values of tensor 'k0' are not finite"),
    "nothing": (lambda net: net.add("Relu", "z"), "takes 'z', which nothing before it gives"),
    "shape": (lambda net: net.add("Add", "x", net.const(np.ones(7))), r"\(Add\) does not fit its inputs"),
    "channels": (lambda net: net.conv(begin(net), (3, 5, 3)), r"\(Conv\) does not fit its inputs"),
    "pads": (lambda net: net.conv(begin(net), (3, 2, 3), pads=[1 << 40, 0]), r"pads .* are none"),
    "kernel": (lambda net: net.add("MaxPool", begin(net), kernel_shape=[0]), "fits no"),
    "softmax": (lambda net: begin_softmax(net), "a softmax is exact nowhere but at the end"),
    "head": (lambda net: begin(net), "a head is a vector of logits"),
    "constant": (lambda net: net.add("Relu", net.const([1.0, 2.0])), "does not depend on the frames|is no vector"),
    "huge": (
        lambda net: net.add("MatMul", net.add("Reshape", "x", net.const([32, 1], "int64")),
                            net.const(np.ones((1, 1 << 22)))),
        "larger than any network here has",
    ),
}  # fmt: skip


def begin_softmax(net: Net) -> str:
    return net.add("Relu", net.add("Softmax", begin(net), axis=1))


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_is_refused_by_name(tmp_path: Path, name: str) -> None:
    make, message = REFUSED[name]
    net = Net()
    path = net.write(tmp_path / "m.onnx", make(net))
    with pytest.raises((UnsupportedLayer, DataError), match=message) as told:
        load_onnx(path)
    assert "\n" not in str(told.value)
    assert "m.onnx" in str(told.value)


def test_graphs_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx_files.write(path, *small(), inputs=("x", "z"))
    with pytest.raises(UnsupportedLayer, match=r"it has 2 inputs \('x', 'z'\); one of frames of I and Q is needed"):
        load_graph(path)
    onnx_files.write(path, *small(), opset=99)
    with pytest.raises(UnsupportedLayer, match="its operations are of set 99"):
        load_graph(path)
    nodes = [("Relu", ["x"], "y", {}), ("Relu", ["y"], "y", {})]
    onnx_files.write(path, nodes, {})
    with pytest.raises(DataError, match="tensor 'y' is given twice"):
        load_graph(path)
    onnx_files.write(path, [("Relu", ["x"], "y" * 400, {})], {})
    with pytest.raises(DataError, match="a name of more than 300 letters"):
        load_graph(path)


def test_a_message_is_read_field_by_field() -> None:
    data = number(1, 300) + number(1, -1) + part(2, "text") + b"\x1d" + b"\x00\x00\x80\x3f" + part(4, b"\x05\x7f")
    found = wire.fields_of(memoryview(data))
    assert wire.integers(found, 1) == [300, -1]
    assert (wire.text(found, 2), wire.floats(found, 3), wire.integers(found, 4)) == ("text", [1.0], [5, 127])
    for damaged in (b"\x0a\x05ab", b"\x08", b"\x08" + b"\xff" * 11, b"\x0b", b"\x00\x00"):
        with pytest.raises(wire.Damaged):
            wire.fields_of(memoryview(damaged))


def test_names_of_a_file_become_identifiers(tmp_path: Path) -> None:
    nodes: list[Any] = [("Quant", ["x", "s", "z", "b"], "/while/Quant_output_0", {"signed": 1, "narrow": 0})]
    nodes += [("Flatten", ["/while/Quant_output_0"], "f\nx", {}), ("MatMul", ["f\nx", "w"], "y", {})]
    nodes.insert(0, ("Quant", ["v", "s", "z", "b"], "w", {"signed": 1, "narrow": 1}))
    constants = {"s": np.float32(0.25), "z": np.float32(0), "b": np.float32(4), "v": np.ones((32, 3), np.float32)}
    found = load_onnx(onnx_files.write(tmp_path / "m.onnx", nodes, constants))
    assert [node.name for node in graph_of(found).nodes] == ["frames", "n__while_Quant_output_0", "n_f_x", "n_y"]
