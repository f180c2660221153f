"""What the settings say of mail: who writes to whom, and by which server."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache
from socket import getfqdn

from notifications.desk import Desk
from notifications.smtp_url import NoMailbox, Server, mailbox, parse_smtp_url
from scripts.passwords import read_password
from scripts.settings import Settings
from workflow.errors import UsageError


def desk_of(settings: Settings) -> Desk:
    """Who writes, by the settings."""
    addresses = {
        "asr": settings.mail_asr,
        "keylane": settings.mail_keylane,
        "operations": settings.mail_operations,
        "auditor": settings.mail_auditor,
    }
    return Desk(
        sender=settings.mail_from,
        addresses={role: address for role, address in addresses.items() if address},
        reply_to=settings.reply_to,
        team_name=settings.team_name,
        team_phone=settings.team_phone,
        form_url=settings.form_url,
    )


def mail_server(settings: Settings) -> Server | None:
    """The mail server, with its password from its file. Raises UsageError naming the setting."""
    if settings.smtp_url is None:
        return None
    if not settings.mail_from:
        raise UsageError("SCHAKEL_SMTP_URL is set, but SCHAKEL_MAIL_FROM is not: set the address letters come from.")
    password = read_password(settings.smtp_password_file, "SCHAKEL_SMTP_PASSWORD_FILE")
    server = parse_smtp_url(settings.smtp_url.get_secret_value(), password)
    return replace(server, hello_name=settings.smtp_hello_name or _own_name(settings.mail_from))


@cache
def _own_name(sender: str) -> str | None:
    """The full name of this machine; where it has none, the domain we write from: many servers refuse a bare name."""
    name = getfqdn()
    if "." not in name:
        with suppress(NoMailbox):
            return mailbox(sender).decode().rpartition("@")[2]
    return name
