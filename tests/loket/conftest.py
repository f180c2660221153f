"""Someone at the command line with a made-up Loket.nl behind it, on either database."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from examples import RIGHTS, facts
from office import USER, credentials, manners, settings

from loket.patience import Manners
from scripts.cli import cli
from scripts.loket_fake import FakeLoket
from scripts.wiring import Session
from workflow.clock import AMSTERDAM, SetClock


@dataclass
class Window:
    """Runs commands as the program does; `fake` answers where Loket.nl would."""

    environ: dict[str, str]
    clock: SetClock
    fake: FakeLoket
    manners: Manners
    said: list[str] = field(default_factory=list)
    """Everything that commands printed, errors included."""

    def session(self) -> Session:
        return Session(environ=self.environ, clock=self.clock, loket_manners=self.manners)

    def run(self, words: str, given: str | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, shlex.split(words), input=given, obj=self.session(), env={"COLUMNS": "80"})
        self.said.append(result.output)
        assert result.exit_code == code, result.output
        return result

    def ask(self, words: str, given: str | None = None, code: int = 0) -> Any:
        return json.loads(self.run(f"{words} --json", given, code).stdout)

    def open(self, external: str = "E1", *, attested: bool = False, **form: Any) -> str:
        """Open a case with its form and its user; what Loket.nl can tell is left open unless it is attested."""
        whole = facts("registration", "loket_user")
        user: dict[str, Any] = {**whole["loket_user"], "user_name": USER}
        if not attested:
            del user["active"], user["rights"]
        given = {"external_reference": external, "registration": whole["registration"] | form, "loket_user": user}
        return str(self.ask("open -", json.dumps(given))["case"])

    def check(self, case: str = "E1", *options: str) -> Any:
        return self.ask(f"loket check {case} {' '.join(options)}")

    def results(self, case: str = "E1", *options: str) -> dict[str, str]:
        """Precondition → result."""
        return {check["precondition"]: check["result"] for check in self.check(case, *options)["checks"]}

    def kinds(self, case: str = "E1") -> list[str]:
        return [event["kind"] for event in self.ask(f"history {case}")]

    def at(self, day: int, hour: int = 10, minute: int = 0, month: int = 4) -> Window:
        """Move the clock to a moment of 2026, Amsterdam time."""
        self.clock.moment = datetime(2026, month, day, hour, minute, tzinfo=AMSTERDAM).astimezone(UTC)
        return self


@pytest.fixture
def fake() -> FakeLoket:
    """A Loket.nl that knows no employer yet."""
    return FakeLoket(RIGHTS)


def window_on(url: str, tmp_path: Path, clock: SetClock, fake: FakeLoket) -> Window:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "schakel.toml").touch(0o600)
    environ = {
        "SCHAKEL_DATABASE_URL": url,
        "SCHAKEL_SETTINGS": str(home / "schakel.toml"),
        "SCHAKEL_SIGNING_KEY": str(home / "signing.key"),
        "SCHAKEL_ACTOR": "anna",
        **settings(credentials(home)),
    }
    return Window(environ, clock, fake, manners(fake))


@pytest.fixture
def window(url: str, tmp_path: Path, clock: SetClock, fake: FakeLoket) -> Window:
    """The command line, once on SQLite and once on PostgreSQL."""
    return window_on(url, tmp_path, clock, fake)


@pytest.fixture
def sqlite_window(sqlite_url: str, tmp_path: Path, clock: SetClock, fake: FakeLoket) -> Window:
    """The command line on SQLite, for what does not depend on the database."""
    return window_on(sqlite_url, tmp_path, clock, fake)
