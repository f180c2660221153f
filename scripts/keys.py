"""The signing key of an installation: made, read and named in the text format of C2SP signed notes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import socket
from pathlib import Path

from workflow.errors import UsageError

_ED25519 = b"\x01"
_PREFIX = "PRIVATE+KEY"


def key_name() -> str:
    """A name for a new key: this program on this machine; a name holds no spaces and no '+'."""
    host = "".join(char for char in socket.gethostname() if char.isalnum() or char in "-.") or "here"
    return f"schakel/{host}"


def make_key(path: Path, name: str) -> str:
    """Write a fresh key to a file only its owner can read; its verifier key. Raises FileExistsError, OSError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = f"{_PREFIX}+{name}+{_key_hash(name, public)}+{_encoded(private.private_bytes_raw())}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return verifier_key(name, public)


def read_verifier_key(path: Path) -> str:
    """The verifier key that belongs to a key file. Raises UsageError: not a key. OSError: not there, not readable."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    wrong = UsageError(f"{path} is not a signing key of Schakel.")
    try:
        text = path.read_bytes()[:2000].decode("ascii").strip()
        prefix, middle, name, digest, encoded = text.split("+", 4)
        secret = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise wrong from None
    if f"{prefix}+{middle}" != _PREFIX or len(secret) != 33 or secret[:1] != _ED25519:
        raise wrong
    public = Ed25519PrivateKey.from_private_bytes(secret[1:]).public_key().public_bytes_raw()
    if _key_hash(name, public) != digest:
        raise wrong
    return verifier_key(name, public)


def verifier_key(name: str, public: bytes) -> str:
    """The text by which others check what this key signed."""
    return f"{name}+{_key_hash(name, public)}+{_encoded(public)}"


def _key_hash(name: str, public: bytes) -> str:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4].hex()


def _encoded(key: bytes) -> str:
    return base64.b64encode(_ED25519 + key).decode("ascii")
