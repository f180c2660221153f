"""Someone at the command line, in process: the runner with an environment and a clock of its own."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from scripts.cli import cli
from scripts.wiring import Session
from workflow.clock import SetClock

SAMPLE = Path(__file__).parents[2] / "scripts" / "sample" / "employers.csv"
GOOD = {
    "loket_user": {
        "kind": "standard",
        "dedicated": True,
        "active": True,
        "access_via": "employer",
        "rights": [
            "Beheren en raadplegen BSN",
            "Raadplegen beloningen",
            "Raadplegen dienstverbanden",
            "Raadplegen HRM",
            "Raadplegen loonoutput beperkt",
            "Raadplegen variabele gegevens",
        ],
    },
    "registration": {
        "company_name": "Drie Dennen Holding B.V.",
        "email": "salaris06@example.com",
        "framework_contract_number": "A020990006",
        "wage_tax_number": "999900171L01",
        "loket_employer_id": 9900006,
        "dgas": [],
        "payroll_frequency": "monthly",
        "thirteenth_month": False,
    },
}


@dataclass
class Desk:
    """Someone at the command line: `run` a line of words, or `ask` for its JSON."""

    environ: dict[str, str]
    clock: SetClock

    def run(self, words: str, given: str | bytes | None = None, **environ: str) -> Result:
        """Run a command as the program does."""
        session = Session(environ={**self.environ, **environ}, clock=self.clock)
        columns = environ.get("COLUMNS", "80")
        return CliRunner().invoke(cli, shlex.split(words), input=given, obj=session, env={"COLUMNS": columns})

    def ask(self, words: str, given: str | None = None, code: int = 0) -> Any:
        """Run a command with --json; it must exit with this code and print one document."""
        result = self.run(f"{words} --json", given)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def open(self, external: str = "E06", **sheets: object) -> str:
        """Open a case that can be registered; its reference."""
        return str(self.ask("open -", json.dumps({"external_reference": external, **GOOD, **sheets}))["case"])
