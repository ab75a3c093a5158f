"""On the board, with what its image has: python3 -m hw_amc.driver selftest OVERLAY, or doctor [OVERLAY]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hw_amc.driver.doctor import examine_board, to_json, to_text
from hw_amc.driver.errors import DeviceError
from hw_amc.driver.overlay import AmcOverlay
from hw_amc.errors import HwAmcError


def main(arguments: Sequence[str]) -> int:
    """Run one of the commands; returns the exit status."""
    parser = argparse.ArgumentParser("python3 -m hw_amc.driver", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("selftest", help="load an overlay and test it; exits with 8 where something failed")
    test.add_argument("overlay", type=Path, help="bitstream, or the folder of the unpacked archive")
    test.add_argument("--report", type=Path, help="file for the report, to attach to a question")
    doctor = commands.add_parser("doctor", help="say what this board has, and whether an overlay fits it")
    doctor.add_argument("overlay", type=Path, nargs="?", help="bitstream, or the folder of the unpacked archive")
    doctor.add_argument("--json", action="store_true", help="for programs, and to attach to a question")
    options = parser.parse_args(arguments)
    try:
        if options.command == "doctor":
            findings = examine_board(options.overlay)
            print(to_json(findings) if options.json else to_text(findings))
            return 0
        with AmcOverlay(options.overlay) as amc:
            found = amc.selftest()
        print(found)
        if options.report is not None:
            found.save(options.report)
        return 0 if found.passed else DeviceError.exit_code
    except HwAmcError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
