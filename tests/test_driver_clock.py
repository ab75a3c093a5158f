"""The programmable-logic clock: what Vivado assumed, what the board has booted with, and what the driver does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pynq
import pytest
from board_overlays import BOARDS, small_graph, small_manifest

from hw_amc import config, sim_device
from hw_amc.bench.simulated import write_sim_overlay
from hw_amc.driver import AmcOverlay, DeviceError
from hw_amc.parts import family_with
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sim_device import boot
from hw_amc.sources import Sources

GRAPH = small_graph()
#: PL clock 0 of Zynq UltraScale+ (UG1087, CRL_APB.PL0_REF_CTRL): 24 CLKACT, 21:16 and 13:8 the divisors.
PL0_REF_CTRL = 0xFF5E_00C0


def overlay(folder: Path, board: str, vivados_pll_mhz: float | None = None, clock_mhz: float | None = None) -> Path:
    """Write an overlay whose .hwh assumes a PLL of `vivados_pll_mhz`; the board's own by default."""
    settings = config.load_board(board, BOARDS)
    manifest = small_manifest(GRAPH, board)
    if vivados_pll_mhz is not None:
        settings = settings.model_copy(update={"pl_source_mhz": vivados_pll_mhz})
    if clock_mhz is not None:
        settings = settings.model_copy(update={"clock_mhz": clock_mhz})
        manifest = replace(manifest, clock_mhz=clock_mhz)
    return write_sim_overlay(folder, Accelerator(Sources({}), manifest), GRAPH, settings, "golden")


@pytest.mark.parametrize(
    ("board", "device"),
    [
        ("pynq-z1", "7z020"),
        ("pynq-z2", "7z020"),
        ("zcu104", "xczu7ev"),
        ("kv260", "xck26"),
        ("rfsoc2x2", "xczu28dr"),
        ("rfsoc4x2", "xczu48dr"),
    ],
)
def test_boards_divide_the_pll_that_they_boot_with(board: str, device: str) -> None:
    settings = config.load_board(board, BOARDS)
    reference_mhz = family_with(settings.ps).clock.reference_mhz
    feedback = boot.booted_feedback(settings.ps, device)
    halved = 1 if settings.ps == "zynq7" else 2
    assert settings.pl_source_mhz == pytest.approx(feedback * reference_mhz / halved, rel=2e-5)


@pytest.mark.parametrize("board", ["zcu104", "rfsoc2x2", "rfsoc4x2"])
def test_without_board_files_pynq_alone_overclocks_and_the_driver_does_not(tmp_path: Path, board: str) -> None:
    """Vivado divides its 1,000 MHz by 4; the board has booted with 1,500."""
    path = overlay(tmp_path, board, vivados_pll_mhz=1000.0)
    assert 'CTRL__DIVISOR0" VALUE="4"' in path.with_suffix(".hwh").read_text()
    device = sim_device.enable()
    if pynq.__version__ < "4":
        pynq.Overlay(str(path))
        assert device.clock_mhz == pytest.approx(374.99625)
    seen = []
    download = device.download

    def watched(*arguments: Any) -> None:
        seen.append(device.clock_mhz)
        download(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "download", watched)
        with AmcOverlay(path, device=device) as amc:
            assert amc.clock_mhz == pytest.approx(device.clock_mhz) == pytest.approx(249.9975)
    assert seen == [pytest.approx(249.9975)]  # not even while the bitstream is loaded


def test_zynq_7000_without_board_files_is_set_right_too(tmp_path: Path) -> None:
    """Vivado's default IO PLL of 1,600 MHz, over 13: the board would run at 77 MHz."""
    path = overlay(tmp_path, "pynq-z2", vivados_pll_mhz=1625.0)
    with AmcOverlay(path, device=sim_device.enable()) as amc:
        assert amc.clock_mhz == 125.0


@pytest.mark.parametrize(("built_for", "right"), [(251.0, True), (249.0, True), (251.5, False), (248.5, False)])
def test_half_a_percent_is_the_limit(tmp_path: Path, built_for: float, right: bool) -> None:
    path = overlay(tmp_path, "zcu104", vivados_pll_mhz=4 * built_for, clock_mhz=built_for)
    device = sim_device.enable()
    if right:
        with AmcOverlay(path, device=device) as amc:
            assert amc.clock_mhz == pytest.approx(249.9975)
        return
    device.system.close()
    message = rf"clock is 249\.998 MHz, the nearest .* for {built_for:g} MHz: .* clock_mhz = 249\.998 in board.toml"
    with pytest.raises(DeviceError, match=message):
        AmcOverlay(path, device=device)
    assert not device.system.slaves  # nothing was loaded


def test_clock_that_changes_while_loading_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = sim_device.enable()
    download = device.download

    def disturbed(*arguments: Any) -> None:
        download(*arguments)
        device.system.write(PL0_REF_CTRL, 1 << 24 | 1 << 16 | 4 << 8)

    monkeypatch.setattr(device, "download", disturbed)
    with pytest.raises(DeviceError, match=r"clock is 374\.996 MHz"):
        AmcOverlay(overlay(tmp_path, "zcu104"), device=device)


def test_registers_that_make_no_sense_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(boot.IO_PLL_FEEDBACK, "zu7ev", 0)
    with pytest.raises(DeviceError, match="PYNQ cannot set the programmable-logic clock to 250 MHz"):
        AmcOverlay(overlay(tmp_path, "zcu104"), device=sim_device.enable())
