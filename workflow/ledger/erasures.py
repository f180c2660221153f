"""The erasures, kept in a file outside the database: what an older copy that is put back does not know.

A line names a case, the moment and the hash of its `erased` event; never a value, nor the reason.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from workflow.clock import format_time
from workflow.ledger.outside import append, to_append, without_waiting

_LINE = re.compile(r"(K-[0-9A-Z]{4}-[0-9A-Z]{4}) \S+ [0-9a-f]{64}")


def keep_erasure(path: Path, case: str, at: datetime, event: str) -> None:
    """Append the erasure of a case, of which this is the hash of the event, unless the file has it. Raises OSError."""
    said = _line(case, at, event).encode()
    with to_append(path) as file:
        kept = file.read()
        if said not in kept.splitlines():
            ends = not kept or kept.endswith(b"\n")  # a crash may have cut the last line off
            append(file, (b"" if ends else b"\n") + said + b"\n")


def has_erasure(path: Path, case: str, at: datetime, event: str) -> bool:
    """Whether the file has it already. Raises OSError."""
    return _line(case, at, event) in _lines(path)


def kept_erasures(path: Path) -> tuple[str, ...]:
    """The references of the cases that it says were erased, each once; none when it is not there. Raises OSError."""
    return tuple(dict.fromkeys(found[1] for line in _lines(path) if (found := _LINE.fullmatch(line))))


def _line(case: str, at: datetime, event: str) -> str:
    return f"{case} {format_time(at)} {event}"


def _lines(path: Path) -> list[str]:
    try:
        with open(path, "rb", opener=without_waiting) as file:
            return file.read().decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return []
