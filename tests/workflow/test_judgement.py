"""What validators said is asked for once, and never told of other facts, another day, other cases or another move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from workflow.calendar import WorkingDays
from workflow.definition import Move
from workflow.facts import Context, Facts, Other, Problem, Severity
from workflow.judgement import Examination, Judgement, judge


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


def test_a_sheet_that_a_move_requires_is_missing_unless_a_problem_that_refuses_tells_of_it() -> None:
    context = Context(date(2026, 4, 22), WorkingDays(), ())
    error = Problem("A", Severity.ERROR, "form.name", "asr")
    warning = Problem("B", Severity.WARNING, "policy.number", "asr")
    move = Move("go", ("a",), "b", (lambda facts, context: (error, warning),), requires=("form", "policy", "user"))
    facts: Facts = {"user": {"name": "x"}, "policy": {}}

    as_it_is = judge(move, facts, context)
    accepted = judge(move, facts, context, accept=("B",))
    standing = judge(move, facts, context, standing={"B": ("policy.number", "policy.date")})
    elsewhere = judge(move, facts, context, standing={"B": ("policy.date",)})

    both = (error, warning)
    assert as_it_is == Judgement(both, both, (), (), ())
    assert accepted == Judgement(both, (error,), (warning,), (), ("policy",))
    assert standing == Judgement(both, (error,), (warning,), (warning,), ("policy",))
    assert elsewhere == as_it_is
