"""What the engine asks of the subject it runs, as a protocol: `states.domain` answers it for the employer coupling."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from workflow.definition import Facts, Json, Key, Occasion, Problem, Severity


class Domain(Protocol):
    """What the engine asks of the subject it runs: types, keys, words. All pure."""

    sheets: Mapping[str, tuple[str, ...]]
    """The sheets and the fields of each, in the order people expect."""
    codes: Mapping[str, Severity]
    """Every problem code there is."""
    messages: Mapping[str, Mapping[str, str]]
    """Language → code → text with {placeholders}."""
    languages: Mapping[str, tuple[str, ...]]
    """Role → the languages its letters can be in."""
    in_facts: Collection[str]
    """The roles whose address the facts hold; settings know the others'."""
    observed: Mapping[str, str]
    """The sheets that hold what was read elsewhere → the command that fills them; nobody gives those by hand."""
    drift_field: str
    """Path of the field that is there only when something that was right before no longer is."""

    def parse(self, sheet: str, given: Mapping[str, object]) -> dict[str, Json]:
        """Check types and trim; keep wrong values. Raises UsageError naming the field."""

    def is_personal(self, path: str, value: Json = None) -> bool:
        """Whether 'sheet.field', or this value of it, must be kept out of the history (only committed to)."""

    def mask(self, facts: Facts, known: Facts | None = None, *, outside: bool = False) -> dict[str, dict[str, Json]]:
        """The facts with personal values masked, for people; `known` is what is known of the case since.

        `outside`: for what leaves the house, so that more is hidden than people here may see.
        """

    def title(self, facts: Facts) -> str:
        """What people call this case (the company's name), masked where that is personal."""

    def drift(self, facts: Facts) -> str:
        """What was seen to be right no more, for the overview of operations and in its language; '' when nothing."""

    def keys(self, facts: Facts) -> tuple[Key, ...]:
        """The values by which other cases find this one."""

    def recipient(self, role: str, facts: Facts) -> str | None:
        """The address a role's letters go to according to the facts; None: unknown, or not theirs to know."""

    def language(self, role: str, facts: Facts) -> str:
        """The language a role reads."""

    def phrase(self, problem: Problem, language: str) -> str:
        """What is wrong, what is right, where to find it; complete sentences."""

    def label(self, word: str, language: str) -> str:
        """What people call a state or a role."""

    def judge_text(self, field: str, text: str) -> Iterable[Problem]:
        """Problems with free text (a note, a reason, an external reference)."""

    def telling(self, path: str, value: Json) -> Iterable[str]:
        """The words of a personal value that name somebody by themselves; `path` is that of a field or of a text."""

    def reason_missing(self, trigger: str) -> Problem:
        """The problem of a move that needs a reason and got none."""

    def letter_context(self, occasion: Occasion) -> dict[str, Json]:
        """The frozen context a letter's template is rendered from."""
