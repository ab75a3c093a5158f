"""Networks that are no chains: joins and heads equal golden, and their FIFOs are deep enough for hardware."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import deployed
import networks
import numpy as np
import pytest

from hw_amc import hls, tools
from hw_amc.config import LayerHls
from hw_amc.errors import ToolFailed
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import csim, depths
from hw_amc.hls.streams import CoreStreams, network_name
from hw_amc.verify import equality

DATA = Path(__file__).parent / "data" / "hls"
PART = "xc7z020clg400-1"
FRAMES = deployed.wire_frames(5)
CLASSES = (("a", "b", "c"), ("d", "e"))


def three_heads() -> Any:
    """One vector read by three heads, one of them a chain of two layers; a stream with three readers."""
    from tensorflow import keras

    inputs = keras.Input((16, 2), name="frames")
    x = deployed.relu("conv_q", 6, 1)(deployed.conv1d("conv", 4, 3)(deployed.act("iq", 8, 1)(inputs)))
    x = deployed.act("gap_q")(keras.layers.GlobalAveragePooling1D(name="gap")(x))
    deep = deployed.dense("deep", 3)(deployed.act("hidden_q")(deployed.dense("hidden", 5)(x)))
    return keras.Model(inputs, [deployed.dense("one", 2)(x), deep, deployed.dense("other", 4)(x)])


def differences() -> Any:
    """A sum and a difference of branches that come at different times, through one and through two convolutions."""
    from tensorflow import keras

    inputs = keras.Input((16, 2), name="frames")
    x = deployed.relu("stem_q", 6, 1)(deployed.conv1d("stem", 4, 3)(deployed.act("iq", 8, 1)(inputs)))
    y = deployed.act("late_q", 7, 2)(deployed.conv1d("late", 4, 8)(x))
    z = deployed.act("later_q", 5, 3)(deployed.conv1d("later", 4, 7)(y))
    less = deployed.act("less_q", 8, 3)(keras.layers.Subtract(name="less")([x, z]))
    more = deployed.act("more_q", 8, 3)(keras.layers.Add(name="more")([less, y]))
    pooled = keras.layers.AveragePooling1D(2, name="mean")(more)
    return keras.Model(inputs, deployed.dense("head", 3)(keras.layers.GlobalMaxPooling1D(name="most")(pooled)))


#: Network -> how it is built, names of its heads' classes.
NETWORKS = {
    "residual": (deployed.residual_model, CLASSES),
    "heads": (three_heads, (("a", "b"), ("c", "d", "e"), ("f", "g", "h", "i"))),
    "differences": (differences, (("a", "b", "c"),)),
}
SHARED = {
    "residual": {"body": LayerHls(reuse_factor=16), "head3": LayerHls(reuse_factor=4)},
    "heads": {"deep": LayerHls(reuse_factor=5), "conv": LayerHls(reuse_factor=6)},
    "differences": {"late": LayerHls(reuse_factor=32), "head": LayerHls(reuse_factor=2)},
}


def write(folder: Path, name: str, backend: str, layers: dict[str, LayerHls]) -> tuple[Graph, dict[str, Any]]:
    build, classes = NETWORKS[name]
    model = deployed.fill(build(), "random")
    graph = build_graph(model, name, classes)
    tensors = golden.run(graph, FRAMES, [node.name for node in graph.nodes[1:]])
    hls.build_project(model, graph, hls.Target(backend, PART, 8.0, layers), FRAMES, tensors).write(folder)
    return graph, tensors


@pytest.mark.parametrize(
    ("backend", "shared", "flavour"),
    [("Vitis", False, "native"), ("Vivado", True, "ap_fixed")],
    ids=["Vitis, adders", "Vivado, shared"],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_joins_and_heads_equal_golden_in_every_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, backend: str, shared: bool, flavour: str
) -> None:
    # Optimise less: these networks run for milliseconds.
    monkeypatch.setitem(csim.FLAVOURS, flavour, ("-O0", *csim.FLAVOURS[flavour][1:]))
    graph, tensors = write(tmp_path, name, backend, SHARED[name] if shared else {})
    got = csim.build(tmp_path, flavour).run(FRAMES, list(tensors), workers=1)
    integers = equality.require_equal(graph, ("golden", flavour), tensors, got)
    assert integers == sum(tensor.size for tensor in tensors.values())


_STREAM = re.compile(r'hls::stream<(\w+)> (\w+)\("\w+"\);\n +#pragma HLS STREAM variable=(\w+) depth=(\d+)')
_CALL = re.compile(r"^    (hw_amc::\w+<.*>\(([\w, ]+)\);)$", re.MULTILINE)

#: Runs every layer in a thread; samples come and logits go at their own pace.
MAIN = """
int main() {{
    hls::stream<{input}_t> frames("frames", 2, 0);
{heads}
    std::thread source([&] {{
        for (int value, i = 0; i < FRAMES * {T}; i++) {{
            {input}_t sample;
            for (int c = 0; c < 2 && std::scanf("%d", &value) == 1; c++)
                sample[c] = hw_amc::from_raw<{input}_t::value_type>(ap_int<32>(value));
            frames.write(sample);
        }}
    }});
    std::thread network([&] {{ {network}(frames, {names}); }});
    for (int frame = 0; frame < FRAMES; frame++) {{
        std::this_thread::sleep_for(std::chrono::milliseconds(frame == 1 ? 50 : 0));
{reads}
    }}
    source.join();
    network.join();
}}
"""


def bounded(
    folder: Path, graph: Graph, depth: int | None = None, held: tuple[str, ...] = (), patience: int = 60
) -> Any:
    """Logits of a written project whose layers run side by side on FIFOs of the depths that it declares.

    `held` are layers whose pipelines keep as many elements as `depths` allows for; `depth` replaces all depths.
    """
    name, core = network_name(graph), CoreStreams.of(graph)

    def stream(found: re.Match[str]) -> str:
        kind, own, again, written = found.groups()
        assert own == again
        keeps = depths.IN_FLIGHT if own.removesuffix("_out") in held else 0
        return f'hls::stream<{kind}> {own}("{own}", {written if depth is None else depth}, {keeps});'

    def process(found: re.Match[str]) -> str:
        # Who names a stream first writes it; a flush by its reader would race with that.
        written = [each for each in found[2].split(", ") if each in streams]
        streams.difference_update(written)
        flushes = "".join(f" {each}.flush();" for each in written)
        return f"    threads.emplace_back([&] {{ for (int i = 0; i < FRAMES; i++) {{ {found[1]}{flushes} }} }});"

    text = (folder / "firmware" / f"{name}.cpp").read_text()
    streams = {f"{layer}_out" for layer in held}
    text = re.sub(r" +HW_AMC_TRACE.*\n", "", _STREAM.sub(stream, text))
    text = _CALL.sub(process, text).replace("#pragma HLS DATAFLOW", "std::vector<std::thread> threads;")
    text = text.rstrip().removesuffix("}") + "    for (auto &each : threads)\n        each.join();\n}\n"
    heads = [f"head{number}" for number in range(len(core.heads))]
    main = MAIN.format(
        input=core.source.name, T=graph.frame_len, network=name, names=", ".join(heads),
        heads="\n".join(f'    hls::stream<{n.name}_t> head{k}("head{k}", 2, 0);' for k, n in enumerate(core.heads)),
        reads="\n".join(
            f"        {{ const {node.name}_t found = {head}.read(); for (unsigned c = 0; c < found.size; c++) "
            f'std::printf("%lld ", hw_amc::get_lane(found[c], 0)); }}'
            for head, node in zip(heads, core.heads, strict=True)
        ),
    )  # fmt: skip
    (folder / "bounded").mkdir(exist_ok=True)
    (folder / "bounded" / "hls_stream.h").write_text((DATA / "bounded_stream.h").read_text())
    (folder / "bounded.cpp").write_text(f"#include <thread>\n#include <vector>\n{text}{main}")
    flags = ["-O0", "-std=c++14", "-w", "-pthread", f"-DFRAMES={len(FRAMES)}", f"-DPATIENCE_S={patience}"]
    paths = ["-Ibounded", "-Ifirmware", "-Ifirmware/ap_types"]
    tools.run(["g++", *flags, *paths, "bounded.cpp", "-o", "bounded/run"], folder)
    words = tools.run(["sh", "-c", "tr -s ' \\n' ' ' < tb_data/samples.dat | ./bounded/run"], folder)
    return np.array(words.split(), np.int64).reshape(len(FRAMES), -1)


#: Network -> the layers of its slower branches, whose pipelines are full before anything comes out.
SLOW = {"residual": ("body", "body_q"), "heads": (), "differences": ("late", "late_q", "later", "later_q")}


@pytest.mark.parametrize("name", NETWORKS)
def test_fifos_of_the_declared_depths_never_stop(tmp_path: Path, name: str) -> None:
    graph, tensors = write(tmp_path, name, "Vitis", {})
    wanted = np.concatenate([tensors[head] for head in graph.outputs], axis=1)
    np.testing.assert_array_equal(bounded(tmp_path, graph, held=SLOW[name]), wanted)


def test_two_elements_would_stop_a_join(tmp_path: Path) -> None:
    graph, _ = write(tmp_path, "differences", "Vitis", {})
    with pytest.raises(ToolFailed, match="exit code 3"):
        bounded(tmp_path, graph, depth=2, held=SLOW["differences"], patience=3)


def test_depths_by_hand() -> None:
    """A convolution of 4 samples looks 2 ahead, its quantiser none; both may hold 16 in their pipelines.

    The stem's last two results come together, when the frame ends.
    """
    graph = build_graph(deployed.residual_model(64), "residual", CLASSES)
    found = depths.of(graph, CoreStreams.of(graph))
    assert found["sum", 0] == 2 + (2 + 16 + 16) + 1 + 1
    assert found["sum", 1] == 2 + 1 + 1
    assert {depth for (reader, _), depth in found.items() if reader != "sum"} == {2}


def test_a_frame_bounds_what_can_wait() -> None:
    graph = networks.residual_graph(np.random.default_rng(1), frame_len=8)
    found = depths.of(graph, CoreStreams.of(graph))
    assert max(found.values()) == 8 + 2
