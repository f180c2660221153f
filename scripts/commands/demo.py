"""The command `demo`: real commands on made-up employers, in a temporary place that stays so that you can go on."""

from __future__ import annotations

import io
import json
import shlex
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from itertools import chain
from pathlib import Path

import click

from loket.patience import Manners
from scripts.catcher import Arrival, Catcher, arrival_lines, arrivals
from scripts.exits import DONE, FAILED, INTERRUPTED, REFUSED
from scripts.loket_scene import LoketScene
from scripts.output import marks, moment, print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.passes import Passes
from scripts.wiring import Session
from workflow.calendar import WorkingDays, at_reminder_hour
from workflow.clock import AMSTERDAM, SetClock, local_day
from workflow.private_file import for_owner_only

FILE = "employers.csv"
_UNTIL_EXCHANGE = 10
"""Working days between realising a coupling and its first exchange."""
_MONTH = timedelta(days=33)
_HOLD = timedelta(days=7)
_BETWEEN_ACTS = timedelta(minutes=6)
_CLIPPED_TO = 18
_MOST_LINES = 25
_WRONG_NAME = "The company name is not the one in the contract"

_MAIL = {
    "SCHAKEL_MAIL_FROM": "koppelingen@schakel.example",
    "SCHAKEL_MAIL_ASR": "collectief@asr.example",
    "SCHAKEL_MAIL_KEYLANE": "koppelteam@keylane.example",
    "SCHAKEL_MAIL_OPERATIONS": "beheer@schakel.example",
    "SCHAKEL_TEAM_NAME": "Team Schakel",
}


@dataclass(frozen=True, slots=True)
class Act:
    """A command of the demo, what it shows, how it ends, and what of its lines is printed."""

    words: tuple[str, ...]
    says: str = ""
    ends: int = DONE
    fits: Callable[[list[str]], list[str]] | None = None


_INIT = Act(("init",), "A database, a signing key and a settings file, in a temporary folder")


class Stage:
    """Where the acts are played: the demo's own environment, and a clock that begins a month ago and is moved on."""

    def __init__(
        self, ctx: click.Context, session: Session, environ: Mapping[str, str], clock: SetClock, manners: Manners
    ) -> None:
        self._ctx, self._session, self._manners = ctx, session, manners
        self.environ, self.clock = environ, clock
        self.told: list[dict[str, object]] = []

    def session(self) -> Session:
        """A session of the demo, with its clock."""
        asked = self._session
        return Session(
            environ=self.environ,
            clock=self.clock,
            actor_given=asked.actor_given,
            json=asked.json,
            loket_manners=self._manners,
        )

    def play(self, act: Act) -> None:
        """Announce a command, run it as the program would, and stop the demo when it ends otherwise than it should."""
        command = f"schakel {shlex.join(act.words)}"
        self.say(act.says, f"$ {command}")
        said = io.StringIO()
        with redirect_stdout(said) if self._session.json or act.fits else nullcontext():
            program = self._ctx.find_root().command
            code = int(program.main(act.words, "schakel", standalone_mode=False, obj=self.session()))
        if self._session.json:
            self.told.append({"command": command, "exit": code, "answer": json.loads(said.getvalue())})
        elif act.fits:
            click.echo("\n".join(act.fits(said.getvalue().rstrip("\n").split("\n"))))
        if code != act.ends:
            if code != INTERRUPTED:
                click.echo(f"The demo stops: that ended with {code} instead of {act.ends}.", err=True)
            self._ctx.exit(code or FAILED)
        self.clock.moment += _BETWEEN_ACTS

    def live_until(self, end: datetime) -> dict[str, object]:
        """Move the clock to 08:00 and 09:00 of each day, and let the worker's own code run; what it did, in counts."""
        self.say("A month in seconds: 08:00 and 09:00 of each day, the worker's passes on the demo's clock")
        total = Counter[str]()
        with closing(self.session()) as session:
            passes = Passes(session)
            for at in _hours(self.clock.moment, end):
                self.clock.moment = at
                done = passes.run_once()
                sent, merged = done.delivered.sent, done.delivered.merged
                total.update(asdict(done.fired), passes=1, overviews=int(done.overview), merged=merged, sent=sent)
        if not self._session.json:
            for what, count in total.items():
                click.echo(f"  {what.replace('_', ' '):<12} {count:>4}")
        return {"until": moment(end), **total}

    def say(self, says: str, command: str = "") -> None:
        """Print a heading, and the command that follows."""
        if not self._session.json:
            click.secho("\n" + wrapped(says, "# "), bold=True)
            if command:
                click.secho(command, dim=True)


