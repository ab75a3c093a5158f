"""Unmodified PYNQ programs on the simulated device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pynq
import pytest
import sim_adder

from hw_amc import sim_device
from hw_amc.errors import ConfigError
from hw_amc.sim_device import SimulationHang

TESTS = Path(__file__).parent

#: A program for any PYNQ board: nothing in it knows of a simulation.
PROGRAM = """
import sys
import numpy as np
from pynq import Overlay, allocate
overlay = Overlay(sys.argv[1])
overlay.adder_0.register_map.ADDEND = 5
source, target = allocate(50, "u4"), allocate(50, "u4")
source[:] = np.arange(50)
overlay.axi_dma_0.recvchannel.transfer(target)
overlay.axi_dma_0.sendchannel.transfer(source)
overlay.axi_dma_0.sendchannel.wait()
overlay.axi_dma_0.recvchannel.wait()
print(target.sum(), overlay.adder_0.read(4))
"""


@pytest.fixture
def device() -> Iterator[sim_device.SimDevice]:
    device = sim_device.enable()
    yield device
    device.system.close()


@pytest.mark.parametrize(("ps", "arch", "mhz"), [("zynq7", "armv7l", 125.0), ("zynqmp", "aarch64", 249.9975)])
def test_overlay_dma_mmio_allocate(
    device: sim_device.SimDevice, tmp_path: Path, ps: str, arch: str, mhz: float
) -> None:
    overlay = pynq.Overlay(str(sim_adder.write_overlay(tmp_path, ps)))
    base = sim_adder.design(ps).ip_base
    assert device.arch == arch
    assert device.clock_mhz == pytest.approx(mhz) == pynq.Clocks.fclk0_mhz
    assert overlay.ip_dict["adder_0"]["phys_addr"] == base
    pynq.MMIO(base, 16).write(0, 11)
    source, target = pynq.allocate((4, 8), "i4"), pynq.allocate((4, 8), "i4")
    source[:] = np.arange(32).reshape(4, 8)
    for _ in range(3):
        overlay.axi_dma_0.recvchannel.transfer(target)
        overlay.axi_dma_0.sendchannel.transfer(source)
        overlay.axi_dma_0.sendchannel.wait()
        overlay.axi_dma_0.recvchannel.wait()
        np.testing.assert_array_equal(target, source + 11)
        assert overlay.axi_dma_0.recvchannel.transferred == 128
        target[:] = 0
        target.flush()
    assert overlay.adder_0.register_map.COUNT.COUNT == 96
    assert device.system.transfers == {"MM2S": 3, "S2MM": 3}


def test_part_of_a_buffer(device: sim_device.SimDevice, tmp_path: Path) -> None:
    overlay = pynq.Overlay(str(sim_adder.write_overlay(tmp_path)))
    source, target = pynq.allocate(64, "u4"), pynq.allocate(64, "u4")
    source[:] = np.arange(64)
    overlay.axi_dma_0.recvchannel.transfer(target, start=32, nbytes=64)
    overlay.axi_dma_0.sendchannel.transfer(source, start=64, nbytes=64)
    overlay.axi_dma_0.recvchannel.wait()
    assert target.tolist() == [0] * 8 + list(range(16, 32)) + [0] * 40
    view = source[16:]
    view[:] = 1
    view.flush()
    assert source.physical_address + 64 == view.physical_address


def test_a_forgotten_flush_shows(device: sim_device.SimDevice, tmp_path: Path) -> None:
    overlay = pynq.Overlay(str(sim_adder.write_overlay(tmp_path, addend=1)))
    source, target = pynq.allocate(8, "u4"), pynq.allocate(8, "u4")
    source[:] = 9
    channel = overlay.axi_dma_0.sendchannel
    overlay.axi_dma_0.recvchannel.transfer(target)
    channel._mmio.write(0x18, source.physical_address)
    channel._mmio.write(0x28, 32)
    overlay.axi_dma_0.recvchannel.wait()
    assert target.tolist() == [1] * 8


def test_buffers_are_given_back(device: sim_device.SimDevice) -> None:
    before = device.memory.blocks
    with pynq.allocate(16) as buffer:
        assert device.memory.blocks == before + 1
    buffer.freebuffer()
    view = pynq.allocate(16)[4:]
    assert device.memory.blocks == before + 1
    del view
    assert device.memory.blocks == before


def test_hang_becomes_an_error(device: sim_device.SimDevice, tmp_path: Path) -> None:
    overlay = pynq.Overlay(str(sim_adder.write_overlay(tmp_path)))
    device.system.cycle_limit = 3000
    source = pynq.allocate(64, "u4")
    overlay.axi_dma_0.sendchannel.transfer(source)
    with pytest.raises(SimulationHang, match=r"waited for MM2S: .*, S2MM has no transfer"):
        overlay.axi_dma_0.sendchannel.wait()


def test_loading_again_frees_the_old_model(device: sim_device.SimDevice, tmp_path: Path) -> None:
    path = str(sim_adder.write_overlay(tmp_path))
    first = pynq.Overlay(path)
    model = device.system.models[0]
    second = pynq.Overlay(path)
    assert model.closed  # type: ignore[attr-defined]
    assert not first.is_loaded()
    assert second.is_loaded()


def test_overlays_that_cannot_be_simulated(device: sim_device.SimDevice, tmp_path: Path) -> None:
    path = sim_adder.write_overlay(tmp_path)
    description = path.with_suffix(".sim.json")
    description.write_text(json.dumps({"ip": {"adder_0": {"factory": "sim_adder:Missing"}}}))
    with pytest.raises(ConfigError, match="factory 'sim_adder:Missing' cannot be imported"):
        pynq.Overlay(str(path))
    description.write_text(json.dumps({"ip": {"other_0": {"factory": "sim_adder:Adder"}}}))
    with pytest.raises(ConfigError, match=r"'other_0' behind DMA 'axi_dma_0' is not in adder.hwh"):
        pynq.Overlay(str(path))
    for wrong, said in (
        ([], "ip must be a table"),
        ({"adder_0": 1}, "adder_0 must be a table"),
        ({"adder_0": {"factory": 1}}, "factory of adder_0 must be a text"),
        ({"adder_0": {"dma": []}}, "dma of adder_0 must be a text"),
        ({"adder_0": {"factory": "sim_adder:Adder", "arguments": [1]}}, "arguments of adder_0 must be a table"),
    ):
        description.write_text(json.dumps({"ip": wrong}))
        with pytest.raises(ConfigError, match=said):
            pynq.Overlay(str(path))
    description.unlink()
    with pytest.raises(ConfigError, match=r"write adder.sim.json beside it"):
        pynq.Overlay(str(path))
    device.factories["adder_0"] = sim_adder.Adder
    try:
        assert pynq.Overlay(str(path)).adder_0.read(0) == 0
    finally:
        device.factories.clear()
    path.with_suffix(".hwh").unlink()
    with pytest.raises(ConfigError, match=r"adder.hwh does not exist"):
        pynq.Overlay(str(path))


@pytest.mark.parametrize("command", [["hw_amc.sim_device"], ["hw_amc", "sim-device"]], ids=["package", "hw-amc"])
@pytest.mark.parametrize("program", [["program.py"], ["-m", "program"]], ids=["script", "module"])
def test_launcher_runs_an_unmodified_program(tmp_path: Path, command: list[str], program: list[str]) -> None:
    if "sim-device" in command:
        pytest.importorskip("typer")  # not in the environment of `make test-board`
    (tmp_path / "program.py").write_text(PROGRAM)
    overlay = sim_adder.write_overlay(tmp_path / "overlay")
    done = subprocess.run(
        [sys.executable, "-m", *command, *program, str(overlay), "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(sum(range(5, 55))), "50"], done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "usage: python -m hw_amc.sim_device"),
        (["-m"], "usage:"),
        (["none.py"], "none.py does not exist; usage:"),
        (["no-such-command"], "no-such-command is not on PATH; usage:"),
    ],
)
def test_launcher_refuses_what_does_not_run(args: list[str], message: str) -> None:
    from hw_amc.sim_device.launch import main

    with pytest.raises(ConfigError, match=message):
        main(args)


def test_kernel_for_other_commands(tmp_path: Path) -> None:
    from hw_amc.sim_device.launch import kernel_environment

    environment = kernel_environment(tmp_path)
    spec = json.loads((tmp_path / "kernels" / "python3" / "kernel.json").read_text())
    assert spec["argv"][:3] == [sys.executable, "-m", "hw_amc.sim_device"]
    assert environment["JUPYTER_PATH"].split(os.pathsep)[0] == str(tmp_path)
    assert environment[sim_device.VARIABLE] == "1"


def test_handoff_connects_the_streams(tmp_path: Path) -> None:
    from pynqmetadata.frontends import Metadata

    path = sim_adder.write_overlay(tmp_path).with_suffix(".hwh")
    blocks = Metadata(input=str(path)).blocks
    sent = blocks["axi_dma_0"].ports["M_AXIS_MM2S"].destinations()
    assert {port.parent().name for port in sent.values()} == {"adder_0"}
    received = blocks["adder_0"].ports["m_axis"].destinations()
    assert {port.parent().name for port in received.values()} == {"axi_dma_0"}
    (clock,) = blocks["adder_0"].ports["aclk"].signals["aclk"]._connections.values()
    assert clock.parent().parent().name == "ps_0"
