"""Steps of a history: as JSON for programs, and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.output import clip, line_width, local, marks, moment, plain, wrapped
from scripts.values import value_lines
from workflow.answers import Returned, Step
from workflow.events import Event, Kind
from workflow.facts import Json

SENT_BACK = "sent back, and waits for a correction"
"""What the state of a case means that a person sent back: all that the state says may be there."""
_MOST_CHANGES = 6
_ABOUT_A_LETTER = (Kind.LETTER_SENT, Kind.LETTER_FAILED, Kind.LETTER_UNKNOWN)
_CLIMBED = (Kind.REMINDED, Kind.ESCALATED)
_INDENT = " " * 5


def step_document(step: Step) -> dict[str, object]:
    """One step as `history` and `replay` answer it; `body` is what else the event says: no personal value is in it."""
    event = step.event
    return {
        "seq": event.seq,
        "at": moment(event.at),
        "actor": event.origin.actor,
        "os_user": event.origin.os_user,
        "via": event.origin.via,
        "kind": str(event.kind),
        "trigger": event.trigger,
        "from": event.source,
        "to": event.target,
        "hash": event.hash,
        "prev_hash": event.previous,
        "codes": _codes(event),
        "letters": _names(event, "letters"),
        "accepted": accepted_codes(event),
        "changes": {path: {"from": before, "to": after} for path, (before, after) in step.changes.items()},
        "text": step.text,
        "hold_ended": step.hold_ended.isoformat() if step.hold_ended else None,
        "body": {name: value for name, value in event.body.items() if name != "facts"},  # `changes` tells those, masked
        "rules": rules_document(event),
        **({"observation": event.body["observation"]} if "observation" in event.body else {}),
    }


def rules_document(event: Event) -> dict[str, str]:
    """By which rules an event was judged, as every answer names them."""
    name, version, _ = event.definition
    return {"name": name, "version": version}


def returned_document(returned: Returned | None) -> dict[str, object] | None:
    """How a case was sent back, as `show` and `why` answer it."""
    if returned is None:
        return None
    return {"at": moment(returned.at), "trigger": returned.trigger, "reason": returned.reason}


def returned_lines(returned: Returned | None) -> Iterator[str]:
    """That a case was sent back, and why: no rule sees it."""
    if returned is not None:
        said = f"{local(returned.at)[:10]} ({returned.trigger})"
        why = f": {returned.reason}" if returned.reason else ""
        yield wrapped(said + why, " " * 9, first="Returned ")


def headline(event: Event) -> str:
    """What happened, when and by whom, on one line."""
    signs = marks()
    if event.kind is Kind.MOVED:
        what = f"{event.trigger}: {event.source} {signs.arrow} {event.target}"
    elif event.kind is Kind.REFUSED:
        what = f"refused: {event.trigger or event.body.get('command') or ''}, in {event.target}"
    elif event.kind is Kind.OPENED:
        what = f"opened: {event.target}"
    elif event.kind is Kind.HELD:
        what = f"held until {event.body.get('until')}"
    elif event.kind in _ABOUT_A_LETTER:
        what = f"{_became_of(event)}: {event.body.get('letter')} to {event.body.get('role')}"
    elif event.kind in _CLIMBED:
        what = f"{event.kind}: {event.body.get('rung')} of {event.target}"
    elif event.kind is Kind.REVEALED:
        what = f"revealed: personal values in an export, cases: {event.body.get('cases')}"
    else:
        what = str(event.kind).replace("_", " ")
    via = "" if event.origin.via == "cli" else f" ({event.origin.via})"
    return plain(f"{event.seq:>3}  {local(event.at)}  {event.origin.actor}{via}  {what}")


def _became_of(event: Event) -> str:
    """What became of a letter; a person's decision is no outcome of sending it."""
    phase = str(event.body.get("phase"))
    return f"letter {phase}" if _is_decided(event) else str(event.kind).replace("_", " ")


