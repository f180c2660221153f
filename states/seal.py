"""A personal value kept so that it can be compared but not read: what people may see of it, and a salted HMAC."""

from __future__ import annotations

import hashlib
import hmac

from workflow.facts import Json

SALT_DIGITS = 32
"""Hexadecimal digits of salt that a seal needs at least."""


def seal(value: str, shown: str, salt: str) -> str:
    """'SHOWN SALT.HMAC' of a value; the salt is hexadecimal and made for this one seal."""
    if len(salt) < SALT_DIGITS:
        raise ValueError(f"a seal needs {SALT_DIGITS} digits of salt")
    return f"{shown} {salt}.{_digest(value, salt)}"


def seals(sealed: str, value: str) -> bool:
    """Whether this seal was made of this value; never of something that is no seal."""
    salt, dot, digest = sealed.rpartition(" ")[2].partition(".")
    return bool(dot) and hmac.compare_digest(digest.encode(), _digest(value, salt).encode())


def shown_of(sealed: str) -> str:
    """What people may see of a sealed value."""
    return sealed.rpartition(" ")[0]


def mask_seal(value: Json) -> Json:
    """A seal without its salt and HMAC."""
    return shown_of(value) if isinstance(value, str) and value else value


def _digest(value: str, salt: str) -> str:
    return hmac.new(salt.encode(), value.encode(), hashlib.sha256).hexdigest()
