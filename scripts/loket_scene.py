"""The demo's scene with Loket.nl: a made-up one answers, and what it says changes between one command and the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from loket.patience import Manners
from loket.wire import in_process
from scripts.loket_fake import FakeLoket, FakeUser
from states.rights import REQUIRED_RIGHTS

_BASE = "http://127.0.0.1"
_NUMBER, _TAX_NUMBER, _USER = 9900090, "999900171L01", "koppeling.duinzicht"
_LOOK = ("loket", "check", "--all-pending")
_CASE = {
    "external_reference": "E90",
    "loket_user": {"user_name": _USER, "kind": "standard", "dedicated": True, "access_via": "employer"},
    "registration": {
        "company_name": "Duinzicht Zorg B.V.",
        "email": "salaris90@example.com",
        "framework_contract_number": "A020990090",
        "wage_tax_number": _TAX_NUMBER,
        "loket_employer_id": str(_NUMBER),
        "dgas": [],
        "payroll_frequency": "monthly",
        "thirteenth_month": False,
    },
}


class LoketScene:
    """A case whose Loket.nl user is made step by step; its files lie in the demo's folder."""

    def __init__(self, place: Path) -> None:
        self._fake = FakeLoket(REQUIRED_RIGHTS)
        self._file, credentials = place / "E90.json", place / "loket.json"
        self._file.write_text(json.dumps(_CASE, indent=2), "utf-8")
        credentials.touch(0o600)
        known = {"client_id": "demo", "client_secret": "demo", "refresh_token": self._fake.refresh_token}
        credentials.write_text(json.dumps(known), "utf-8")
        self.environ = {
            "SCHAKEL_LOKET_API_URL": f"{_BASE}/v2",
            "SCHAKEL_LOKET_TOKEN_URL": f"{_BASE}/token",
            "SCHAKEL_LOKET_CREDENTIALS": str(credentials),
        }
        """The settings that lead to it."""
        self.manners = Manners(calls_per_minute=6000, transport=in_process(self._fake.app))
        """How a session reaches it."""

    def acts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Each command with what it shows; Loket.nl changes when the next one is asked for."""
        employer = self._fake.add(_NUMBER, payrolls=[(_TAX_NUMBER, "monthly", None)])
        yield ("open", str(self._file)), "E90 comes in; nobody said whether its Loket.nl user is active, or its rights"
        yield _LOOK, "Loket.nl is asked (a made-up one, in this program): there is no such user yet"
        user = employer.users["coupling"] = FakeUser(_USER, "invited")
        yield _LOOK, "The user was invited"
        user.access, user.rights = "active", {*REQUIRED_RIGHTS[:4], REQUIRED_RIGHTS[5], "Raadplegen loonoutput"}
        yield ("loket", "check", "E90"), "The user is active, and one right only resembles the right one"
        user.rights = {*REQUIRED_RIGHTS}
        yield _LOOK, "All six rights: operations is told"
        yield ("advance", "E90"), "Nobody retyped anything"
