"""`hw-amc` and `python -m hw_amc`: the command line, which answers Ctrl-C from its first import to its end.

The command line takes most of a second to import; a traceback of that says nothing to a user.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from hw_amc.errors import INTERRUPTED, STOPPED


def main() -> NoReturn:
    """Run the command line and exit."""
    # Called after all that other modules register: what was done is not called stopped while the interpreter tidies up.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            from hw_amc.cli.main import main as run

            run()
        finally:
            # What waits at the end (threads, say) can still be stopped.
            signal.signal(signal.SIGINT, _end)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(INTERRUPTED)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, f"{STOPPED}\n".encode())
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
