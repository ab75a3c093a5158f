"""Run a program with the simulated device active; see `hw_amc.sim_device.launch`."""

from __future__ import annotations

import sys

from hw_amc.sim_device.launch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
