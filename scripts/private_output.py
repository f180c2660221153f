"""A file that a command writes when asked, with values of people perhaps: for its owner alone and over nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from workflow.errors import UsageError
from workflow.private_file import kind_of, make_private


def write_private(option: str, path: Path, text: str, *, force: bool) -> None:
    """Write it; what stands there is replaced with `force`, once the new one is whole. Raises UsageError."""
    try:
        _refuse_place(option, path)
        if force:
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            beside.unlink(missing_ok=True)  # of an earlier process that was killed
            make_private(beside, text)
            beside.replace(path)
        else:
            make_private(path, text)
    except FileExistsError:
        said = f"{option} {path} exists; choose another name, or overwrite it with --force."
        raise UsageError(said) from None
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be written: {error.strerror}.") from None


def _refuse_place(option: str, path: Path) -> None:
    if path == Path("-"):
        raise UsageError(f"{option} takes the name of a file; it does not write to standard output.")
    if kind := kind_of(path):
        raise UsageError(f"{option} {path} is {kind}, not a file; choose another name.")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path} cannot be written: there is no folder {path.parent}.")
