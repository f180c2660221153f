"""Builds everything a command needs out of the environment, each part only when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import click

from workflow.clock import Clock, SystemClock
from workflow.errors import UsageError

if TYPE_CHECKING:  # each is heavy, and only some commands need it
    from loket.patience import Manners
    from scripts.settings import Settings
    from workflow.calendar import WorkingDays
    from workflow.definition import Definition
    from workflow.engine import Engine
    from workflow.events import Origin
    from workflow.ledger.signing import Signer
    from workflow.storage.database import Database

MOST_ACTOR = 100


@dataclass
class Session:
    """One run of the program: what was asked of all commands, and the parts that it wires on demand."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = field(default_factory=SystemClock)
    json: bool = False
    actor_given: str | None = None
    command: str = "schakel"
    """What was called, for the hint after an error in its options."""
    case: str | None = None
    """The case the command is about, for the hint after an error."""
    moves: bool = False
    """The command is a move, so `why` can tell of it."""
    trigger: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    """The facts given along with a move, by their paths, as they are to be typed again."""
    accepted: tuple[str, ...] = ()
    """The warnings that were accepted with it."""
    accepts_all: bool = False
    """Whether every warning was."""
    again: str | None = None
    """What to type again up to its reason, where that was wrong."""
    loket_manners: Manners | None = None
    """How Loket.nl is treated, where that is not by the settings: a demo and tests have one in this process."""
    in_parts: str = ""
    """What a part of the command is, 'row' say: it does one after another and tells of each, so it may end half-way."""
    told: int = 0
    """How many parts it told of."""
    logs: bool = False
    """The command logs on standard error, one JSON object a line, and so must say there why it ended."""
    answered: bool = False
    """Part of the JSON answer is out already, so an error may no longer become a document on standard output."""

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises UsageError."""
        from scripts.settings import load

        return load(self.environ)

    @cached_property
    def definition(self) -> Definition:
        """The workflow that this program runs."""
        from states import EMPLOYER_COUPLING

        return EMPLOYER_COUPLING

    @cached_property
    def calendar(self) -> WorkingDays:
        """The working days, by the settings."""
        from workflow.calendar import WorkingDays

        return WorkingDays(self.settings.liberation_day)

    @cached_property
    def database(self) -> Database:
        """The open database. Raises StoreError; UsageError: the setting is no URL of one."""
        from scripts.passwords import database_url
        from workflow.storage import open_database

        return open_database(database_url(self.settings))

    @property
    def has_written(self) -> bool:
        """Whether a transaction that writes was ended well."""
        return "database" in self.__dict__ and self.database.has_written

    @cached_property
    def engine(self) -> Engine:
        """The engine, on the open database."""
        from workflow.engine import Engine

        return Engine(self.database, self.definition, clock=self.clock, calendar=self.calendar, origin=self.origin())

    @cached_property
    def signer(self) -> Signer | None:
        """The key that signs checkpoints; None: there is no such file. Raises UsageError: no key, not readable.

        Who runs for long looks again with `find_signer`, and puts what it finds here.
        """
        return self.find_signer()

    def find_signer(self) -> Signer | None:
        """As `signer`, but looked for anew."""
        from workflow.ledger.signing import read_signer

        path = self.settings.signing_key
        try:
            return read_signer(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"The signing key {path} cannot be read: {error.strerror}.") from None

    @property
    def language(self) -> str:
        """The language of problem messages."""
        return self.settings.language

    @property
    def actor(self) -> str:
        """Who acts: `--actor`, else SCHAKEL_ACTOR, else the OS user.

        Raises UsageError: unprintable, too long, or it holds a BSN. It stands in every event for good, so a refusal
        that is recorded would keep it too.
        """
        from workflow.events import os_user

        given = self.actor_given if self.actor_given is not None else self.environ.get("SCHAKEL_ACTOR") or os_user()
        actor = given.strip()
        if not actor or not actor.isprintable() or len(actor) > MOST_ACTOR:
            raise UsageError(f"The actor (--actor, SCHAKEL_ACTOR) must be a name of 1 to {MOST_ACTOR} characters.")
        if any(self.definition.domain.judge_text("actor", actor)):
            raise UsageError("The actor (--actor, SCHAKEL_ACTOR) holds a BSN, which would stay in history for good.")
        return actor

    def origin(self, via: str = "cli") -> Origin:
        """Who asks, and by which way."""
        from workflow.events import Origin, os_user

        return Origin(self.actor, os_user(), via)

    def close(self) -> None:
        """Close the database, if it was opened."""
        if "database" in self.__dict__:
            self.database.dispose()


pass_session = click.make_pass_decorator(Session)
