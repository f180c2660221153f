"""What `doctor` asks about mail: can letters go out by these settings, and what became of those that were written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from notifications.smtp import OPENING, Connection, Outcome, Phase, Reply
from notifications.smtp_url import NoMailbox, Server, mailbox
from scripts.ledger_checkup import Found
from scripts.mail_settings import desk_of, mail_server
from scripts.output import local
from scripts.settings import Settings
from scripts.wiring import Session
from workflow.errors import UsageError
from workflow.storage import letters, tries
from workflow.storage.erasing import erased_by_state
from workflow.storage.tries import Try

DROP = 'schakel mail resolve ID --drop --reason "…", when it need not arrive any more'
SETTLE = 'schakel mail resolve ID --sent --reason "…", or with --resend instead of --sent'
"""What to do about a letter that may have arrived."""
_ADDRESSES = ("mail_from", "mail_asr", "mail_keylane", "mail_operations")
"""The settings without which some letters wait."""
_STEP, _IN_ALL = 5.0, 10.0
"""Seconds that the mail server gets for one answer, and for all until a letter could be offered."""
_ENCRYPTION = {"none": "in clear", "implicit": "by TLS", "starttls": "by STARTTLS"}


def examine_mail(session: Session) -> Iterator[Found]:
    """Whether letters can go out: the server, the addresses in the settings, and what became of the letters."""
    settings = session.settings
    is_reached = True
    try:
        if server := mail_server(settings):
            refusal = asyncio.run(_opened(server))
            is_reached = refusal is None
            yield _usable(server, refusal)
            yield from _bare_name(server.hello_name or "")
        else:
            todo = "set smtp_url in schakel.toml, or SCHAKEL_SMTP_URL"
            yield "warn", "There is no mail server: letters wait.", todo
    except UsageError as error:
        yield "fail", str(error), "set it right in schakel.toml"
    empty = [name for name in _ADDRESSES if not getattr(settings, name)]
    if empty:
        message = f"No address for {', '.join(empty)}: those letters wait."
        yield "warn", message, "set them in schakel.toml"
    yield from _wrong_addresses(settings)
    yield from _letters(session, is_reached=is_reached)


async def _opened(server: Server) -> Reply | None:
    """Go as far as a letter would, and send none; None: it could be offered now."""
    connection = Connection(replace(server, timeout=_STEP))
    try:
        async with asyncio.timeout(_IN_ALL):
            return await connection.open()
    except TimeoutError:
        return Reply(Outcome.RETRY, Phase.CONNECT, None, f"not ready within {_IN_ALL:g} seconds")
    finally:
        await connection.close()


def _usable(server: Server, refusal: Reply | None) -> Found:
    where = f"{server.host} port {server.port}"
    if refusal is None:
        login = " and takes our user and password" if server.user else ""
        return "ok", f"The mail server {where} answers {_ENCRYPTION[server.tls]}{login}.", ""
    said = " ".join(str(part) for part in (refusal.code, refusal.words) if part)
    message = f"The mail server {where} would take no letter now: {refusal.phase}: {said}"
    password = " and smtp_password_file" if server.user else ""
    return "warn", message, f"see that it runs, and that smtp_url{password} is right; letters wait until then"


def _bare_name(name: str) -> Iterator[Found]:
    """That many servers refuse the name we greet them by, often at the first recipient, so that letters fail."""
    if "." not in name and not name.startswith("["):
        message = f"We greet the mail server as {name!r}, which is no full name: many servers refuse each letter then."
        yield "warn", message, "set smtp_hello_name in schakel.toml to the full name of this machine"


def _wrong_addresses(settings: Settings) -> Iterator[Found]:
    """Settings that would make each letter they are used for fail for good."""
    for name in (*_ADDRESSES, "mail_auditor", "reply_to"):
        try:
            if address := getattr(settings, name):
                mailbox(address)
        except NoMailbox as error:
            todo = f"set it right in schakel.toml, or in SCHAKEL_{name.upper()}"
            yield "fail", f"{name} is not usable: {error}.", todo


def _letters(session: Session, *, is_reached: bool) -> Iterator[Found]:
    with session.database.reading() as store:
        counts, erased = letters.count_unsent(store), erased_by_state(store)
        homeless, last = letters.count_homeless(store), tries.last_in_vain(store)
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    yield "ok", f"Letters besides those that were sent: {said}." if said else "No letter waits.", ""
    if last is not None and last.phase in OPENING and session.settings.smtp_url is not None and is_reached:
        yield _unreached(last)
    if failed := counts.get("failed", 0) - erased.get("failed", 0):
        which = "ID" if failed == 1 else "--failed"
        todo = f"schakel mail list --state failed, mend the cause, then schakel mail retry {which} (or {DROP})"
        yield "warn", f"{failed} of them failed for good.", todo
    if unknown := counts.get("unknown", 0) - erased.get("unknown", 0):
        message = f"{unknown} of them may or may not have arrived, and {_wait(unknown)} for your decision."
        todo = f"schakel mail list --state unknown, ask the reader, then {SETTLE}"
        yield "warn", message, todo
    for role, count in sorted(homeless.items()):
        if role in desk_of(session.settings).addresses:
            get = "gets" if count == 1 else "get"
            yield "ok", f"{count} of them {get} the address of {role} at the next pass.", ""
            continue
        todo = "schakel record CASE registration email=…" if role == "applicant" else f"set mail_{role} in schakel.toml"
        yield "warn", f"{count} of them {_wait(count)} for an address of {role}.", todo


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _unreached(last: Try) -> Found:
    """That letters wait since the server could not be reached, in its own words or those of the system."""
    said = " ".join(str(part) for part in (last.code, last.words) if part)
    message = f"Letters wait: the mail server could not be reached at the last try, at {local(last.at)}: {last.phase}: "
    return (
        "warn",
        f"{message}{said}",
        "see that it runs and that smtp_url is right; later passes try again by themselves",
    )
