"""Says which command most likely helps after a refusal, so that it can be typed as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote

from scripts.forms import form_of
from scripts.wiring import Session
from workflow.facts import Problem, Severity


def next_command(problems: Iterable[Problem], case: str | None, session: Session, *, ended: bool = False) -> str | None:
    """The command that most likely helps after a refusal; None when nothing can be said."""
    found = tuple(problems)
    if case is None:
        return None
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    if any(problem.code == "BSN_IN_TEXT" for problem in errors):
        return None
    if any(problem.field == "reason" for problem in errors):
        again = _move(session, case, session.given) if session.trigger else session.again
        return f'{again} --reason "…"' if again else _look(session, case)
    path = next((problem.field for problem in errors if "." in problem.field), None)
    if path is not None:
        return _with_fact(session, case, _field(path))
    warnings = [problem.code for problem in found if problem.severity is Severity.WARNING]
    if warnings and not errors:
        return _move(session, case, session.given, warnings)
    return f'schakel note {quote(case)} "…"' if ended and session.moves else _look(session, case)


def _look(session: Session, case: str) -> str:
    """Where to see why not: of a move that is `why`, which knows nothing of a hold or an erasure."""
    return f"schakel {'why' if session.moves else 'show'} {quote(case)}"


def remarks(problems: Iterable[Problem], session: Session) -> str:
    """What else to know before a refused move is tried again, as sentences after its message; '' when nothing."""
    said = " The facts given along were not kept." if session.given else ""
    if session.trigger and any(problem.code == "REASON_MISSING" for problem in problems):
        said += (
            " The letters of this move give the reason word for word, but for BSNs, wage tax numbers and names of DGAs,"
        )
        said += " so write it for who reads them."
    return said


def _with_fact(session: Session, case: str, path: str) -> str:
    """Give a fact: with the move again when facts were given along, for a refused move keeps none of them."""
    if session.given:
        kept = {other: text for other, text in session.given.items() if other != path}
        return _move(session, case, kept, asked=form_of(path, full=True))
    return f"schakel record {quote(case)} {path.partition('.')[0]} {form_of(path, full=False)}"


def _move(session: Session, case: str, given: Mapping[str, str], warnings: Sequence[str] = (), asked: str = "") -> str:
    """The move as it was asked for, with these facts given along, and one to be filled in."""
    trigger = [session.trigger] if session.trigger else []
    accepted = [f"--accept {quote(code)}" for code in dict.fromkeys((*session.accepted, *warnings))]
    parts = ["schakel advance", quote(case), *trigger, *map(quote, given.values()), *filter(None, [asked]), *accepted]
    return " ".join([*parts, "--accept-warnings"] if session.accepts_all else parts)


def _field(path: str) -> str:
    """The field that a problem's path lies in: 'policy.policies' of 'policy.policies[0].start_date'."""
    sheet, _, rest = path.partition(".")
    return f"{sheet}.{rest.split('[')[0].split('.')[0]}"
