"""From an accelerator to a Vivado project of its PYNQ overlay, and to the archive that goes to the board."""
