"""What a command changes of the facts: what was given and differs, and what stands no longer because of that."""

from __future__ import annotations

from collections.abc import Iterable

from workflow.definition import Lapse
from workflow.facts import Facts, Json

Changes = dict[str, dict[str, Json]]


def changes_of(facts: Facts, given: Facts) -> Changes:
    """What of `given` differs from the facts; None stands for unanswered."""
    changes: Changes = {}
    for sheet, fields in given.items():
        known = facts.get(sheet, {})
        if different := {name: value for name, value in fields.items() if known.get(name) != value}:
            changes[sheet] = different
    return changes


def with_lapses(lapses: Iterable[Lapse], facts: Facts, given: Facts, changes: Changes) -> Changes:
    """The changes with what they end: of a field that is given along, what is given stands."""
    ended: Changes = {}
    for lapse in lapses:
        if _is_replaced(lapse.field, facts, changes):
            for path in lapse.ends:
                sheet, _, name = path.partition(".")
                if name in facts.get(sheet, {}) and name not in given.get(sheet, {}):
                    ended.setdefault(sheet, {})[name] = None
    return {sheet: {**changes.get(sheet, {}), **ended.get(sheet, {})} for sheet in {**changes, **ended}}


def _is_replaced(path: str, facts: Facts, changes: Facts) -> bool:
    """Whether a value that was known is another now; one that only becomes known says nothing of what was before."""
    sheet, _, name = path.partition(".")
    return name in changes.get(sheet, {}) and name in facts.get(sheet, {})
