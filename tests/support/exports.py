"""Exports made and opened again: what is in the zip, byte for byte and line by line."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from notifications.report import render
from states import EMPLOYER_COUPLING
from workflow import Database, Engine, Origin
from workflow.ledger.account import Account
from workflow.ledger.export import Exported, Order, export
from workflow.ledger.selection import Asked

AUDITOR = Origin("auditor", "auditor-os", "cli")
FILES = [
    "README.txt",
    "events.jsonl",
    "leaves.jsonl",
    "checkpoints.jsonl",
    "proofs.jsonl",
    "lists/cases.csv",
    "lists/events.csv",
    "lists/cases.xlsx",
    f"definitions/employer_coupling-{EMPLOYER_COUPLING.version}.json",
    "report.html",
    "verify.py",
    "manifest.json",
]
"""What lies in an export of everything, in its order."""


def page(account: Account) -> Iterator[str]:
    """The report, in English."""
    return render(account, "en")


def make(engine: Engine, out: Path, database: Database | None = None, **given: Any) -> Exported:
    """Export with these parts of a selection and of an order."""
    asked = Asked(**{name: given.pop(name) for name in ("cases", "since", "until", "sample", "seed") if name in given})
    watch = given.pop("watch", lambda *_: None)
    order = Order(out, asked, AUDITOR, engine.clock.now(), **given)
    return export(database or engine.database, engine.rules, order, page, watch)


class Unzipped:
    """An export, read whole."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as zipped:
            assert zipped.testzip() is None
            self.files = {name: zipped.read(name) for name in zipped.namelist()}
        self.manifest: dict[str, Any] = json.loads(self.files["manifest.json"])

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of a JSONL file."""
        return [json.loads(line) for line in self.files[name].splitlines()]

    def events(self) -> list[dict[str, Any]]:
        """What each event says."""
        return [line["event"] for line in self.lines("events.jsonl")]

    def cases(self) -> list[str]:
        """The references of the cases, in order."""
        return list(dict.fromkeys(event["case"] for event in self.events()))

    def contents(self) -> list[bytes]:
        """The bytes of every file, and of the files inside the workbook."""
        with zipfile.ZipFile(BytesIO(self.files["lists/cases.xlsx"])) as book:
            return [*self.files.values(), *(book.read(name) for name in book.namelist())]
