"""Run a program with the simulated device active; see `hw_amc.sim_device.launch`."""

from __future__ import annotations

import sys

from hw_amc.errors import ConfigError
from hw_amc.sim_device.launch import main, require_program

if __name__ == "__main__":
    try:
        require_program(sys.argv[1:])
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    # What the program itself raises is its own affair.
    sys.exit(main(sys.argv[1:]))
