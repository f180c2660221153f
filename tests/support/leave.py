"""A workflow of another team: requests for leave, small, with a branch that needs a reason and yet leads on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from workflow import UsageError
from workflow.definition import Definition, LetterTo, Move, Rung, State
from workflow.domain import Key, Occasion
from workflow.facts import Context, Facts, Json, Problem, Severity

WARNING, ERROR = Severity.WARNING, Severity.ERROR
PERSONAL = ("employee.name", "employee.email", "reason", "text")


class Leave:
    """What the engine asks about leave, in ordinary dicts as anybody would write them; mypy reads it too."""

    sheets = {  # noqa: RUF012  (it is how people write it)
        "employee": ("name", "email", "number"),
        "request": ("first_day", "kind"),
        "review": ("budget", "level"),
    }
    codes = {"NAME": ERROR, "LARGE": WARNING, "REASON": ERROR}  # noqa: RUF012
    messages = {"en": {code: f"{code} {{field}}" for code in ("NAME", "LARGE", "REASON")}}  # noqa: RUF012
    languages = {"employee": ("en",), "manager": ("en",)}  # noqa: RUF012
    in_facts = ("employee",)
    observed: Mapping[str, str] = {}
    drift_field = ""

    def parse(self, sheet: str, given: Mapping[str, object]) -> dict[str, Json]:
        """Text and whole numbers."""
        parsed: dict[str, Json] = {}
        for name, value in given.items():
            if name not in self.sheets[sheet] or not (value is None or isinstance(value, str | int)):
                raise UsageError(f"{sheet}.{name} is unknown, or of a wrong type.")
            parsed[name] = value.strip() if isinstance(value, str) else value
        return parsed

    def is_personal(self, path: str, value: Json = None) -> bool:
        """Names, addresses and free text."""
        return path in PERSONAL

    def mask(self, facts: Facts, known: Facts | None = None, *, outside: bool = False) -> dict[str, dict[str, Json]]:
        """Three dots for what is personal."""
        return {
            sheet: {name: "..." if f"{sheet}.{name}" in PERSONAL else value for name, value in fields.items()}
            for sheet, fields in facts.items()
        }

    def title(self, facts: Facts) -> str:
        """The employee's number."""
        return str(facts.get("employee", {}).get("number", ""))

    def drift(self, facts: Facts) -> str:
        """Nothing is looked at elsewhere."""
        return ""

    def keys(self, facts: Facts) -> tuple[Key, ...]:
        """The employee's number."""
        number = facts.get("employee", {}).get("number")
        return (Key("number", str(number)),) if number else ()

    def recipient(self, role: str, facts: Facts) -> str | None:
        """The employee's address."""
        address = facts.get("employee", {}).get("email") if role == "employee" else None
        return str(address) if address else None

    def language(self, role: str, facts: Facts) -> str:
        """English for all."""
        return "en"

    def phrase(self, problem: Problem, language: str) -> str:
        """The code and the field."""
        return self.messages[language][problem.code].format(field=problem.field)

    def label(self, word: str, language: str) -> str:
        """The word itself."""
        return word

    def judge_text(self, field: str, text: str) -> Iterable[Problem]:
        """Anything may be said."""
        return ()

    def telling(self, path: str, value: Json, known: Facts) -> Iterable[str]:
        """The value itself."""
        return (value,) if isinstance(value, str) else ()

    def reason_missing(self, trigger: str) -> Problem:
        """Of any move."""
        return Problem("REASON", ERROR, "reason", "manager")

    def letter_context(self, occasion: Occasion) -> dict[str, Json]:
        """Whether the case was sent back."""
        return {"returned_on": occasion.returned_on.isoformat() if occasion.returned_on else None}


def named(facts: Facts, context: Context) -> Iterator[Problem]:
    """Somebody asks for it."""
    if not facts.get("employee", {}).get("name"):
        yield Problem("NAME", ERROR, "employee.name", "employee")


def sized(facts: Facts, context: Context) -> Iterator[Problem]:
    """Of what is large both fields are told under one code."""
    for name in ("budget", "level"):
        value = facts.get("review", {}).get(name)
        if isinstance(value, int) and value > 10:
            yield Problem("LARGE", WARNING, f"review.{name}", "manager")


WELCOME, NUDGE, BACK = LetterTo("welcome", "employee"), LetterTo("nudge", "manager"), LetterTo("back", "employee")
STATES = (
    State("draft", "employee", "being filled in", (Rung("r1", 2, "nudge", "manager"),)),
    State("submitted", "manager", "waits for the manager", (Rung("r1", 2, "nudge", "manager"),)),
    State("second_opinion", "manager", "another looks", (Rung("r1", 2, "nudge", "manager"),)),
    State("granted", None, "granted", final=True, amendable=("request.first_day",)),
    State("refused", None, "refused", final=True),
)
MOVES = (
    Move("submit", ("draft",), "submitted", (named,), forward=True, requires=("employee",)),
    Move("grant", ("submitted", "second_opinion"), "granted", (named, sized), forward=True, requires=("employee",)),
    Move("escalate", ("submitted",), "second_opinion", (named, sized), needs_reason=True),
    Move("send_back", ("submitted", "second_opinion"), "draft", (), (BACK,), needs_reason=True),
    Move("refuse", ("draft", "submitted", "second_opinion"), "refused", needs_reason=True),
)
LEAVE = Definition("leave", "1", "draft", STATES, MOVES, (WELCOME,), (), Leave())
TEMPLATES = frozenset({("welcome", "en"), ("nudge", "en"), ("back", "en")})
ASKED: dict[str, dict[str, Any]] = {
    "employee": {"name": "Piet Jansen", "email": "piet@example.com", "number": "77"},
    "request": {"first_day": "2026-06-01"},
}


def with_first(**changed: Any) -> Definition:
    """The same workflow, whose first move differs in this."""
    return replace(LEAVE, moves=(replace(MOVES[0], **changed), *MOVES[1:]))


def with_ladder(*ladder: Rung) -> Definition:
    """The same workflow, with these reminders in its first state."""
    return replace(LEAVE, states=(replace(STATES[0], ladder=ladder), *STATES[1:]))


def finding(*problems: Problem) -> Callable[[Facts, Context], tuple[Problem, ...]]:
    """A validator that always finds these."""

    def found(facts: Facts, context: Context) -> tuple[Problem, ...]:
        return problems

    return found
