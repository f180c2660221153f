"""One case checked against Loket.nl: its question asked, what was seen recorded, and the answer in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex

from loket.check import Check, access_of, enabled_rights, frequency_of, judge, the_administration
from loket.client import Loket, connected
from loket.errors import NotUsable
from loket.evidence import digest, evidence
from loket.patience import Manners
from loket.reading import Asked, Reading, read
from loket.wording import phrase
from scripts.problems import problem_documents
from scripts.wiring import Session
from states.names import UserStatus
from states.observing import Sight, conceal, observe, question
from states.seal import SALT_DIGITS
from workflow.answers import Case, Recorded
from workflow.clock import local_day
from workflow.errors import Conflict
from workflow.events import Origin
from workflow.facts import Context, Facts, Json, Problem
from workflow.observation import Observation
from workflow.observing import observe as record_observation

_TRIES = 3
"""How often a case that changes while it is being checked is checked again."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a case."""

    checks: tuple[Check, ...]
    recorded: Recorded
    before: tuple[Problem, ...]
    """What the forward move missed until now."""
    drift: tuple[str, ...]
    """Codes of what was right until now."""
    is_kept: bool
    """Whether it was recorded."""

    @property
    def settled(self) -> list[str]:
        """The codes that no longer stand in the way."""
        return _without(self.before, self.recorded.problems)

    @property
    def raised(self) -> list[str]:
        """The codes that stand in the way since now."""
        return _without(self.recorded.problems, self.before)

    def document(self, session: Session) -> dict[str, object]:
        """For JSON."""
        case, event = self.recorded.case, self.recorded.event
        return {
            "case": case.reference,
            "external_reference": case.external_reference,
            "state": case.state,
            "checks": [
                {
                    "precondition": check.precondition.value,
                    "result": check.result.value,
                    "message": phrase(check, session.language),
                }
                for check in self.checks
            ],
            "problems": problem_documents(self.recorded.problems, session.definition, session.language),
            "settled": self.settled,
            "raised": self.raised,
            "drift": list(self.drift),
            "event": {"seq": event.seq, "hash": event.hash} if event and self.is_kept else None,
            "letters": list(self.recorded.letters) if self.is_kept else [],
        }


class Checker:
    """Checks cases over one connection to Loket.nl."""

    def __init__(self, session: Session, loket: Loket, origin: Origin, *, dry_run: bool = False) -> None:
        self._session, self._loket, self._origin, self._dry_run = session, loket, origin, dry_run

    async def probe(self) -> None:
        """Ask something that is about no case. Raises LoketError: it does not work for any."""
        await self._loket.probe()

    async def check(self, reference: str) -> Checked:
        """Check a case and record what was seen; of one that has ended only say it.

        Raises LoketError, NotUsable, NoSuchCase. Conflict: it was changed meanwhile, however often it was checked.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._check(reference)
            except Conflict:
                continue
        return await self._check(reference)

    async def _check(self, reference: str) -> Checked:
        engine = self._session.engine
        view = engine.case(reference)
        case, is_final = view.case, engine.definition.state(view.case.state).final
        asked = Asked(*question(case.facts))
        found = await read(self._loket, asked, local_day(engine.clock.now()))
        checks = judge(asked, found)
        drift: list[str] = []

        def decide(before: Case, context: Context) -> tuple[Facts, Observation]:
            facts, fresh = observe(before.facts, _sight(found), before.state, context, _salt)
            drift.extend(fresh)
            return facts, _observation(checks, found, fresh)

        recorded = (
            Recorded(case, None, (), (), view.problems)
            if is_final
            else record_observation(
                engine.database,
                engine.rules,
                case.reference,
                decide,
                now=engine.clock.now(),
                origin=self._origin,
                version=case.version,
                dry_run=self._dry_run,
            )
        )
        return Checked(checks, recorded, view.problems, tuple(drift), is_kept=not (is_final or self._dry_run))


@asynccontextmanager
async def checker(session: Session, *, dry_run: bool = False) -> AsyncIterator[Checker]:
    """A connection to Loket.nl by the settings. Raises NotUsable: it is not set up."""
    async with connected(*set_up(session), manners_of(session)) as loket:
        yield Checker(session, loket, session.origin("loket"), dry_run=dry_run)


def set_up(session: Session) -> tuple[str, str, Path]:
    """The address of the API, that of the log-in, and the credentials. Raises NotUsable naming what is not set."""
    settings = session.settings
    needed = ("loket_api_url", "loket_token_url", "loket_credentials")
    missing = [f"SCHAKEL_{name.upper()}" for name in needed if not getattr(settings, name)]
    if missing or settings.loket_credentials is None:
        raise NotUsable(f"Loket.nl is not set up: set {', '.join(missing)}, in the environment or schakel.toml.")
    return settings.loket_api_url, settings.loket_token_url, settings.loket_credentials


def manners_of(session: Session) -> Manners:
    """How Loket.nl is treated, by the settings."""
    return session.loket_manners or Manners(session.settings.loket_calls_per_minute)


def _sight(found: Reading) -> Sight:
    """What was read, in the words of the case."""
    access = access_of(found.user) if found.user else None
    status = UserStatus(access) if access else UserStatus.NOT_LISTED if found.users == 0 else None
    one = the_administration(found)
    return Sight(
        employer_uuid=found.employer,
        user_uuid=found.user.id if found.user else None,
        status=status,
        rights=enabled_rights(found),
        integrations=None if found.integrations is None else len(found.integrations),
        wage_tax_number=one.payroll_taxes_number or None if one else None,
        payroll_frequency=frequency_of(one) if one else None,
    )


def _observation(checks: tuple[Check, ...], found: Reading, drift: tuple[str, ...]) -> Observation:
    """What the event says of the check; the evidence itself is a personal value."""
    kept = evidence(found, partial(conceal, salt=_salt), _salt())
    results: dict[str, Json] = {check.precondition.value: check.result.value for check in checks}
    said: dict[str, Json] = {"checks": results, "drift": [*drift], "evidence_sha256": digest(kept)}
    return Observation({"observation": said}, {"evidence": kept})


def _salt() -> str:
    return token_hex(SALT_DIGITS // 2)


def _without(problems: tuple[Problem, ...], others: tuple[Problem, ...]) -> list[str]:
    known = {problem.code for problem in others}
    return list(dict.fromkeys(problem.code for problem in problems if problem.code not in known))
