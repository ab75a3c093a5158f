"""From an accelerator to a board: the overlay's project for Vivado, and the same overlay in simulation."""
