"""Turns whatever ended a command into its exit code, and into one message (or one JSON document) that says what to do.

0 done · 1 failed · 2 usage · 3 no such case · 5 refused · 6 rows failed · 7 conflict · 8 verification failed
130 Ctrl-C · 141 the reader of its output left · 143 SIGTERM
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from shlex import quote

import click

from scripts.output import counted, plain, print_json, wrapped
from scripts.parameters import Words
from scripts.stream import OutputLost, to_nowhere
from scripts.wiring import Session
from workflow.errors import (
    CannotFire,
    Conflict,
    HistoryBroken,
    NeedsInit,
    NoSuchCase,
    NoSuchLetter,
    Refused,
    SchakelError,
    StillAtWork,
    StoreError,
    UsageError,
    sentence,
)

DONE, FAILED, USAGE, NO_SUCH_CASE, REFUSED, ROWS_FAILED, CONFLICT, UNVERIFIED = 0, 1, 2, 3, 5, 6, 7, 8
INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143
_SEND = "the same with SCHAKEL_TRACEBACK=1, and send what it prints"

_KINDS: tuple[tuple[type[SchakelError], int, str], ...] = (
    # error          exit          kind
    (UsageError,      USAGE,        "usage"),
    (NoSuchCase,      NO_SUCH_CASE, "no_such_case"),
    (Refused,         REFUSED,      "refused"),
    (Conflict,        CONFLICT,     "conflict"),
    (StoreError,      FAILED,       "store"),
    (HistoryBroken,   UNVERIFIED,   "history"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """How a command ended, in words."""

    code: int
    kind: str
    message: str
    problems: tuple[dict[str, str], ...] = ()
    hint: str | None = None
    case: str | None = None
    version: int | None = None
    """The one that a case has that was expected at another."""


class PartsFailed(SchakelError):
    """Parts of a pass failed, each named with what it raised; the others were done."""

    def __init__(self, faults: Mapping[str, Exception]) -> None:
        said: dict[str, list[str]] = {}
        for part, error in faults.items():
            said.setdefault(words_of(error), []).append(part)
        told = " ".join(f"{' and '.join(parts)}: {words}" for words, parts in said.items())
        super().__init__(f"Not all of this pass could be done; the rest was. {told}")
        foreseen = all(isinstance(error, SchakelError | OSError) for error in faults.values())
        self.hint = "schakel doctor" if foreseen else _SEND


def run(command: Callable[[], object], session: Session) -> int:
    """Run a command to its exit code; whatever goes wrong is said once, without a traceback."""
    try:
        code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except (click.Abort, KeyboardInterrupt):
        _tell_stopped(session)
        return INTERRUPTED
    except SystemExit:
        _tell_stopped(session)
        raise
    except BrokenPipeError:
        return leave_pipe()
    except OutputLost as error:
        return _leave_unprinted(error, session)
    except Exception as error:  # noqa: BLE001 - the one place where anything at all becomes an exit code
        if session.environ.get("SCHAKEL_TRACEBACK"):
            traceback.print_exception(error)
        failure = explain(error, session)
        _tell(failure, session)
        return failure.code
    finally:
        session.close()


def explain(error: Exception, session: Session) -> Failure:
    """What an exception means to the one who gave the command."""
    if isinstance(error, click.UsageError):
        return _explain_usage(error, error.ctx.command_path if error.ctx else session.command)
    if isinstance(error, click.ClickException):
        return Failure(USAGE, "usage", sentence(error.format_message()))
    if isinstance(error, Refused):
        return _explain_refusal(error, session)
    if isinstance(error, SchakelError):
        code, kind = next(((code, kind) for tree, code, kind in _KINDS if isinstance(error, tree)), (FAILED, "failed"))
        case, version = (error.case or session.case, error.version) if isinstance(error, Conflict) else (None, None)
        return Failure(code, kind, str(error), hint=_hint(error, session), case=case, version=version)
    if isinstance(error, OSError):
        return Failure(FAILED, "system", words_of(error), hint="schakel doctor")
    return Failure(FAILED, "unexpected", words_of(error), hint=_SEND)


def words_of(error: Exception) -> str:
    """What happened, in a sentence. Of what nobody foresaw only the type: its text may hold a value of a person."""
    if isinstance(error, SchakelError):
        return sentence(str(error))
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or type(error).__name__
        return f"The system refused: {what}."
    return f"An unexpected {type(error).__name__}: this is a fault in Schakel; nothing is half-written."


def _explain_usage(error: click.UsageError, path: str) -> Failure:
    """What is wrong with the words of a command; of an unknown option perhaps that it is a text."""
    if not isinstance(error, click.NoSuchOption):
        return Failure(USAGE, "usage", sentence(error.format_message()), hint=f"{path} --help")
    # what is like it by its dashes only was not meant
    bare = error.option_name.lstrip("-")
    alike = [option for option in error.possibilities or () if get_close_matches(bare, [option.lstrip("-")])]
    said = click.NoSuchOption(error.option_name, error.message, alike).format_message()
    arguments = [param for param in error.cmd.params if isinstance(param, click.Argument)] if error.cmd else []
    if not alike and any(isinstance(argument.type, Words) for argument in arguments):
        told = f"{said} A text that begins with a dash comes after '--'."
        return Failure(USAGE, "usage", told, hint=f'{path} CASE -- "- …"')
    return Failure(USAGE, "usage", said, hint=f"{path} --help")


def _explain_refusal(error: Refused, session: Session) -> Failure:
    from scripts.advice import next_command, remarks
    from scripts.problems import problem_documents

    problems = problem_documents(error.problems, session.definition, session.language)
    case = error.case or session.case
    hint = next_command(error.problems, case, session, ended=error.ended)
    message = str(error) + remarks(error.problems, session)
    return Failure(REFUSED, "refused", message, tuple(problems), hint, case)


def _hint(error: SchakelError, session: Session) -> str | None:
    if isinstance(error, NoSuchCase):
        look_up = "mail list" if isinstance(error, NoSuchLetter) else "list --search PART-OF-THE-NAME"
        return f"schakel show {quote(error.meant)}" if error.meant else f"schakel {look_up}"
    if isinstance(error, Conflict):
        return _hint_of_conflict(error, session)
    if isinstance(error, PartsFailed):
        return error.hint
    if isinstance(error, CannotFire):
        return f"schakel replay {quote(error.cases[0])}"
    if isinstance(error, StoreError) and not isinstance(error, NeedsInit):
        return "schakel doctor"
    return None


def _hint_of_conflict(error: Conflict, session: Session) -> str:
    if isinstance(error, StillAtWork):
        return "stop it, then the same again"
    case = session.case or error.case  # as it was typed
    return f"schakel show {quote(case)}" if case else "schakel list"


def _tell(failure: Failure, session: Session) -> None:
    document: dict[str, object] = {
        "error": failure.kind,
        "message": failure.message,
        "problems": list(failure.problems),
    }
    if failure.case:
        document["case"] = failure.case
    if failure.version is not None:
        document["version"] = failure.version
    if session.json and not session.answered:
        try:
            print_json(document)
        except BrokenPipeError:
            leave_pipe()
        except OutputLost:
            to_nowhere()
        else:
            return
    elif session.json:
        click.echo(json.dumps(document), err=True)
        return
    if session.logs:
        from scripts.worker import logger

        todo = {"next": failure.hint} if failure.hint else {}
        logger().error("ended", error=failure.kind, message=failure.message, **todo)
        return
    _tell_people(failure)


def _tell_people(failure: Failure) -> None:
    from scripts.problems import problem_lines

    click.echo(wrapped(failure.message, "  ", first=""), err=True)
    for line in problem_lines(failure.problems):
        click.echo(line, err=True)
    if failure.hint:
        click.echo(f"Next: {plain(failure.hint)}", err=True)


def leave_pipe() -> int:
    """Whoever read our output is gone: say nothing, and let the interpreter's last flush go nowhere."""
    to_nowhere()
    return BROKEN_PIPE


def _tell_stopped(session: Session) -> None:
    """Say of a command in parts what became of it when it was stopped; what else there is was done whole, or not."""
    if session.in_parts and session.has_written:
        was = "was" if session.told == 1 else "were"
        done = f"At least {counted(session.told, session.in_parts)} {was} done. " if session.told else ""
        said = f"{done}What was done is kept; the same command goes on with the rest."  # not all may be told yet
    elif session.in_parts:
        said = "Nothing was written."
    else:
        return
    click.echo(wrapped(f"Stopped. {said}", "  ", first=""), err=True)


def _leave_unprinted(error: OutputLost, session: Session) -> int:
    """The answer went nowhere: say on standard error what became of the command itself."""
    to_nowhere()
    lost = f"could not be printed (standard output: {error.strerror})."
    if not session.has_written:
        said = f"The answer {lost}"
    elif session.in_parts:
        said = f"The answer {lost} What was done until then is kept; the rest was not done."
    else:
        said = f"The command was done, but its answer {lost}"
    click.echo(said, err=True)
    return FAILED
