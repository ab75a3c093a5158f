"""`hw-amc doctor`: what a computer, a board and an overlay have and lack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from board_overlays import golden_overlay, small_graph
from command_line import run

from hw_amc import sim_device
from hw_amc.driver import doctor
from hw_amc.driver.doctor import Finding, examine_board
from hw_amc.flows.doctor import examine_computer, examine_tool, installed_board_files
from hw_amc.sim_device import boot

GRAPH = small_graph()


def states(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.topic: finding.state for finding in findings}


def of(findings: Sequence[Finding], topic: str) -> Finding:
    (found,) = [finding for finding in findings if finding.topic == topic]
    return found


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is on PATH; no board files of the user's."""
    folder = tmp_path / "Vivado" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HW_AMC_BOARD_FILES", raising=False)
    return folder


def install(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f'#!/bin/sh\n[ "$1" = -version ] && echo "{text}"\n')
    (folder / name).chmod(0o755)


def write_board_files(folder: Path, vendor: str, name: str, revision: str = "1.1") -> None:
    folder = folder / name / revision
    folder.mkdir(parents=True)
    (folder / "board.xml").write_text(
        f'<board schema="2.2" vendor="{vendor}" name="{name}" url="x">\n<file_version>{revision}</file_version>\n'
    )


# The computer.


@pytest.mark.board
def test_without_vendor_tools(empty_path: Path) -> None:
    findings = examine_computer()
    assert of(findings, "Vivado").state == "missing"
    assert "none of vivado is on PATH" in of(findings, "Vivado").detail
    assert of(findings, "Vitis HLS").detail == "none of vitis-run, vitis_hls is on PATH"
    assert of(findings, "Vivado HLS").detail == "none of vivado_hls is on PATH"
    assert of(findings, "Vivado").mend.startswith("for bitstreams: install Vivado")
    assert of(findings, "iverilog").state == "ok"
    assert of(findings, "package pynq").detail == "3.0.1"
    assert not [finding for finding in findings if finding.topic.startswith("board ")]


