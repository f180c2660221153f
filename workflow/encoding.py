"""JSON as this program stores it: text for its own columns, sorted bytes for what is hashed."""

from __future__ import annotations

import json
from typing import Any

import orjson

_DEEPEST = 200
"""Levels that can be written again, and gone through; what is nested deeper nobody here wrote."""


def read_json(text: str) -> Any:
    """The value that JSON text says. Raises ValueError; TypeError: no text, or nested too deep to be written again."""
    value = orjson.loads(text)
    if text.count("{") + text.count("[") > _DEEPEST:  # so it may be that deep
        orjson.dumps(value)
    return value


def compact_json(value: Any) -> str:
    """JSON text for a column that only this program reads. Raises TypeError."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def sorted_json(value: Any) -> bytes:
    """JSON as bytes, keys sorted by code point. Raises ValueError on text with half a character (a lone surrogate)."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from None


def lenient_json(stored: Any, otherwise: Any = None) -> Any:
    """The value that a column says which somebody may have altered; `otherwise` when it says none."""
    try:
        return json.loads(stored)
    except (TypeError, ValueError, RecursionError):
        return otherwise


def as_mapping(value: Any) -> dict[str, Any]:
    """The value if it is an object; of anything else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is an array; of anything else an empty one."""
    return value if isinstance(value, list) else []
