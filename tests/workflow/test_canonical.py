"""The bytes that are hashed are RFC 8785's, by whichever way they are made."""

from __future__ import annotations

import pytest
import rfc8785

from workflow.encoding import compact_json
from workflow.events import canonical_bytes
from workflow.facts import Severity


def test_control_characters_and_separators_are_written_as_rfc_8785_does() -> None:
    value = {chr(code): chr(code) for code in (*range(0x20), 0x7F, 0x22, 0x5C, 0x2028, 0x2029)}

    assert canonical_bytes(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1.0, [[0.0]], {"a": 2.0}, 2**53, -(2**53), {"a": [2**60]}, float("nan")])
def test_what_machines_write_differently_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_bytes(value)  # type: ignore[arg-type]


def test_text_with_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        canonical_bytes({"a": "\ud800"})


def test_a_column_keeps_words_of_an_enumeration_as_words() -> None:
    assert compact_json({Severity.ERROR: Severity.INFO}) == '{"error":"info"}'