def test_a_missing_package_and_a_missing_program_say_what_for(
    empty_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hw_amc.flows.doctor.PACKAGES", {"no-such-package": "nothing: pip install x"})
    monkeypatch.setenv("PATH", str(empty_path))
    findings = examine_computer()
    assert of(findings, "package no-such-package") == Finding(
        "package no-such-package", "missing", "not installed", "for nothing: pip install x"
    )
    assert of(findings, "iverilog").mend == "for cosim in Icarus: apt-get install iverilog"


@pytest.mark.parametrize(
    ("text", "release", "state"),
    [
        ("Vivado v2022.2 (64-bit)", (2022, 2), "ok"),
        ("vivado v2024.1.2 (64-bit)", (2024, 1), "ok"),
        ("Vivado v2020.2.2 (64-bit)", (2020, 2), "ok"),
        ("no such thing", None, "wrong"),
    ],
)
def test_release_of_a_tool(empty_path: Path, text: str, release: tuple[int, int] | None, state: str) -> None:
    install(empty_path, "vivado", text)
    findings, found = examine_tool("Vivado", ("vivado",))
    assert found == release
    assert findings[0].state == state


def test_both_hls_tools_are_looked_at(empty_path: Path) -> None:
    install(empty_path, "vivado_hls", "Vivado(TM) HLS - High-Level Synthesis from C, C++ and SystemC v2019.2 (64-bit)")
    install(empty_path, "vitis_hls", "Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2023.2 (64-bit)")
    findings = examine_computer()
    assert of(findings, "Vivado HLS").detail.startswith("vivado_hls 2019.2, ")
    assert of(findings, "Vitis HLS").detail.startswith("vitis_hls 2023.2, ")
    assert "Vitis HLS: y2k22" not in states(findings)
    assert of(findings, "Vivado HLS: y2k22").state == "missing"


@pytest.mark.parametrize("code", [0, 1])
def test_release_of_a_program_that_does_not_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    folder = tmp_path / "Vitis" / "2024.2" / "bin"
    folder.mkdir(parents=True)
    (folder / "vitis-run").write_text(f"#!/bin/sh\necho usage; exit {code}\n")
    (folder / "vitis-run").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert examine_tool("Vitis HLS", ("vitis-run", "vitis_hls"))[1] == (2024, 2)


@pytest.mark.parametrize("patched", [True, False])
def test_old_releases_need_amds_patch(empty_path: Path, patched: bool) -> None:
    install(empty_path, "vitis_hls", "Vitis HLS - High-Level Synthesis v2021.1 (64-bit)")
    if patched:
        script = empty_path.parent / "common" / "scripts" / "automg_patch_20220104.tcl"
        script.parent.mkdir(parents=True)
        script.touch()
    found = of(examine_tool("Vitis HLS", ("vitis-run", "vitis_hls"))[0], "Vitis HLS: y2k22")
    assert found.state == ("ok" if patched else "missing")
    assert patched or "AMD answer 76960" in found.mend


def test_board_files_of_the_store_of_vivado_and_of_ones_own(
    empty_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(empty_path, "vivado", "Vivado v2021.1 (64-bit)")
    store = tmp_path / "home" / ".Xilinx" / "Vivado" / "2021.1" / "xhub" / "board_store" / "xilinx_board_store"
    write_board_files(store, "xilinx.com", "zcu104")
    write_board_files(empty_path.parent / "data" / "boards" / "board_files", "xilinx.com", "kv260")
    own = tmp_path / "my boards"
    write_board_files(own, "realdigital.org", "rfsoc4x2", "1.0")
    monkeypatch.setenv("HW_AMC_BOARD_FILES", str(own))
    assert sorted(part for _, part in installed_board_files((2021, 1))) == [
        "realdigital.org:rfsoc4x2:1.0", "xilinx.com:kv260:1.1", "xilinx.com:zcu104:1.1",
    ]  # fmt: skip
    findings = examine_computer()
    found = {topic: state for topic, state in states(findings).items() if topic.startswith("board ")}
    having = {"board kv260", "board rfsoc4x2", "board zcu104"}
    names = ("kv260", "pynq-z1", "pynq-z2", "rfsoc2x2", "rfsoc4x2", "zcu104")
    assert found == {f"board {name}": "ok" if f"board {name}" in having else "missing" for name in names}
    paid = {f.topic for f in findings if f.detail.endswith("; Vivado needs a paid licence for this part")}
    assert paid == {"board rfsoc2x2", "board rfsoc4x2"}
    assert of(findings, "board rfsoc2x2").mend.startswith("github.com/Xilinx/XilinxBoardStore, branch 2020.1")
    assert [f.topic for f in examine_computer(board="pynq-z1") if f.topic.startswith("board")] == ["board pynq-z1"]


def test_a_release_without_the_part(empty_path: Path) -> None:
    install(empty_path, "vivado", "Vivado v2020.1 (64-bit)")
    assert of(examine_computer(), "board kv260") == Finding(
        "board kv260", "wrong", "Vivado 2020.1 does not know xck26-sfvc784-2LV-c"
    )


# The board, and the overlay on it.


def test_the_simulated_board_and_its_overlay(tmp_path: Path) -> None:
    path = golden_overlay(tmp_path, GRAPH, "zcu104")
    loaded = sim_device.enable().system.slaves
    findings = examine_board(path.parent)
    assert {state for topic, state in states(findings).items() if topic != "PYNQ image"} == {"ok"}, findings
    assert "network " + GRAPH.digest()[:16] in of(findings, "overlay").detail
    assert of(findings, "clock").detail == "249.998 MHz from the booted PLL of 1499.98 MHz, for 250 MHz"
    assert of(findings, "timing").detail == "Vivado closed the timing at 250 MHz, the .hwh divides the PLL by 6"
    assert "DMA 128/128 bits, up to 1048575 frames in a transfer" in of(findings, "ports").detail
    assert of(findings, "golden vectors").detail == "16 frames"
    assert sim_device.enable().system.slaves is loaded  # nothing was


@pytest.mark.board
def test_memory_of_a_remote_board_is_not_that_of_this_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, memory = golden_overlay(tmp_path, GRAPH), tmp_path / "meminfo"
    memory.write_text("CmaTotal:  131072 kB\nCmaFree:  122880 kB\n")
    monkeypatch.setattr(doctor, "MEMORY", memory)
    monkeypatch.setattr(doctor, "is_remote", lambda device: True)
    assert of(examine_board(path), "memory").state == "unknown"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text))


