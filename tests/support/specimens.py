"""Exports that were made on 26 November 2026 and are kept: what whoever holds one hears when it is verified.

Three cases, here FIRST, SECOND and THIRD, were confirmed, enriched and withdrawn, under checkpoints over 0, 5, 5 and 11
leaves; `whole.zip` and `part.zip` (the second case) show that. Then the first case got a note (`fresh.zip`), the third
was erased, a checkpoint over 13 leaves was signed and `revealed.zip` made; after one over 15 `revealed_part.zip`, of
the second and third case. What is for people was left out: report, lists, README.txt and verify.py.
They are signed with a key whose private half is published, so that a test can sign as they are signed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forging import Files, pack, unpack

from workflow.ledger.signing import Signer
from workflow.ledger.verify import Checkpoint, Finding, VerifierKey, read_key, verify_export

FOLDER = Path(__file__).parents[1] / "data" / "exports"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
STRANGER = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
"""A published key that signed nothing here."""
_SECRET = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
_NAMES = {"K-Z43D-6FS2": "FIRST", "K-4F6K-EGFZ": "SECOND", "K-G7FR-2P5A": "THIRD"}


def key() -> VerifierKey:
    """The key that the exports are signed with."""
    return read_key(VKEY)


def signer(named: str = "PeterNeumann") -> Signer:
    """Whoever signs with that key, under its own name or another."""
    private = Ed25519PrivateKey.from_private_bytes(_SECRET)
    return Signer(VerifierKey(named, private.public_key().public_bytes_raw()), private)


def specimen(name: str) -> Path:
    """One of the exports."""
    return FOLDER / f"{name}.zip"


def changed(name: str, change: Callable[[Files], None], folder: Path, *, honest_manifest: bool = True) -> Path:
    """One of them after somebody was at it, by default with a manifest that was made to fit."""
    files = unpack(specimen(name))
    change(files)
    return pack(files, folder / "changed.zip", honest_manifest=honest_manifest)


def heard(path: Path, held: Sequence[Checkpoint] = ()) -> list[str]:
    """What is found in it: each finding in full, as one line."""
    return shown(verify_export(path, key(), held)[0].findings)


def shown(findings: Sequence[Finding]) -> list[str]:
    """Findings in full: code, case, event, sentence."""
    return [named(f"{found.code} [{found.case} {found.seq}] {found.message}") for found in findings]


def named(text: str) -> str:
    """A text with the three cases called by their place."""
    for reference, name in _NAMES.items():
        text = text.replace(reference, name)
    return text
