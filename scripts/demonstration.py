"""The command `demo`: real commands on made-up employers, in a temporary place that stays so that you can go on."""

from __future__ import annotations

import io
import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path

import click

from scripts.exits import DONE, FAILED, INTERRUPTED, REFUSED
from scripts.output import print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.wiring import Session
from workflow.calendar import WorkingDays
from workflow.clock import local_day

FILE = "employers.csv"
_UNTIL_EXCHANGE = 10
"""Working days between realising a coupling and its first exchange."""
_WRONG_NAME = "The company name is not the one in the contract"


@dataclass(frozen=True, slots=True)
class Act:
    """A command of the demo, what it shows, and how it ends."""

    words: tuple[str, ...]
    says: str = ""
    ends: int = DONE


@click.command(short_help="See it work on made-up employers.", epilog=examples("schakel demo"))
@json_option
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Run real commands on made-up employers, in a temporary database of its own.

    Your own settings and cases are not touched. The database stays, so that you can go on where the demo ends.
    """
    session = ctx.ensure_object(Session)
    place = Path(tempfile.mkdtemp(prefix="schakel-demo-"))
    environ = _environment(place, session.environ)
    sample = place / FILE
    sample.write_bytes(resources.files("scripts").joinpath("sample", FILE).read_bytes())
    told = []
    for act in _acts(local_day(session.clock.now()), sample):
        if not session.json:
            _announce(act)
        code, answer = _play(ctx, session, act, environ)
        told.append({"command": f"schakel {shlex.join(act.words)}", "exit": code, "answer": answer})
        if code != act.ends:
            if code != INTERRUPTED:
                click.echo(f"The demo stops: that ended with {code} instead of {act.ends}.", err=True)
            ctx.exit(code or FAILED)
    _say_goodbye(session, environ, told)


def _acts(today: date, sample: Path) -> Iterator[Act]:
    """The whole story: an import, a case that is confirmed, one that is returned, and one that is corrected."""
    exchange = WorkingDays().add(today, _UNTIL_EXCHANGE)
    start = f"{today.year + 1}-01-01"
    policy = [{"policy_number": "88-204-118", "product": "WIA", "start_date": start, "pension_act": False}]
    yield Act(("init",), "A database, a signing key and a settings file, all in a temporary folder")
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


def _environment(place: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its own settings, and with those of the demo."""
    kept = {name: value for name, value in environ.items() if not name.startswith("SCHAKEL_")}
    return kept | {
        "SCHAKEL_DATABASE_URL": f"sqlite:///{place / 'schakel.db'}",
        "SCHAKEL_SIGNING_KEY": str(place / "signing.key"),
        "SCHAKEL_SETTINGS": str(place / "schakel.toml"),
    }


def _announce(act: Act) -> None:
    click.echo("")
    click.secho(wrapped(act.says, "", first="# "), bold=True)
    click.secho(f"$ schakel {shlex.join(act.words)}", dim=True)


def _play(ctx: click.Context, session: Session, act: Act, environ: Mapping[str, str]) -> tuple[int, object]:
    """Run one command as the program would: its exit code, and with `--json` its answer."""
    own = Session(environ=environ, clock=session.clock, actor_given=session.actor_given, json=session.json)
    program = ctx.find_root().command
    if not session.json:
        return int(program.main(act.words, "schakel", standalone_mode=False, obj=own, color=ctx.color)), None
    said = io.StringIO()
    with redirect_stdout(said):
        code = int(program.main(act.words, "schakel", standalone_mode=False, obj=own))
    return code, json.loads(said.getvalue())


def _say_goodbye(session: Session, environ: Mapping[str, str], told: list[dict[str, object]]) -> None:
    exports = {name: value for name, value in environ.items() if name.startswith("SCHAKEL_")}
    following = (
        "schakel why E07",
        "schakel advance E02 --accept NAME_DUPLICATE",
        "schakel list --holder applicant",
    )
    if session.json:
        print_json({"steps": told, "environment": exports, "next": following})
        return
    click.echo("")
    click.secho("Your turn. Point schakel at the demo's database:", bold=True)
    for name, value in exports.items():
        click.echo(f"  export {name}={shlex.quote(value)}")
    click.echo("and try (in a checkout, ./scripts/schakel):")
    for command in following:
        click.echo(f"  {command}")
