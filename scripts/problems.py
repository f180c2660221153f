"""Says what is wrong, as JSON for programs and grouped by who must act for people, and which letters were written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import click

from scripts.output import fitted, marks, wrapped
from scripts.wiring import Session
from workflow.definition import Definition
from workflow.facts import Problem, Severity

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def problem_document(problem: Problem, definition: Definition, language: str) -> dict[str, str]:
    """One problem as every `--json` answer holds it."""
    return {
        "code": problem.code,
        "severity": str(problem.severity),
        "field": problem.field,
        "holder": problem.holder,
        "message": definition.domain.phrase(problem, language),
    }


def problem_documents(problems: Iterable[Problem], definition: Definition, language: str) -> list[dict[str, str]]:
    """Problems as every `--json` answer holds them."""
    return [problem_document(problem, definition, language) for problem in problems]


def problem_lines(documents: Iterable[Mapping[str, str]], indent: str = "  ") -> list[str]:
    """Lines for people, grouped by who must act, errors first; each problem with what to do about it."""
    ranked = sorted(documents, key=lambda said: (said["holder"], _ORDER.index(Severity(said["severity"]))))
    lines = []
    for holder, group in groupby(ranked, key=lambda said: said["holder"]):
        lines.append(f"{indent}{holder} must act:" if holder else f"{indent}to do:")
        for said in group:
            lines += _lines(said, indent + "  ")
    return lines


def print_letters(letters: Sequence[str]) -> None:
    """Say which letters were written."""
    if letters:
        click.echo(wrapped(f"letters: {', '.join(letters)}", "    ", first="  "))


def print_missing(session: Session, reference: str, state: str, documents: Sequence[Mapping[str, str]]) -> None:
    """Say what the forward move still misses, or that nothing stands in its way; where none is, what is doubtful."""
    forward = session.definition.forward_from(state)
    if forward is None:
        for line in ("Recorded all the same:", *problem_lines(documents)) if documents else ():
            click.echo(line)
        return
    if documents:
        click.echo(f"Before '{forward.trigger}':")
        for line in problem_lines(documents):
            click.echo(line)
    if all(said["severity"] == Severity.INFO for said in documents):
        click.echo(f"Nothing is missing. Next: schakel advance {reference} {forward.trigger}")


def _lines(said: Mapping[str, str], indent: str) -> list[str]:
    signs = marks()
    sign = {Severity.ERROR: signs.no, Severity.WARNING: signs.warning}.get(Severity(said["severity"]), "i")
    where = f"  {said['field']}" if said["field"] else ""
    return [fitted(f"{indent}{sign} {said['code']}{where}", indent + "  "), wrapped(said["message"], indent + "  ")]
