"""The program: what `python -m scripts` and an installed `schakel` run."""

import atexit
import gc
import os
import signal

from scripts import GARBAGE

gc.set_threshold(*GARBAGE)
atexit.register(gc.freeze)  # otherwise all that was imported is looked through once more at the end
interrupted = signal.getsignal(signal.SIGINT)
if interrupted is signal.default_int_handler:  # Ctrl-C before anything began is quiet too
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from scripts.cli import main  # noqa: E402 - the lines above must come first

if interrupted is signal.default_int_handler:
    signal.signal(signal.SIGINT, interrupted)

if __name__ == "__main__":
    main()
