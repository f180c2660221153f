"""A case's reference: 'K-XXXX-XXXX' in Crockford base32, random, the last character a check character (ISO 7064)."""

from __future__ import annotations

import re
import secrets

from stdnum.iso7064 import mod_37_36

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_LENGTH = 8
_SHAPE = re.compile(f"K[{ALPHABET}]{{{_LENGTH}}}")


def new_reference() -> str:
    """A fresh random reference; 35 bits, so the database still has to refuse the rare double."""
    return with_check("".join(secrets.choice(ALPHABET) for _ in range(_LENGTH - 1)))


def with_check(body: str) -> str:
    """The reference of seven characters of the alphabet, its check character behind them."""
    return _format(body + mod_37_36.calc_check_digit(body, ALPHABET))


def looks_like_reference(text: str) -> bool:
    """Whether this was probably meant as a reference, well typed or not: a K and eight characters of the alphabet."""
    return _SHAPE.fullmatch(_plain(text)) is not None


def parse_reference(text: str) -> str | None:
    """The reference in its written form, whatever its case and dashes; None when it is none or is mistyped."""
    plain = _plain(text)
    if not _SHAPE.fullmatch(plain):
        return None
    body = plain[1:]
    return _format(body) if mod_37_36.calc_check_digit(body[:-1], ALPHABET) == body[-1] else None


def _plain(text: str) -> str:
    return text.strip().upper().translate(_LOOKALIKES)


def _format(body: str) -> str:
    return f"K-{body[:4]}-{body[4:]}"
