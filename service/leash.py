"""Becomes another command that ends when its parent does: `python -m service.leash PARENT COMMAND...`.

`portillon up` starts its children through it, so that killing `up` outright leaves no API or worker behind. Linux only; elsewhere
the next start stops what was left.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Put on the leash and become the command. It survives `exec`."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            # It died before the leash was on.
            sys.exit(0)
    os.execv(command[0], command)  # noqa: S606 - the command comes from `up`, and no shell is wanted


if __name__ == "__main__":
    main()
