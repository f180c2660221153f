"""The signing key of an installation: made, read, and used to sign checkpoints (C2SP signed notes, Ed25519)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workflow.errors import UsageError
from workflow.ledger.verify import ED25519, NoteError, Signature, VerifierKey, checkpoint_text, read_checkpoint
from workflow.private_file import make_private

_PREFIX = "PRIVATE+KEY"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs, and the verifier key that others check it by."""

    key: VerifierKey
    _private: Ed25519PrivateKey

    def checkpoint(self, size: int, root: bytes, at: str, before: str | None = None) -> str:
        """The signed note over the head of a ledger, signed after the note `before`; its origin is the key's name."""
        text = checkpoint_text(self.key.name, size, root, at, before)
        signature = base64.b64encode(self.key.key_id + self._private.sign(text)).decode("ascii")
        return f"{text.decode()}\n— {self.key.name} {signature}\n"


def short_name(key: VerifierKey | Signature) -> str:
    """The name and the number of a key, or of a signature by it, by which people tell it from another: NAME+ID."""
    return f"{key.name}+{key.key_id.hex()}"


def signers_of(note: str) -> tuple[str, ...]:
    """The keys that a checkpoint says it was signed by, each as NAME+ID; none of one that cannot be read."""
    try:
        return tuple(short_name(line) for line in read_checkpoint(note).signatures)
    except NoteError:
        return ()


def make_key(path: Path, name: str) -> VerifierKey:
    """Write a fresh key to a file only its owner can read; its verifier key. Raises FileExistsError, OSError."""
    private = Ed25519PrivateKey.generate()
    key = VerifierKey(name, private.public_key().public_bytes_raw())
    secret = base64.b64encode(ED25519 + private.private_bytes_raw()).decode("ascii")
    make_private(path, f"{_PREFIX}+{name}+{key.key_id.hex()}+{secret}\n")
    return key


def read_signer(path: Path) -> Signer:
    """The key in a file. Raises UsageError: not a key. OSError: not there, not readable."""
    wrong = UsageError(f"{path} is not a signing key of Schakel.")
    try:
        text = path.read_bytes()[:2000].decode("ascii").strip()
        prefix, middle, name, digest, encoded = text.split("+", 4)
        secret = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise wrong from None
    if f"{prefix}+{middle}" != _PREFIX or len(secret) != 33 or secret[:1] != ED25519:
        raise wrong
    private = Ed25519PrivateKey.from_private_bytes(secret[1:])
    key = VerifierKey(name, private.public_key().public_bytes_raw())
    if key.key_id.hex() != digest:
        raise wrong
    return Signer(key, private)