@pytest.mark.board
@pytest.mark.parametrize(
    ("name", "old", "new", "topic", "message"),
    [
        ("manifest.json", '"clock_mhz": 250.0', '"clock_mhz": 220.0', "clock", "divides to 214.284 MHz at best"),
        ("manifest.json", '"clock_mhz": 250.0', '"clock_mhz": 220.0', "timing", "Vivado closed the timing at 250 MHz"),
        ("hwh", 'DEVICE="xczu7ev"', 'DEVICE="xczu28dr"', "part", "the .hwh is for xczu28dr, manifest.json for"),
        ("hwh", 'sg_length_width" VALUE="26"', 'sg_length_width" VALUE="5"', "ports", "exceed a DMA transfer of 31"),
        ("hwh", "hw_amc:user:", "other:user:", "ports", "0 IPs that are an accelerator of this package"),
        ("manifest.json", "schema", "scheme", "overlay", "manifest has schema None, expected 3"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, name: str, old: str, new: str, topic: str, message: str) -> None:
    path = golden_overlay(tmp_path, GRAPH, "zcu104")
    edit(path.with_suffix(".hwh") if name == "hwh" else tmp_path / name, old, new)
    found = of(examine_board(path), topic)
    assert found.state == "wrong"
    assert message in found.detail


@pytest.mark.board
def test_an_overlay_for_another_processing_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor._MACHINES, "aarch64", "zynq7")
    found = of(examine_board(golden_overlay(tmp_path, GRAPH, "zcu104")), "processing system")
    assert (found.state, found.detail) == ("wrong", "the overlay is for zynq_ultra_ps_e, this is processing_system7")


@pytest.mark.board
def test_another_pll_than_the_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(boot.IO_PLL_FEEDBACK, "zu7ev", 72)
    found = of(examine_board(golden_overlay(tmp_path, GRAPH, "zcu104")), "clock")
    assert (found.state, "PLL of 1199.99 MHz divides to 239.998 MHz at best" in found.detail) == ("wrong", True)


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    path = golden_overlay(tmp_path, GRAPH)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {path.name}\n")
    assert of(examine_board(path), "files").state == "wrong"
    assert of(examine_board(tmp_path / "none.bit"), "overlay").state == "missing"
    path.with_suffix(".hwh").unlink()
    assert "belongs beside the bitstream" in of(examine_board(path), "overlay").detail


def test_an_image_and_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revision, memory = tmp_path / "REVISION", tmp_path / "meminfo"
    revision.write_text("Release 2022_10_13 ecaf304\nBoard 2022_10_13 ecaf304 https://github.com/Xilinx/PYNQ.git\n")
    memory.write_text("MemTotal:  505000 kB\nCmaTotal:  131072 kB\nCmaFree:  122880 kB\nHugePages_Total:  0\n")
    monkeypatch.setattr(doctor, "REVISION", revision)
    monkeypatch.setattr(doctor, "MEMORY", memory)
    sim_device.enable()
    findings = examine_board()
    assert of(findings, "PYNQ image").detail.startswith("Release 2022_10_13 ecaf304 / Board 2022_10_13")
    assert of(findings, "memory").detail == "120 of 128 MiB of contiguous memory (CMA) are free"
    assert of(findings, "PL clock").state == "ok"


# The commands.


@pytest.mark.board
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = golden_overlay(tmp_path, GRAPH, "pynq-z2")
    assert run("doctor", str(path), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert {"topic": "pynq", "state": "ok", "detail": "3.0.1", "mend": ""} in told["findings"]
    assert run("doctor", str(path.parent)) == 0
    assert "125 MHz from the booted PLL of 1000 MHz, for 125 MHz" in capsys.readouterr().out
    assert run("doctor", "--board", "zcu1044") == 2
    assert "did you mean zcu104?" in capsys.readouterr().err


@pytest.mark.board
def test_on_the_board_by_python_alone(tmp_path: Path) -> None:
    path = golden_overlay(tmp_path, GRAPH)
    command = [sys.executable, "-W", "ignore", "-m", "hw_amc.driver", "doctor", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    topics = [finding["topic"] for finding in json.loads(done.stdout)["findings"]]
    assert topics[:5] == ["python", "computer", "PYNQ image", "numpy", "pynq"]
    assert "clock" in topics
