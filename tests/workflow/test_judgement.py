"""What validators said is asked for once, and never told of other facts, another day, other cases or another move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from workflow.calendar import WorkingDays
from workflow.definition import Move
from workflow.facts import Context, Facts, Other, Problem, Severity
from workflow.judgement import Examination


def test_an_examination_tells_of_what_it_is_asked_about_and_asks_nothing_twice() -> None:
    asked: list[str] = []

    def says(name: str) -> Move:
        def validator(facts: Facts, context: Context) -> Iterator[Problem]:
            asked.append(name)
            yield Problem(name, Severity.ERROR, f"{facts} {context.today} {len(context.others)}", "asr")

        return Move(name, ("a",), "b", (validator,))

    one, other = says("one"), says("other")
    facts: Facts = {"x": {"y": 1}}
    context = Context(date(2026, 4, 22), WorkingDays(), ())
    later = replace(context, today=date(2026, 4, 23))
    beside = replace(later, others=(Other("name", "K-1"),))
    wanted = [(one, facts, context), (one, facts, context), (other, facts, context), (one, facts, context)]
    wanted += [(one, {"x": {"y": 2}}, context), (one, {"x": {"y": 2}}, later), (one, {"x": {"y": 2}}, beside)]

    examination = Examination()
    told = [examination.problems(*each) for each in wanted]

    assert asked == ["one", "other", "one", "one", "one"]
    assert told == [Examination().problems(*each) for each in wanted]
