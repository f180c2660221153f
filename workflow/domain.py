"""What the engine asks of the subject it runs, as a protocol: `states.domain` answers it for the employer coupling."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

from workflow.calendar import WorkingDays
from workflow.facts import Facts, Json, Problem, Severity


@dataclass(frozen=True, slots=True)
class Key:
    """A value by which cases find each other, such as a folded company name.

    With `differing`, only other cases whose `detail` differs from this one's are of interest.
    """

    kind: str
    value: str
    detail: str = ""
    differing: bool = False


class Occasion(NamedTuple):
    """Everything a letter may say, as of the moment its row is written."""

    letter: str
    role: str
    language: str
    earlier: int
    """How often this letter went out for this case before (a calendar file's SEQUENCE)."""
    reference: str
    state: str
    facts: Facts
    today: date
    entered_on: date
    due_on: date | None
    next_due_on: date | None
    """The day the next rung would follow; None when there is none."""
    working_days: int
    """How many working days the ball has lain where it lies."""
    problems: tuple[Problem, ...]
    """What the forward move of `state` still misses, errors and unaccepted warnings."""
    accepted: tuple[Problem, ...]
    """The warnings that were accepted with the move that sends this letter."""
    reason: str | None
    calendar: WorkingDays
    workings: dict[str, Any]
    """Shared by the letters of one event: what the domain worked out for one, it need not work out for the next."""
    returned_on: date | None = None
    """The day the case was sent back to `state`, for the `reason`, in letters that come later; None: it was not."""


class Domain(Protocol):
    """What the engine asks of the subject it runs: types, keys, words. All pure."""

    @property
    def sheets(self) -> Mapping[str, tuple[str, ...]]:
        """The sheets and the fields of each, in the order people expect."""

    @property
    def codes(self) -> Mapping[str, Severity]:
        """Every problem code there is."""

    @property
    def messages(self) -> Mapping[str, Mapping[str, str]]:
        """Language → code → text with {placeholders}."""

    @property
    def languages(self) -> Mapping[str, tuple[str, ...]]:
        """Role → the languages its letters can be in."""

    @property
    def in_facts(self) -> Collection[str]:
        """The roles whose address the facts hold; settings know the others'."""

    @property
    def observed(self) -> Mapping[str, str]:
        """The sheets that hold what was read elsewhere → the command that fills them; nobody gives those by hand."""

    @property
    def drift_field(self) -> str:
        """Path of the field that is there only when something that was right before no longer is."""

    def parse(self, sheet: str, given: Mapping[str, object]) -> dict[str, Json]:
        """Check types and trim; keep wrong values. Raises UsageError naming the field.

        It must refuse what no history or database can hold: floats, integers beyond 2^53, NUL, and half characters
        (lone surrogates); and anything that is not JSON.
        """

    def is_personal(self, path: str, value: Json = None) -> bool:
        """Whether 'sheet.field', or this value of it, must be kept out of the history (only committed to)."""

    def mask(self, facts: Facts, known: Facts | None = None, *, outside: bool = False) -> dict[str, dict[str, Json]]:
        """The facts with personal values masked, for people; `known` is what is known of the case since.

        `outside`: for what leaves the house, an export: no personal value may be read there, also none that people
        here may see.
        """

    def title(self, facts: Facts) -> str:
        """What people call this case (the company's name), masked where that is personal."""

    def drift(self, facts: Facts) -> str:
        """What was seen to be right no more, for the overview of operations and in its language; '' when nothing."""

    def keys(self, facts: Facts) -> tuple[Key, ...]:
        """The values by which other cases find this one; lists are searched in those of kind 'name', folded."""

    def recipient(self, role: str, facts: Facts) -> str | None:
        """The address a role's letters go to according to the facts; None: unknown, or not theirs to know."""

    def language(self, role: str, facts: Facts) -> str:
        """The language a role reads."""

    def phrase(self, problem: Problem, language: str) -> str:
        """What is wrong, what is right, where to find it; complete sentences."""

    def label(self, word: str, language: str) -> str:
        """What people call a state or a role."""

    def judge_text(self, field: str, text: str) -> Iterable[Problem]:
        """Problems with free text: a 'reason', a note's 'text'; or what stays for good in clear, so take more care.

        The latter are an 'external_reference', an 'actor', and a 'ground', as which the reason of an erasure is judged.
        """

    def telling(self, path: str, value: Json, known: Facts) -> Iterable[str]:
        """The words of a personal value that name somebody by themselves; `path` is that of a field or of a text.

        `known` is what is known of the case now.
        """

    def reason_missing(self, trigger: str) -> Problem:
        """The problem of a move that needs a reason and got none."""

    def letter_context(self, occasion: Occasion) -> dict[str, Json]:
        """The frozen context a letter's template is rendered from."""
