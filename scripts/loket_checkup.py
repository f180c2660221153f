"""What `doctor` says of Loket.nl, where any of its settings is set: whether it can be used, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from loket.client import reaches
from loket.credentials import check_place, read_credentials
from loket.errors import LoketError
from loket.poll import failed_on
from loket.wire import checked_url
from scripts.ledger_checkup import Found
from scripts.loket_check import manners_of, set_up
from scripts.output import counted
from scripts.wiring import Session
from workflow.clock import local_day
from workflow.errors import UsageError


def examine(session: Session) -> Iterator[Found]:
    """Whether it is set up rightly, and answers; no token is used up."""
    try:
        api_url, token_url, credentials = set_up(session)
        checked_url("SCHAKEL_LOKET_TOKEN_URL", token_url)
        read_credentials(credentials)
        url = checked_url("SCHAKEL_LOKET_API_URL", api_url)
    except UsageError as error:
        yield "fail", str(error), "set it right in schakel.toml"
        return
    try:
        check_place(credentials)
    except UsageError as error:
        todo = f"give {credentials.parent} to the user that runs the worker; under systemd, name it in ReadWritePaths="
        yield "fail", str(error), todo
        return
    round_is = "on" if session.settings.loket_poll else "off"
    try:
        asyncio.run(reaches(url, manners_of(session)))
    except LoketError as error:
        yield "warn", f"Loket.nl is set up, but: {error}", "check the address, and whether the network lets it through"
    else:
        yield from _passed_by(session)
        yield "ok", f"{url} answers; credentials in {credentials}; the morning's round is {round_is}.", ""


def _passed_by(session: Session) -> Iterator[Found]:
    with session.database.reading() as store:
        count = len(failed_on(store, local_day(session.clock.now())))
    if count:
        wait = "waits" if count == 1 else "wait"
        said = f"{counted(count, 'case')} could not be checked this morning, and {wait} for the next one."
        yield "warn", said, "schakel loket check CASE says why"
