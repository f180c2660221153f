"""Facts for people: a value as words, and a case's facts as aligned lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scripts.output import clip, line_width, plain
from workflow.facts import Facts, Json


def in_order(facts: Facts, sheets: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Json]]:
    """The facts in the order people expect, whatever the order they were recorded in."""
    return {
        sheet: {name: facts[sheet][name] for name in names if name in facts[sheet]}
        for sheet, names in sheets.items()
        if sheet in facts
    }


def fact_lines(facts: Facts) -> Iterator[str]:
    """The facts, sheet by sheet, each value on a line and each item of a list on one of its own."""
    width = max((len(name) for fields in facts.values() for name in fields), default=0)
    room = line_width() - width - 6
    for sheet, fields in facts.items():
        if fields:
            yield f"  {sheet}"
        for name, value in fields.items():
            first, *more = value_lines(value)
            yield f"    {name.ljust(width)}  {clip(first, room)}"
            for line in more:
                yield f"    {' ' * width}  {clip(line, room)}"


def value_lines(value: Json) -> list[str]:
    """A value as words, an item of a list on a line of its own."""
    if isinstance(value, list):
        return [line for item in value for line in value_lines(item)] or ["none"]
    if isinstance(value, Mapping):
        return ["  ".join(f"{name}: {_word(inner)}" for name, inner in value.items())]
    return [_word(value)]


def _word(value: Json) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(str(value))
