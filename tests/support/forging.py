"""Changing an export as somebody could who has it: its files, its lines, and a manifest that fits them again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow.events import canonical_bytes

Files = dict[str, bytes]
Edit = Callable[[list[Any]], Any]


def unpack(path: Path) -> Files:
    """The files of a zip."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Files, path: Path, *, honest_manifest: bool = True) -> Path:
    """A zip of these files; by default with a manifest that fits them."""
    if honest_manifest:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
            if name != "manifest.json"
        }
        files = {**files, "manifest.json": json.dumps(manifest).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def records(name: str, edit: Edit) -> Callable[[Files], None]:
    """Edit the JSON lines of a file as a list."""

    def change(files: Files) -> None:
        rows = [json.loads(line) for line in files[name].splitlines()]
        edit(rows)
        files[name] = b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)

    return change


def events(edit: Edit, *, rehash: bool = True) -> Callable[[Files], None]:
    """Edit the events of an export as a list of lines; with `rehash` each gets the hash of its bytes."""

    def change(files: Files) -> None:
        rows = [json.loads(line) for line in files["events.jsonl"].splitlines()]
        edit(rows)
        lines = []
        for row in rows:
            canonical = canonical_bytes(row["event"])
            digest = hashlib.sha256(canonical).hexdigest() if rehash else row["hash"]
            tail = f',"hash":"{digest}","leaf":{json.dumps(row["leaf"])}}}\n'
            lines.append(b'{"event":' + canonical + tail.encode())
        files["events.jsonl"] = b"".join(lines)

    return change


def manifest(**values: Any) -> Callable[[Files], None]:
    """Make the manifest say this."""

    def change(files: Files) -> None:
        files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) | values).encode()

    return change


def counted(change: Callable[[Files], None], **counts: int) -> Callable[[Files], None]:
    """Change files, and what the manifest counts with them."""

    def both(files: Files) -> None:
        change(files)
        manifest(**counts)(files)

    return both


def definition(edit: Callable[[bytes], bytes]) -> Callable[[Files], None]:
    """Edit the bytes of the only definition."""

    def change(files: Files) -> None:
        (name,) = (name for name in files if name.startswith("definitions/"))
        files[name] = edit(files[name])

    return change


def cut(name: str, count: int) -> Callable[[Files], None]:
    """Take so many bytes from the end of a file."""
    return lambda files: files.update({name: files[name][:-count]})


def recounted(files: Files) -> Files:
    """The files with a manifest whose counts and checkpoint are those of what is in them now."""
    said = [json.loads(line)["event"] for line in files["events.jsonl"].splitlines()]
    notes = [json.loads(line)["note"] for line in files["checkpoints.jsonl"].splitlines()]
    changed = {**files}
    manifest(events=len(said), cases=len({event["case"] for event in said}), checkpoint=notes[-1] if notes else None)(
        changed
    )
    return changed
