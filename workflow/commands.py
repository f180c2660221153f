"""The commands on a case, as pure decisions: each appends its events to a `Work`, or raises and has appended none.

A refusal is a decision too: `Refused` is raised after the `refused` event was appended, and the caller commits both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import NoReturn

from workflow.answers import Case
from workflow.changes import changes_of, with_lapses
from workflow.definition import LetterTo, Move
from workflow.errors import Refused, UsageError
from workflow.events import Event, Kind
from workflow.facts import Facts, Json, Problem, Severity
from workflow.history import merge
from workflow.judgement import Judgement, accepted_by_code, amendment_problems, check_acceptable, closed_words, judge
from workflow.observation import check_sheets
from workflow.schedule import is_on_hold
from workflow.work import Rules, Work, times_told

LONGEST_HOLD = timedelta(days=2 * 366)
AFTER_THE_END = "What becomes of it later is for a note; a new request is a new case."
Given = Mapping[str, Mapping[str, object]]
"""Facts as a caller gives them: sheet → field → value, types not yet checked."""
Parsed = dict[str, dict[str, Json]]
"""Facts whose types were checked."""


def parse_facts(rules: Rules, given: Given) -> Parsed:
    """Check the types of all sheets. Raises UsageError naming the sheet or field."""
    domain = rules.definition.domain
    check_sheets(domain, given)
    return {sheet: domain.parse(sheet, fields) for sheet, fields in given.items()}


def open_case(
    work: Work,
    reference: str,
    facts: Facts,
    external_reference: str | None,
    *,
    letters: bool = True,
    invite: bool = True,
) -> Event:
    """Open a case with these parsed facts; `invite` is off when the same command moves it on at once."""
    domain = work.rules.definition.domain
    if problems := tuple(domain.judge_text("external_reference", external_reference or "")):
        raise Refused("No case was opened: its external reference holds what may not be kept there.", problems)
    sent = work.rules.definition.opening if letters and invite else ()
    body, personal = _split(work, merge({}, facts))
    body["external_reference"] = external_reference
    body |= _told(work, {}, sent, letters=letters)
    event = work.append(Kind.OPENED, body, reference=reference, personal=personal)
    work.write_letters(event, sent, told={})
    return event


def record(
    work: Work, facts: Facts, *, letters: bool = True, amend: bool = True
) -> tuple[Event | None, tuple[str, ...]]:
    """Add or correct facts; the event (None: nothing differed) and the fields that changed.

    Without `amend` a final state keeps also what may still change there: a file is no correction by hand.
    """
    definition, case, seen = work.rules.definition, work.case, work.observation
    changes = changes_of(case.facts, facts)
    changed = tuple(_paths(changes))
    if not (changed or seen):
        return None, ()
    _refuse_erased(work, "record")
    state = definition.state(case.state)
    open_ones = state.amendable if amend else ()
    if state.final and (closed := sorted(set(changed) - set(open_ones))):
        refuse(work, closed_words(case.reference, state, closed, by_hand=amend), command="record", fields=[*closed])
    if state.final:
        _refuse_unfit_amendment(work, merge(case.facts, changes), changed)
    elif changes:
        changes = with_lapses(definition.lapses, case.facts, facts, changes)
        changed = tuple(_paths(changes))
    sent, told = _notices(work, merge(case.facts, changes), changed) if letters else ((), {})
    body, personal = _split(work, changes)
    body |= _told(work, case.told, sent, letters=letters, values=told)
    event = work.append(Kind.RECORDED, body | seen.body, personal=personal | seen.personal)
    work.write_letters(event, sent, told=case.told)
    return event, changed


def advance(
    work: Work,
    trigger: str | None,
    *,
    facts: Facts,
    accept: Collection[str] = (),
    accept_warnings: bool = False,
    reason: str | None = None,
    letters: bool = True,
) -> tuple[Event, tuple[str, ...], tuple[str, ...]]:
    """Make a move: the event, its letters by name, and the codes accepted with it. Raises Refused with every reason."""
    move = find_move(work, trigger)
    changes = changes_of(work.case.facts, facts)
    if changes:
        changes = with_lapses(work.rules.definition.lapses, work.case.facts, facts, changes)
    merged = merge(work.case.facts, changes) if changes else work.case.facts
    judgement = _judge_with_reason(work, move, merged, changes, reason, accept, accept_warnings)
    if judgement.refuses:
        missing = judgement.missing
        count = len(judgement.blocking) + len(missing)
        said = f"{work.case.reference} cannot {move.trigger} yet: {count} reason{'s' * (count != 1)}."
        said += f" It requires something of: {', '.join(missing)}." if missing else ""
        refuse(work, said, judgement.blocking, trigger=move.trigger, sheets=[*missing] or None)
    told = work.case.told
    sent = tuple(to for to in move.letters if not to.after or times_told(told, to.after)) if letters else ()
    body, personal = _split(work, changes)
    if reason is not None:
        personal["reason"] = reason
    fresh = tuple(problem for problem in judgement.accepted if problem not in judgement.standing)
    if fresh:
        check_acceptable(work.rules.definition, fresh)
        body["accepted"] = accepted_by_code(fresh)
    body |= _told(work, told, sent, letters=letters)
    event = work.append(Kind.MOVED, body, trigger=move.trigger, target=move.target, personal=personal)
    work.write_letters(event, sent, told=told, reason=reason, accepted=judgement.accepted)
    return event, tuple(str(to.letter) for to in sent), tuple(dict.fromkeys(p.code for p in fresh))


def find_move(work: Work, trigger: str | None) -> Move:
    """The move a trigger makes from where the case is (None: the forward one). Raises Refused."""
    definition, case = work.rules.definition, work.case
    forward = definition.forward_from(case.state)
    wanted = trigger if trigger is not None else forward.trigger if forward else None
    move = work.rules.table.find(case.state, wanted) if wanted else None
    if move is None:
        possible = ", ".join(move.trigger for move in definition.moves_from(case.state))
        if possible:
            refusal = f": '{wanted}' is not possible" if wanted else ""
            message = f"{case.reference} is {case.state}{refusal}; from there: {possible}."
        else:
            tail = f", so '{wanted}' is not possible." if wanted else "."
            message = f"{case.reference} is {case.state}, which is final: nothing moves it on{tail} {AFTER_THE_END}"
        refuse(work, message, trigger=wanted, command=None if wanted else "advance")
    return move


def note(work: Work, text: str) -> Event:
    """Add a note to the history; the text is a personal value."""
    _refuse_erased(work, "note")
    _refuse_text(work, "text", text, "note")
    return work.append(Kind.NOTED, {}, personal={"text": text})


def check_hold(until: date, today: date) -> None:
    """Raises UsageError: the day a hold ends is not after today, or too far ahead."""
    if until > today + LONGEST_HOLD:
        raise UsageError(f"--until {until} is more than two years ahead; take an earlier day and look again then.")
    if until <= today:
        raise UsageError(f"--until {until} is not after today ({today}): a hold ends on a later day.")


def hold(work: Work, until: date, reason: str) -> Case:
    """Stop the clock until 00:00 Amsterdam of a later day; the case as it is then."""
    if work.rules.definition.state(work.case.state).final:
        refuse(work, f"{work.case.reference} is {work.case.state}: there is no clock to stop.", command="hold")
    if not (reason or "").strip():
        problem = work.rules.definition.domain.reason_missing("hold")
        refuse(work, f"{work.case.reference} was not put on hold: a reason is missing.", (problem,), command="hold")
    _refuse_text(work, "reason", reason, "hold")
    work.append(Kind.HELD, {"until": until.isoformat()}, personal={"reason": reason})
    return work.case


def resume(work: Work) -> Case:
    """End a hold before its day; the case as it is then."""
    if not is_on_hold(work.case, work.now):
        refuse(work, f"{work.case.reference} is not on hold.", command="resume")
    work.append(Kind.RESUMED, {})
    return work.case


def refuse(
    work: Work, message: str, problems: tuple[Problem, ...] = (), *, trigger: str | None = None, **said: Json
) -> NoReturn:
    """Append the `refused` event (codes and fields, no values; and what else is `said`) and raise Refused."""
    body: dict[str, Json] = {"problems": [{"code": problem.code, "field": problem.field} for problem in problems]}
    body |= {name: value for name, value in said.items() if value is not None}
    work.append(Kind.REFUSED, body, trigger=trigger)
    raise Refused(message, problems, work.case.reference, ended=bool(work.case.ended_at and not work.case.erased))


def _paths(facts: Facts) -> list[str]:
    return [f"{sheet}.{name}" for sheet, fields in facts.items() for name in fields]


def _split(work: Work, changes: Facts) -> tuple[dict[str, Json], dict[str, Json]]:
    """The part of the facts that the event may say, and the personal part it only commits to."""
    is_personal = work.rules.definition.domain.is_personal
    plain: dict[str, Json] = {}
    personal: dict[str, Json] = {}
    for sheet, fields in changes.items():
        said: dict[str, Json] = {}
        for name, value in fields.items():
            path = f"{sheet}.{name}"
            if is_personal(path, value):
                personal[path] = value
            else:
                said[name] = value
        if said:
            plain[sheet] = said
    return ({"facts": plain} if plain else {}), personal


def _told(
    work: Work,
    before: Mapping[str, Json],
    sent: tuple[LetterTo, ...],
    *,
    letters: bool,
    values: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """What the event says of its letters: their names, how often each went out, and what a notice told."""
    if not letters:
        return {"letters": [], "no_letters": True}
    names: list[Json] = [str(to.letter) for to in sent]
    told: dict[str, Json] = {}
    for to in sent:
        if to.letter in work.rules.definition.remembered:
            told[str(to.letter)] = {"count": times_told(before, to.letter) + 1, "value": (values or {}).get(to.letter)}
    return {"letters": names, "told": told} if told else {"letters": names}


def _notices(work: Work, facts: Facts, changed: tuple[str, ...]) -> tuple[tuple[LetterTo, ...], dict[str, Json]]:
    """The letters that recording these fields sends, and what each of them tells."""
    sent: list[LetterTo] = []
    told: dict[str, Json] = {}
    for notice in work.rules.definition.notices:
        if notice.field not in changed or work.case.state not in notice.states or notice.letters[0].letter in told:
            continue
        value = notice.tell(facts)
        last = work.case.told.get(notice.letters[0].letter)
        told_before = last.get("value") if isinstance(last, dict) else None
        if value and (value != told_before or _nothing_amiss(notice.tell(work.case.facts))):
            sent += notice.letters
            told |= {to.letter: value for to in notice.letters}
    return tuple(sent), told


def _nothing_amiss(value: Json) -> bool:
    """Whether a notice looked and found nothing to tell; what it told of earlier was over then."""
    return value is not None and not value


def _judge_with_reason(
    work: Work,
    move: Move,
    facts: Facts,
    changes: Facts,
    reason: str | None,
    accept: Collection[str],
    accept_warnings: bool,
) -> Judgement:
    domain, case = work.rules.definition.domain, work.case
    touched = set(_paths(changes)) if case.accepted else set()
    standing = {code: about for code, about in case.accepted.items() if touched.isdisjoint(about)}
    found = judge(
        move,
        facts,
        work.context,
        standing=standing,
        accept=accept,
        accept_all=accept_warnings,
        examination=work.examination,
    )
    text: list[Problem] = []
    if move.needs_reason and not (reason or "").strip():
        text.append(domain.reason_missing(move.trigger))
    elif reason is not None:
        text += domain.judge_text("reason", reason)
    if not text:
        return found
    return found._replace(problems=(*text, *found.problems), blocking=(*text, *found.blocking))


def _refuse_unfit_amendment(work: Work, facts: Facts, changed: Collection[str]) -> None:
    """What changes in a final state must be right by the rules of the moves, but for warnings."""
    found = amendment_problems(work.rules.definition, facts, work.context, changed)
    errors = tuple(problem for problem in found if problem.severity == Severity.ERROR)
    if errors:
        refuse(work, f"{work.case.reference} was not changed.", errors, command="record")


def _refuse_erased(work: Work, command: str) -> None:
    if work.case.erased:
        refuse(work, f"{work.case.reference} was erased: nothing can be kept in it any more.", command=command)


def _refuse_text(work: Work, field: str, text: str, command: str) -> None:
    if problems := tuple(work.rules.definition.domain.judge_text(field, text)):
        refuse(work, f"The {field} was not kept.", problems, command=command)
