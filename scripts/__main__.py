"""Lets `python -m scripts` do what `schakel` does."""

import atexit
import gc

# Imports make objects that stay. Looking for garbage among them costs a fifth of their time, and as much at the end.
gc.set_threshold(200_000, 20, 20)
atexit.register(gc.freeze)

from scripts.cli import main  # noqa: E402 - the lines above must come first

if __name__ == "__main__":
    main()
