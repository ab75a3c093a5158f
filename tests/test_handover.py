"""What an accelerator brings for other people's tools, read by those tools."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from networks import gru_cnn_graph

from hw_amc import tools
from hw_amc.config import InputSettings, ProjectSettings, RtlSettings, load_board
from hw_amc.cosim.simulators import verilator
from hw_amc.flows.rtl import RtlFlow, RtlOptions
from hw_amc.interface.registers import ADDRESS_BITS, TABLE
from hw_amc.overlay.component import parse_ports
from hw_amc.overlay.handover import emit_core, emit_file_list, emit_handover
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import Accelerator, build_accelerator
from hw_amc.workspace import SHIPPED

pytestmark = pytest.mark.dev


def build(lanes: int, board: str = "pynq-z2") -> Accelerator:
    graph = gru_cnn_graph(np.random.default_rng(3), frame_len=16)
    settings = ProjectSettings(rtl=RtlSettings(cycles_per_step=4, lanes=lanes), input=InputSettings(input_shift=-3))
    parts = load_board(board, SHIPPED / "boards")
    return build_accelerator(graph, build_core(graph, settings.rtl, parts), settings, parts)


@pytest.fixture(scope="module", params=[1, 3], ids=["lane", "lanes"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Accelerator, Path]:
    accelerator = build(request.param)
    folder = tmp_path_factory.mktemp("rtl")
    accelerator.sources.write(folder)
    emit_handover(accelerator).write(folder)
    return accelerator, folder


def run(folder: Path, *command: str | Path) -> str:
    program, variables = verilator()
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    return tools.run(command, folder, env={**variables, "PATH": path})


def fusesoc(folder: Path, work: Path, target: str, *options: str) -> Path:
    core = next(folder.glob("*.core")).stem
    command = [sys.executable, "-c", "from fusesoc.main import main; main()", "--cores-root", str(folder), "run"]
    run(work, *command, "--target", target, *options, core)
    return next((work / "build").glob(f"*/{target}"))


def test_fusesoc_reads_the_core_and_verilator_passes_it(written: tuple[Accelerator, Path], tmp_path: Path) -> None:
    accelerator, folder = written
    where = fusesoc(folder, tmp_path, "lint")
    lines = next(where.glob("*.vc")).read_text().splitlines()
    taken = {Path(line).name for line in lines if line.endswith(".v")}
    assert taken == {name for name in accelerator.sources.files if name.endswith(".v")}
    assert f"--top-module {accelerator.manifest.name}" in "\n".join(lines)


def test_a_broken_source_fails_fusesocs_lint(written: tuple[Accelerator, Path], tmp_path: Path) -> None:
    accelerator, _ = written
    folder = tmp_path / "broken"
    name = f"{accelerator.manifest.name}.v"
    accelerator.sources.write(folder)
    emit_handover(accelerator).write(folder)
    (folder / name).write_text(accelerator.sources.files[name].replace("endmodule", "wire x = missing; endmodule"))
    with pytest.raises(tools.ToolFailed):
        fusesoc(folder, tmp_path, "lint")


@pytest.mark.parametrize(
    ("board", "defines"), [("pynq-z2", {"AMC_XILINX=1"}), ("zcu104", {"AMC_XILINX=1", "AMC_CARRY8=1"})]
)
def test_fusesocs_project_for_vivado_has_part_and_cells(board: str, defines: set[str], tmp_path: Path) -> None:
    accelerator = build(1, board)
    accelerator.sources.write(tmp_path / "rtl")
    emit_handover(accelerator).write(tmp_path / "rtl")
    where = fusesoc(tmp_path / "rtl", tmp_path, "vivado", "--setup")
    text = "\n".join(path.read_text() for path in where.glob("*.tcl"))
    assert accelerator.manifest.part in text
    found = re.search(r"verilog_define \{([^}]*)\}", text)
    assert found
    assert set(found[1].split()) == defines


def test_icarus_and_verilator_elaborate_the_file_list(written: tuple[Accelerator, Path], tmp_path: Path) -> None:
    accelerator, folder = written
    name = accelerator.manifest.name
    run(folder, "iverilog", "-g2005", "-o", tmp_path / "x.vvp", "-s", name, "-c", f"{name}.f")
    run(folder, "verilator_bin", "--lint-only", "--top-module", name, "-f", f"{name}.f")
    listed = (folder / f"{name}.f").read_text().splitlines()[1:]
    assert listed == sorted(file for file in accelerator.sources.files if file.endswith(".v"))


def test_tables_and_headers_of_an_hls_core_are_named_as_what_they_are() -> None:
    manifest = build(1).manifest
    sources = ["core.sv", "inc/defs.vh", "rom.dat", "top.v"]
    core = emit_core(manifest, sources)
    for line in (
        '"core.sv": {file_type: systemVerilogSource}',
        '"inc/defs.vh": {file_type: verilogSource, is_include_file: true}',
        '"rom.dat": {file_type: mem}',
    ):
        assert f"      - {line}\n" in core
    assert emit_file_list("top", sources) == "// top module top\n+incdir+inc\ncore.sv\ntop.v\n"


def test_the_verilog_template_is_an_instance(written: tuple[Accelerator, Path], tmp_path: Path) -> None:
    accelerator, folder = written
    name = accelerator.manifest.name
    ports = parse_ports(accelerator.sources.files[f"{name}.v"], name)
    wires = "".join(f"    wire [{port.width - 1}:0] {port.name};\n" for port in ports)
    top = f"module around;\n{wires}{(folder / f'{name}.veo').read_text()}endmodule\n"
    (tmp_path / "around.v").write_text(top)
    run(folder, "iverilog", "-g2005", "-o", tmp_path / "x", "-s", "around", "-c", f"{name}.f", tmp_path / "around.v")
    for port in ports:
        wide = rf" \[{port.width - 1}:0\]" if port.width > 1 else ""
        assert re.search(rf"^    \.{port.name} +\({port.name}\),? // {port.direction}{wide}$", top, re.MULTILINE)


def test_the_vhdl_template_has_every_port(written: tuple[Accelerator, Path]) -> None:
    accelerator, folder = written
    name = accelerator.manifest.name
    text = (folder / f"{name}.vho").read_text()
    declared, instance = text.split("end component;")
    found = re.findall(r"^    (\w+) +: (in|out) (std_logic(?:_vector\((\d+) downto 0\))?);?$", declared, re.MULTILINE)
    ways = {"input": "in", "output": "out"}
    ports = parse_ports(accelerator.sources.files[f"{name}.v"], name)
    assert [(port, way, int(high or 0) + 1) for port, way, _, high in found] == [
        (port.name, ways[port.direction], port.width) for port in ports
    ]
    assert re.findall(r"^    (\w+) +=> \1,?$", instance, re.MULTILINE) == [port.name for port in ports]


def registers_of(folder: Path) -> Iterator[tuple[int, str, int, dict[str, tuple[int, int, int | None, bool, bool]]]]:
    """Offset, name, bytes and fields (lsb, bits, reset, readable, writable) of every register, as the compiler says."""
    from systemrdl import RDLCompiler
    from systemrdl.node import RegNode

    compiler = RDLCompiler()
    compiler.compile_file(str(next(folder.glob("*.rdl"))))
    for node in compiler.elaborate().top.descendants(unroll=True):
        if isinstance(node, RegNode):
            fields = {
                field.inst_name: (
                    *(field.lsb, field.width, field.get_property("reset")),
                    *(field.is_sw_readable, field.is_sw_writable),
                )
                for field in node.fields()
            }
            yield node.absolute_address, node.inst_name, node.size, fields


def test_systemrdl_says_what_the_table_says(written: tuple[Accelerator, Path]) -> None:
    accelerator, folder = written
    constants = accelerator.manifest.constants()
    wanted = []
    for lane in range(accelerator.manifest.lanes):
        for register in TABLE:
            fields = {}
            for field in register.fields:
                reset: int | None = {"status": None, "constant": (constants.get(register.name, 0) & field.mask)}.get(
                    field.access, field.reset
                )
                if field.access == "constant" and reset is not None:
                    reset >>= field.lsb
                if field.name == "input_shift":
                    reset = 0xFD  # project.toml's -3
                writable = field.access in ("rw", "pulse")
                fields[field.name] = (field.lsb, field.bits, reset, field.access != "pulse", writable)
            wanted.append(((lane << ADDRESS_BITS) + register.offset, register.name, 4 * register.words, fields))
    assert list(registers_of(folder)) == wanted


def test_rtl_writes_them_beside_the_verilog() -> None:
    flow = RtlFlow.open("gru_cnn_w4_sparse085", RtlOptions(cycles_per_step=10))
    more = sorted(flow.written.files.keys() - flow.accelerator.sources.files.keys())
    assert more == [f"gru_cnn_w4_sparse085.{suffix}" for suffix in ("core", "f", "rdl", "veo", "vho")]
