"""Lets `python -m scripts` do what `schakel` does."""

import gc

gc.set_threshold(
    200_000, 20, 20
)  # imports make objects that stay; looking for garbage among them costs a fifth of them

from scripts.cli import main  # noqa: E402 - the line above must come first

if __name__ == "__main__":
    main()
