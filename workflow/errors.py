"""The one error tree of Schakel; each leaf carries what a caller needs to answer it.

SchakelError
├── UsageError      what was asked makes no sense: an unknown trigger, sheet, field or code; a wrong type
│   └── NotUsable     (loket) what was given to ask the payroll package's API with cannot be used
├── NoSuchCase      no case answers to this reference
│   └── NoSuchLetter  no letter has this number
├── Refused         the table, the validators or a rule for text say no; carries every problem
├── Conflict        somebody else was first: a stale version, a key or an external reference in use
│   ├── Overtaken   the database itself refused the write, because of another that came just before it
│   └── StillAtWork a worker runs that must be stopped first
├── StoreError      the database cannot be used: too new, read-only, full
│   ├── NotAllowed  the role that connects to it may not do that
│   └── NeedsInit   `schakel init` makes it as this program needs it
│       ├── NotThere   there is no database, or it has no tables
│       └── TooOld     its tables are those of an older program
├── HistoryBroken   what stands where a history should be cannot be read as one
│   └── RowBroken     a row holds what nobody writes there; a ValueError too, as what reading forged rows raises
├── CannotFire      what is due for some cases cannot be fired; it was for all others
├── LoketError      (loket) the payroll package's API could not be asked
├── CannotRender    (notifications) a letter's template fails on what it is given
├── CannotBuild     (notifications) a letter cannot be made into a message
└── PartsFailed     (scripts) some parts of a pass failed; the others were done
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from workflow.facts import Problem


class SchakelError(Exception):
    """Any error a caller of Schakel can answer; `str(error)` says what happened and what to do next."""


class UsageError(SchakelError):
    """What was asked makes no sense; nothing was read or written."""


class NoSuchCase(SchakelError):
    """No case answers to this reference; `meant`: the external reference of one that is written like it."""

    def __init__(self, message: str, meant: str | None = None) -> None:
        super().__init__(message)
        self.meant = meant


class NoSuchLetter(NoSuchCase):
    """No letter has this number."""


class Refused(SchakelError):
    """The case stayed as it was; `problems` lists every reason, `case` is its reference (None: not opened).

    `ended`: it is in a final state, and can still be noted in.
    """

    def __init__(
        self, message: str, problems: Iterable[Problem] = (), case: str | None = None, *, ended: bool = False
    ) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.case = case
        self.ended = ended


class Conflict(SchakelError):
    """Somebody else was first; read `case` again, which is at `version` now (None: not looked up)."""

    def __init__(self, message: str, case: str | None = None, version: int | None = None) -> None:
        super().__init__(message)
        self.case = case
        self.version = version


class Overtaken(Conflict):
    """The database refused the write because of another that came just before it; nothing was written."""


class StillAtWork(Conflict):
    """A worker runs that must be stopped first; nothing was written."""


class StoreError(SchakelError):
    """The database cannot be used as it is."""


class NotAllowed(StoreError):
    """The role that connects to the database may not do this; `what` says so, without what to do about it."""

    def __init__(self, what: str, todo: str = "are the grants of docs/security.md in place?") -> None:
        super().__init__(f"{what}: {todo}")
        self.what = what


class NeedsInit(StoreError):
    """The database is not as this program needs it; the message says what to do before, and to run `schakel init`."""


class NotThere(NeedsInit):
    """There is no database, or it has no tables yet."""


class TooOld(NeedsInit):
    """The tables are those of an older program."""


class HistoryBroken(SchakelError):
    """What stands where a case's history should be cannot be read as one."""


class RowBroken(HistoryBroken, ValueError):
    """A row of a table holds what nobody writes there."""


class CannotFire(SchakelError):
    """What is due for `cases` (references) cannot be fired; everything else was. Its cause is what the first raised."""

    def __init__(self, message: str, cases: Iterable[str]) -> None:
        super().__init__(message)
        self.cases = tuple(cases)


def sentence(text: str) -> str:
    """The text as a sentence: with a full stop, unless it ends as one already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def check_known(what: str, word: str, known: Collection[str]) -> None:
    """Raises UsageError: there is no such trigger, sheet, …; it says which was probably meant."""
    if word not in known:
        raise UsageError(f"There is no {what} '{word}'.{nearest(str(word), known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which of `known` was probably meant: ' Did you mean …?', or which there are."""
    options = sorted(known)
    # of a short word too much is alike by chance: 'week' and '4weken'
    close = get_close_matches(word, options, n=1, cutoff=0.6 if len(word) > 4 else 0.65)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" There are: {', '.join(options)}." if options else ""