@click.command(epilog=examples("schakel demo"))
@json_option
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Run real commands on made-up employers, in a temporary database of its own.

    Your own settings and cases are not touched, and no letter leaves this machine. The clock of the demo begins a
    month ago and ends now. The database and the letters stay, so that you can go on where the demo ends.
    """
    session = ctx.ensure_object(Session)
    place = Path(tempfile.mkdtemp(prefix="schakel-demo-"))
    environ, now = _environment(place, session.environ), session.clock.now()
    sample = place / FILE
    first = WorkingDays().next_working_day(local_day(now - _MONTH))
    with for_owner_only(), Catcher(place / "letters") as catcher:
        sample.write_bytes(resources.files("scripts").joinpath("sample", FILE).read_bytes())
        clock = SetClock(at_reminder_hour(first))
        scene = LoketScene(place)
        stage = Stage(ctx, session, environ | _made_with(place), clock, scene.manners)
        stage.play(_INIT)
        stage.environ = environ | {"SCHAKEL_SMTP_URL": catcher.url} | scene.environ
        # one by one: the made-up Loket.nl changes while it is asked for its next act
        for act in chain(_acts(first, sample), (Act(*one) for one in scene.acts()), _evening(first)):
            stage.play(act)
        month = stage.live_until(now)
        with closing(stage.session()) as reading:
            found = arrivals(reading.database, catcher.caught)
        for act in _afterwards(found):
            stage.play(act)
    if not session.json:
        stage.say(f"{len(found)} letters were caught: this went out")
        click.echo("\n".join(arrival_lines(found, _MOST_LINES)))
        click.echo(wrapped(f"All of them, to open: {catcher.folder}/*.eml and *.html", "  ", first=""))
    month |= {"letters": [arrival.document() for arrival in found], "folder": str(catcher.folder)}
    _say_goodbye(session, environ, stage.told, month)


def _acts(today: date, sample: Path) -> Iterator[Act]:
    """The first day: an import, a case that is confirmed, one that is returned and corrected, one that is held."""
    exchange = WorkingDays().add(today, _UNTIL_EXCHANGE)
    start = f"{today.year + 1}-01-01"
    policy = [{"policy_number": "88-204-118", "product": "WIA", "start_date": start, "pension_act": False}]
    yield Act(("import", str(sample), "--advance"), "18 employers: what is right moves on, what is wrong says why")
    yield Act(("list",), "Who has the ball now?")
    yield Act(("advance", "E06"), "a.s.r. wants to pass E06 on, but something is missing", REFUSED)
    yield Act(("record", "E06", "policy", f"policies={json.dumps(policy)}"), "The policy is added")
    yield Act(("advance", "E06"), "Now it can be handed to Keylane")
    yield Act(("advance", "E06", "handover.keylane_reference=KL-20118"), "Keylane gives its reference")
    contacted = ("contact_name=K. Verzonnen", f"contacted_on={today}", "authorisations_set=yes")
    yield Act(("record", "E06", "handover", *contacted), "Keylane called, and the authorisations are set right")
    dates = (f"realised_on={today}", f"first_exchange_date={exchange}")
    yield Act(("advance", "E06", *dates), "The coupling is realised: confirmed")
    yield Act(("history", "E06"), "Everything that happened to E06, for ever")
    yield Act(("advance", "E22", "return_to_applicant", "--reason", _WRONG_NAME), "E22 goes back to the applicant")
    yield Act(
        ("record", "E22", "registration", "company_name=Drie Dennen Werkplaats B.V."), "The applicant corrects it"
    )
    yield Act(("advance", "E22"), "And it moves on again")
    yield Act(("history", "E22"), "The history keeps both")
    yield Act(("replay", "E22", "--seq", "1"), "Its history gives the case at any moment, and proves the stored one")


def _evening(today: date) -> Iterator[Act]:
    """The end of the first day: letters go out, one case is put on hold, and the month is foretold."""
    hold = ("hold", "E07", "--until", str(today + _HOLD), "--reason", "The accountant is away")
    yield Act(("tick",), "What the worker does: the letters of today go out, to a mail catcher on this machine")
    yield Act(hold, "The accountant of E07 is away: its clock stops")
    yield Act(("forecast", "--days", "30"), "Which letters will follow, if nobody does anything?", fits=_clipped)


def _afterwards(found: list[Arrival]) -> Iterator[Act]:
    yield Act(("history", "E07"), "E07 after that month: no reminder during its hold")
    second = [one for one in found if one.letter == "reminder_applicant_second"][-1]
    yield Act(
        ("mail", "show", str(second.number)), "One letter in full: a second reminder to an applicant", fits=_folded
    )


def _hours(begin: datetime, end: datetime) -> Iterator[datetime]:
    """08:00 and 09:00 in Amsterdam of each day between two moments, and the end itself."""
    for day in range((end - begin).days + 2):
        for hour in (time(8), time(9)):
            at = datetime.combine(local_day(begin) + timedelta(days=day), hour, AMSTERDAM).astimezone(UTC)
            if begin < at < end:
                yield at
    yield end


def _clipped(lines: list[str]) -> list[str]:
    """The first rows of a table, whole, and the last line, which has the sum."""
    if len(lines) <= _CLIPPED_TO:
        return lines
    cut = _CLIPPED_TO - 2
    while cut > 1 and lines[cut].startswith(" "):
        cut -= 1
    return [*lines[:cut], f"{marks().more} {len(lines) - cut - 1} lines more", lines[-1]]


def _folded(lines: list[str]) -> list[str]:
    return [wrapped(line, "  " if line.startswith("- ") else "", first="") for line in lines]


def _environment(place: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its own settings, and with the place of the demo's."""
    kept = {name: value for name, value in environ.items() if not name.startswith("SCHAKEL_")}
    return kept | {"SCHAKEL_SETTINGS": str(place / "schakel.toml")}


