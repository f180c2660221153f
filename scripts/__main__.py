"""The program: what `python -m scripts` and an installed `schakel` run."""

import atexit
import gc

from scripts import GARBAGE

gc.set_threshold(*GARBAGE)
atexit.register(gc.freeze)  # otherwise all that was imported is looked through once more at the end

from scripts.cli import main  # noqa: E402 - the lines above must come first

if __name__ == "__main__":
    main()
