"""How SMTP names things: the server in SCHAKEL_SMTP_URL, and a mailbox on the command line."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

from workflow.errors import UsageError

Encryption = Literal["none", "implicit", "starttls"]

_SCHEMES: dict[str, tuple[Encryption, int]] = {
    "smtp":          ("none",      25),
    "smtps":         ("implicit", 465),
    "smtp+starttls": ("starttls", 587),
}  # fmt: skip
_EXAMPLE = "SCHAKEL_SMTP_URL must be like smtp+starttls://user@mail.example:587"
_LOCAL_PART = re.compile(r"[^\s()<>\[\]:;@\\,\"]{1,64}")
_DOMAIN = re.compile(r"(?!.*\.\.)[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class NoMailbox(ValueError):
    """This text is not one plain address; says why without repeating it."""


@dataclass(frozen=True)
class Server:
    """Where letters are handed over. Time-outs are in seconds.

    `timeout` bounds each step up to and including the answer to DATA (RFC 5321 4.5.3.2.4: two minutes), `data_timeout`
    the answer to the letter itself (4.5.3.2.6: ten minutes). Raises UsageError when credentials would go in clear.
    """

    host: str
    port: int
    tls: Encryption = "starttls"
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    timeout: float = 120
    data_timeout: float = 600
    context: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    """Which certificates to trust; None: those this machine trusts."""
    hello_name: str | None = None
    """What we call ourselves; None: the full name of this machine."""

    def __post_init__(self) -> None:
        if self.tls == "none" and (self.user or self.password):
            raise UsageError(
                "SCHAKEL_SMTP_URL begins with smtp://, which is plain: it takes no user and no password. "
                "Use smtps:// or smtp+starttls://, or leave out user and password file."
            )
        if bool(self.user) != bool(self.password):
            missing = "a user in SCHAKEL_SMTP_URL" if self.password else "a password: name SCHAKEL_SMTP_PASSWORD_FILE"
            raise UsageError(f"Logging in at the mail server takes both; there is no {missing.removeprefix('a ')}.")


def parse_smtp_url(url: str, password: str | None) -> Server:
    """The server of `smtp://`, `smtps://` or `smtp+starttls://` HOST[:PORT], with USER@ for the last two.

    Raises UsageError, which never repeats what stands in the URL: it may hold a secret by mistake.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{_EXAMPLE}; its host or port cannot be read.") from None
    if parts.scheme not in _SCHEMES:
        raise UsageError(f"{_EXAMPLE}; it begins with smtp://, smtps:// or smtp+starttls://.")
    _refuse_the_superfluous(url.strip(), parts)
    if not host or not host.isascii():
        raise UsageError(f"{_EXAMPLE}; it has no host, or one that is not in plain letters (write it as xn--…).")
    if port == 0:
        raise UsageError(f"{_EXAMPLE}; port 0 is none.")
    tls, usual = _SCHEMES[parts.scheme]
    return Server(host, port or usual, tls, unquote(parts.username or "") or None, password or None)


def _refuse_the_superfluous(url: str, parts: SplitResult) -> None:
    if parts.password is not None:
        raise UsageError(
            "SCHAKEL_SMTP_URL holds a password. Take it out and put it in a file that SCHAKEL_SMTP_PASSWORD_FILE names."
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"{_EXAMPLE}; nothing may follow the port.")
    if any(character.isspace() or not character.isprintable() for character in url + unquote(parts.username or "")):
        raise UsageError(f"{_EXAMPLE}; it holds a space or a control character.")


def mailbox(address: str) -> bytes:
    """The address as MAIL and RCPT take it: its domain in punycode, UTF-8 only before the @. Raises NoMailbox.

    One bare address and nothing else: no list, no name, no quotes, no line end that would begin another command.
    Domains that mail inside an organisation uses (.local) are left to the server.
    """
    local, _, domain = address.rpartition("@")
    if not _LOCAL_PART.fullmatch(local) or not local.isprintable():
        raise NoMailbox("this is not one plain e-mail address")
    if not domain.isascii():
        try:
            domain = validate_email(f"a@{domain}", check_deliverability=False).ascii_domain
        except (EmailNotValidError, UnicodeError):
            raise NoMailbox("the domain of this address cannot be written in punycode") from None
    if not _DOMAIN.fullmatch(domain):
        raise NoMailbox("the domain of this address is not one")
    return f"{local}@{domain}".encode()
