"""The console script `asdzoo`: what Ctrl-C and SIGTERM do is settled before anything of weight is imported."""

import gc
import os
import signal
import sys
from types import FrameType

_SAID = "interrupted: run the same command again to go on from here"
_received = 0  # the signal that ends the program


def _stop(number: int, frame: FrameType | None) -> None:
    """End the command as if by Ctrl-C; at once while something is imported, where an exception can be lost or misread."""
    global _received
    _received = number
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # which a progress bar may have hidden
            os.write(2, f"{cursor}{_SAID}\n".encode())
            os._exit(128 + number)
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> int:
    """Run one command and return its exit code; 130 after Ctrl-C, 143 after SIGTERM."""
    gc.set_threshold(50_000)  # a command keeps most of what it makes: looking for garbage was a fifth of a scan
    ends = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in ends:
            signal.signal(number, _stop)
        from submission.cli import INTERRUPTED
        from submission.cli import main as run_command

        code = run_command()
    except KeyboardInterrupt:
        sys.stderr.write(f"{_SAID}\n")
        return 128 + _received
    for number in ends:
        signal.signal(number, signal.SIG_IGN)  # a second one would only disturb the end
    return 128 + _received if code == INTERRUPTED and _received else code
