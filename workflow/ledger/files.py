"""The files of an export that a program checks, each written in one pass over what it holds."""

from __future__ import annotations

import json
import random
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workflow.encoding import lenient_json
from workflow.ledger.archive import Archive
from workflow.ledger.lists import local
from workflow.ledger.proofs import TreeFile
from workflow.ledger.selection import Chosen
from workflow.ledger.verify import Kept, leaf_hash
from workflow.storage import exporting
from workflow.storage.evidence import Evidence, as_bytes, leaf_entry
from workflow.storage.exporting import StoredLeaf
from workflow.storage.store import Store

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]|^\.+")
PROVED_OF_ALL = 100
"""Leaves of a complete export that get a proof: whoever has all leaves can prove each of them."""


@dataclass
class Counted:
    """What writing the events counted."""

    events: int = 0
    cases: int = 0
    waiting: int = 0
    """Events that have no leaf yet."""


def write_events(archive: Archive, store: Store, chosen: Chosen) -> Counted:
    """`events.jsonl`: the canonical bytes as they are, so that they can be hashed again."""
    counted, last = Counted(), None
    with archive.file("events.jsonl") as file:
        for event in chosen.of(store, exporting.events_between):
            tail = f',"hash":{_json(event.hash)},"leaf":{_json(event.leaf)}}}\n'
            file.write(b'{"event":' + event.canonical + tail.encode("utf-8", "backslashreplace"))
            counted.events += 1
            counted.cases += event.case_id != last
            counted.waiting += event.leaf is None
            last = event.case_id
    return counted


def write_openings(archive: Archive, store: Store, chosen: Chosen) -> None:
    """`openings.jsonl`: the personal values, each with the salt that opens its commitment."""
    with archive.text("openings.jsonl") as file:
        for opening in chosen.of(store, exporting.openings_between):
            line = {
                "case": opening.case,
                "seq": opening.seq,
                "path": opening.path,
                "value": lenient_json(opening.value, opening.value),
                "salt": opening.salt.hex(),
            }
            try:
                file.write(f"{_json(line)}\n")
            except RecursionError:
                file.write(f"{_json({**line, 'value': opening.value})}\n")


def write_leaves(archive: Archive, store: Store, chosen: Chosen, tree: TreeFile, size: int) -> None:
    """`leaves.jsonl`, by index; the first `size` of all leaves go into the tree, those of other cases too."""
    with archive.text("leaves.jsonl") as file:
        for leaf in exporting.all_leaves(store):
            if tree.size < size:
                tree.append(leaf_hash(leaf_entry(leaf.hash)))
            if leaf.case_id in chosen:
                line = {"leaf": leaf.index, "case": leaf.case, "seq": leaf.seq, "hash": leaf.hash}
                file.write(f"{_json(line)}\n")


def write_checkpoints(archive: Archive, store: Store, *, all_of_them: bool) -> list[int]:
    """`checkpoints.jsonl`: all, or the last of each day in Amsterdam and the last; their sizes, each once."""
    sizes = array("q")
    with archive.text("checkpoints.jsonl") as file:
        for checkpoint in _listed(map(Kept._make, Evidence(store).checkpoints()), all_of_them=all_of_them):
            file.write(f"{_json(checkpoint._asdict())}\n")
            if is_size(checkpoint.size) and (not sizes or sizes[-1] != checkpoint.size):
                sizes.append(checkpoint.size)
    return sorted(set(sizes))


def write_proofs(archive: Archive, store: Store, chosen: Chosen, tree: TreeFile) -> None:
    """`proofs.jsonl`: that leaves stand in the tree of the last checkpoint; of all cases together a drawn sample."""
    leaves = _drawn(store, tree) if chosen.numbers is None else chosen.of(store, exporting.leaves_between)
    with archive.text("proofs.jsonl") as file:
        for leaf in leaves:
            if 0 <= leaf.index < tree.size:
                path = [step.hex() for step in tree.inclusion_path(leaf.index)]
                line = {"leaf": leaf.index, "hash": leaf.hash, "size": tree.size, "path": path}
                file.write(f"{_json(line)}\n")


def write_consistency(archive: Archive, tree: TreeFile, sizes: list[int]) -> None:
    """`consistency.jsonl`: that the tree of each of these sizes became the tree of the last checkpoint."""
    with archive.text("consistency.jsonl") as file:
        for size in sizes:
            if 0 < size <= tree.size:
                path = [step.hex() for step in tree.consistency_path(size)]
                file.write(f"{_json({'from': size, 'to': tree.size, 'path': path})}\n")


def write_definitions(archive: Archive, store: Store, rules: set[tuple[str, str]]) -> None:
    """`definitions/`: the bytes of each version that judged an exported event, under a name that is safe in a zip."""
    kept = {(name, version): canonical for name, version, _, canonical in Evidence(store).definitions()}
    for name, version in sorted(rules & kept.keys()):
        safe = _UNSAFE.sub("_", f"{name}-{version}")[:100]
        same = sum(file.startswith(f"definitions/{safe}") for file in archive.files)
        archive.add(f"definitions/{safe}{f'-{same + 1}' if same else ''}.json", as_bytes(kept[name, version]))


def _listed(checkpoints: Iterator[Kept], *, all_of_them: bool) -> Iterator[Kept]:
    if all_of_them:
        yield from checkpoints
        return
    last: Kept | None = None
    for checkpoint in checkpoints:
        if last is not None and _day(last) != _day(checkpoint):
            yield last
        last = checkpoint
    if last is not None:
        yield last


def _day(checkpoint: Kept) -> object:
    at = local(str(checkpoint.at))
    return at.date() if at else checkpoint.at


def _drawn(store: Store, tree: TreeFile) -> Iterator[StoredLeaf]:
    """A sample that only the tree itself decides, so that it is the same in every export of it."""
    draw = random.Random(tree.root().hex()).sample
    for index in sorted(draw(range(tree.size), min(PROVED_OF_ALL, tree.size))):
        if leaf := exporting.leaf_at(store, index):
            yield leaf


def is_size(stored: Any) -> bool:
    """Whether this can be how many leaves there are; SQLite keeps anything anywhere."""
    return type(stored) is int and 0 <= stored < 2**63


def _json(value: Any) -> str:
    """JSON of whatever stands in a row: bytes where a text should be are shown as such, for the verifier to refuse."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_shown)


def _shown(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
