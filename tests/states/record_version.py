"""Record the digest of states/ under its new VERSION: `python tests/states/record_version.py`, from the repository.

Raise VERSION in states/table.py first: a version that is recorded stays as it is, since events name it.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "states"
RECORDED = HERE / "versions.json"


def source_digest(folder: Path = SOURCES) -> str:
    """SHA-256 over the names and texts of the sources in order, with newlines made the same everywhere."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        text = path.read_text("utf-8").replace("\r\n", "\n")
        digest.update(f"{path.name}\n{len(text)}\n{text}".encode())
    return digest.hexdigest()


def stated_version(folder: Path = SOURCES) -> str:
    """The VERSION that states/table.py states."""
    found = re.search(r'^VERSION = "([^"]+)"$', (folder / "table.py").read_text("utf-8"), re.MULTILINE)
    if not found:
        raise SystemExit("states/table.py states no VERSION.")
    return found[1]


def recorded(file: Path = RECORDED) -> dict[str, str]:
    """Version → digest, as recorded so far."""
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def record(folder: Path = SOURCES, file: Path = RECORDED) -> str:
    """Add the stated version; SystemExit when it is recorded with other sources already."""
    version, digest, known = stated_version(folder), source_digest(folder), recorded(file)
    if known.get(version, digest) != digest:
        raise SystemExit(f"Version {version} is recorded with other sources: raise VERSION in states/table.py first.")
    file.write_text(json.dumps(known | {version: digest}, indent=2) + "\n", "utf-8")
    return version


if __name__ == "__main__":
    sys.stdout.write(f"Recorded version {record()} of states/.\n")