def _is_decided(event: Event) -> bool:
    return str(event.body.get("phase")).startswith("resolved")


def step_lines(step: Step, *, full: bool) -> Iterator[str]:
    """What happened, uncut, for who or what it was about stands last; and its details."""
    yield wrapped(headline(step.event), _INDENT + "  ", first="")
    yield from _detail_lines(step, full=full)


def _detail_lines(step: Step, *, full: bool) -> Iterator[str]:
    """Its text, its codes and letters, and what it changed; `full` leaves nothing out."""
    event, signs = step.event, marks()
    if step.text:
        yield wrapped(f'"{step.text}"', _INDENT)
    if step.hold_ended:
        yield wrapped(f"ended the hold until {step.hold_ended}", _INDENT)
    if said := _how(event):
        yield wrapped(said, _INDENT + "  ", first=_INDENT)
    listed = {
        "because of": _codes(event),
        "accepted": accepted_codes(event),
        **_observed(event),
        "letters": _names(event, "letters"),
    }
    for said, names in listed.items():
        if names:
            yield wrapped(f"{said}: {', '.join(names)}", _INDENT + "  ", first=_INDENT)
    first = {path: after for path, (before, after) in step.changes.items() if before is None}
    if len(first) > _MOST_CHANGES and not full:
        sheets = [path.partition(".")[0] for path in first]
        counted = ", ".join(f"{sheet} ({sheets.count(sheet)})" for sheet in dict.fromkeys(sheets))
        yield wrapped(f"first values: {counted}; --full shows them", _INDENT + "  ", first=_INDENT)
    for path, (before, after) in step.changes.items():
        if before is None and len(first) > _MOST_CHANGES and not full:
            continue
        was = "" if before is None else f"{_word(before)} {signs.arrow} "
        said = f"{path}: {was}{_word(after)}"
        most = len(said) * 2 if full else 3 * (line_width() - len(_INDENT))
        yield wrapped(clip(said, most), _INDENT + "  ", first=_INDENT)
    if full:
        yield clip(f"{_INDENT}rules {plain(' '.join(event.definition[:2]))}", line_width())
        yield clip(f"{_INDENT}hash {event.hash}", line_width())


def _how(event: Event) -> str:
    """How far a letter came that was not sent, or why a command was refused that no rule was asked about."""
    body = event.body
    if event.kind in (Kind.LETTER_FAILED, Kind.LETTER_UNKNOWN) and not _is_decided(event):
        return f"phase {body.get('phase')}" + (f", code {body['code']}" if body.get("code") else "")
    if event.kind is not Kind.REFUSED or _codes(event):
        return ""
    if fields := _names(event, "fields"):
        return f"about: {', '.join(fields)}"
    return "no such move from there" if event.trigger or body.get("command") == "advance" else ""


def _observed(event: Event) -> dict[str, list[str]]:
    """What was read elsewhere, by how each check ended, and what was found to be right no more."""
    said = event.body.get("observation")
    checks, drift = (said.get("checks"), said.get("drift")) if isinstance(said, dict) else (None, None)
    results = checks if isinstance(checks, dict) else {}
    ended = {f"checked, {end}": [name for name in results if results[name] == end] for end in ("fail", "pass")}
    return {**ended, "no longer right": [str(code) for code in drift] if isinstance(drift, list) else []}


def _codes(event: Event) -> list[str]:
    return _listed(event.body.get("problems"))


def accepted_codes(event: Event) -> list[str]:
    """The codes that an event says were accepted."""
    return _listed(event.body.get("accepted"))


def _listed(value: Json) -> list[str]:
    items = value if isinstance(value, list) else []
    return [str(item["code"]) for item in items if isinstance(item, dict) and "code" in item]


def _names(event: Event, field: str) -> list[str]:
    value = event.body.get(field)
    return [str(name) for name in value] if isinstance(value, list) else []


def _word(value: Json) -> str:
    return ", ".join(value_lines(value))
