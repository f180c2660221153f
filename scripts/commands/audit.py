"""The group `audit`: prove, export, erase; each command is imported only when it is used."""

from __future__ import annotations

from collections.abc import Mapping

import click

from scripts.lazy import Entry, LazyGroup
from scripts.parameters import examples

_ALL = "Commands"

COMMANDS: Mapping[str, Entry] = {
    "verify": Entry(_ALL, "audit_verify", "verify", "Prove that nobody altered the history."),
    "export": Entry(_ALL, "audit_export", "export", "Write a file that an auditor can check without us."),
    "checkpoint": Entry(
        _ALL, "audit_checkpoint", "checkpoint", "Print the signed head of the ledger, to be kept elsewhere."
    ),
    "key": Entry(_ALL, "audit_checkpoint", "key", "Print the key by which others check our checkpoints."),
    "erase": Entry(_ALL, "audit_erase", "erase", "Erase the personal data of a case that has ended."),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    epilog=examples("schakel audit verify", "schakel audit export proof.zip", "schakel audit checkpoint > head.txt"),
)
def audit() -> None:
    """Prove that history was not altered, hand it to an auditor, or erase personal data with the proof intact."""
