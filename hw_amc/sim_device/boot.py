"""What a board's boot image leaves in its PS, whatever an overlay's .hwh says: the PLL behind the PL clocks.

PYNQ never touches a PLL. The first-stage boot loader of the image sets it, from the block design that the *image* was
made with, and an overlay's own idea of it (`PSU__CRL_APB__IOPLL_CTRL__FBDIV` in its .hwh) reaches no register. The two
differ where the overlay was built without board files.

Sources, by repository and path: Xilinx/PYNQ, boards/Pynq-Z1/base/base.tcl and boards/ZCU104/base/base.tcl;
XilinxBoardStore, boards/TUL/pynq-z2/A.0/preset.xml; Xilinx/Kria-PYNQ, kv260/base/base.tcl; Xilinx/RFSoC-PYNQ,
boards/RFSoC2x2/base/base.tcl and boards/RFSoC4x2/base/base.tcl. Zynq UltraScale+ PLLs halve their output (DIV2) there.
"""

from __future__ import annotations

from hw_amc.parts import PsKind

#: Feedback divider of the booted IO PLL by device, as the .hwh names it, without a leading xc.
IO_PLL_FEEDBACK = {"7z020": 20, "zu7ev": 90, "k26": 60, "zu28dr": 90, "zu48dr": 90}
#: Where the device is none of those: what PYNQ's images of this kind mostly have.
DEFAULT_FEEDBACK: dict[PsKind, int] = {"zynq7": 20, "zynqmp": 90}


def booted_feedback(kind: PsKind, device: str) -> int:
    """Feedback divider that a booted board with this device has.

    Parameters
    ----------
    kind : {"zynq7", "zynqmp"}
    device : str
        `DEVICE` of a .hwh: `xczu7ev`, or `7z020` as Vivado writes it for Zynq-7000.
    """
    return IO_PLL_FEEDBACK.get(device.removeprefix("xc"), DEFAULT_FEEDBACK[kind])