def _made_with(place: Path) -> dict[str, str]:
    """What the environment tells `init`, which writes it into the settings."""
    database = f"sqlite:///{place / 'schakel.db'}"
    return {"SCHAKEL_DATABASE_URL": database, "SCHAKEL_SIGNING_KEY": str(place / "signing.key")} | _MAIL


def _say_goodbye(
    session: Session, environ: Mapping[str, str], told: list[dict[str, object]], month: dict[str, object]
) -> None:
    exports = {name: value for name, value in environ.items() if name.startswith("SCHAKEL_")}
    beaten = sorted(name for name in session.environ if name.startswith("SCHAKEL_") and name not in exports)
    following = (
        "schakel why E07",
        "schakel advance E02 --accept NAME_DUPLICATE",
        "schakel list --holder applicant",
    )
    if session.json:
        print_json({"steps": told, "month": month, "environment": exports, "unset": beaten, "next": following})
        return
    click.echo("")
    click.secho("Your turn. Point schakel at the demo's settings:", bold=True)
    for name, value in exports.items():
        click.echo(f"  export {name}={shlex.quote(value)}")
    for name in beaten:  # it would beat the demo's settings, and lead to the cases and the mail server of who asks
        click.echo(f"  unset {name}")
    click.echo("and try (in a checkout, ./scripts/schakel):")
    for command in following:
        click.echo(f"  {command}")
