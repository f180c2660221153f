"""A real SMTP server on loopback that misbehaves at one chosen place, and writes down what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from base64 import b64decode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.1"
GARBAGE = b"\xff\xfeHTTP/1.1 what is this?\r\n"
PASSWORD = "hunter2-never-in-clear"
"""The one it lets in, for any user."""


class At(StrEnum):
    """Where it misbehaves."""

    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "in the body"
    DOT = "after the dot"
    RSET = "RSET"
    QUIT = "QUIT"


class Fault(StrEnum):
    """What it does there, instead of what it should."""

    BREAKS_TLS = "breaks-tls"
    """What no TLS can be made of."""
    SAYS_421 = "421"
    SAYS_450 = "450"
    SAYS_550 = "550"
    SAYS_554 = "554"
    HANGS = "hangs"
    DROPS = "drops"
    GARBLES = "garbage"
    HALF = "half a reply, then drops"
    ACCEPTS_THEN_DROPS = "accepts, then drops"


class _Gone(Exception):
    """This connection is over."""


@cache
def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate authority that lives as long as the tests."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _certificate("Tests", key, key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests")]), ca=True), key


def trusting() -> ssl.SSLContext:
    """What a client that trusts the authority uses, and otherwise checks as strictly as always."""
    return ssl.create_default_context(cadata=authority()[0].public_bytes(serialization.Encoding.PEM).decode())


@cache
def server_context(name: str = ADDRESS, *, days: int = 2) -> ssl.SSLContext:
    """For a server whose certificate is for `name` and ends in so many days."""
    issuer, issuer_key = authority()
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(name, key, issuer_key, issuer.subject, days=days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        plain = serialization.NoEncryption()
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(path)
    return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    *,
    days: int = 2,
    ca: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    known_as = x509.IPAddress(IPv4Address(name)) if name[0].isdigit() else x509.DNSName(name)
    now = datetime.now(UTC)
    uses = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    signs = x509.KeyUsage(digital_signature=not ca, key_encipherment=not ca, key_cert_sign=ca, crl_sign=ca, **uses)
    return (  # with all that Python 3.13 asks of a certificate
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([known_as]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@dataclass
class Hostile:
    """`async with Hostile(At.RCPT, Fault.HANGS) as server:` then talk to `server.port`."""

    at: At | None = None
    fault: Fault | bytes | None = None
    """Bytes are said as they are, and the dialogue goes on."""
    times: int = 1_000_000
    """How often it misbehaves, before it behaves."""
    extensions: tuple[str, ...] = ("8BITMIME",)
    extensions_in_clear: tuple[str, ...] = ()
    starttls: ssl.SSLContext | None = None
    implicit: ssl.SSLContext | None = None
    injection: bytes = b""
    """Said in clear in one breath with the 220 to STARTTLS."""
    rejection: bytes = b""
    """Said to a wrong password; empty: words that repeat the command, as some servers do."""

    clear: bytearray = field(default_factory=bytearray)
    """All that came in unencrypted."""
    sealed: bytearray = field(default_factory=bytearray)
    commands: list[bytes] = field(default_factory=list)
    complete: list[bytes] = field(default_factory=list)
    """Bodies that came in up to their dot, as the client meant them."""
    accepted: list[bytes] = field(default_factory=list)
    """Bodies it said 250 to."""
    connections: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """The fault has begun."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """A connection is over, on our side."""
    port: int = 0

    async def __aenter__(self) -> Hostile:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, ADDRESS, 0, ssl=self.implicit)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def said_to_it(self) -> Counter[bytes]:
        """How often each command came in."""
        return Counter(command.split()[0].upper() for command in self.commands if command.split())

    def misbehaves(self, at: At) -> bool:
        """Whether it is about to, here."""
        return self.at is at and self.times > 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with contextlib.suppress(asyncio.CancelledError):  # the test is over
            with contextlib.suppress(_Gone, OSError):
                await _Dialogue(self, reader, writer).run()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        writer.transport.abort()
        self.gone.set()


class _Dialogue:
    """One connection."""

    def __init__(self, server: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.is_sealed = server.implicit is not None

    async def run(self) -> None:
        await self.answer(At.GREETING, b"220 mail.example ESMTP\r\n")
        while True:
            command = (await self.line()).rstrip(b"\r\n")
            self.server.commands.append(command)
            verb = command.split(b" ")[0].split(b":")[0].upper()
            match verb:
                case b"EHLO":
                    await self.answer(At.EHLO, self.hello())
                case b"STARTTLS":
                    await self.start_tls()
                case b"AUTH":
                    await self.log_in(command)
                case b"DATA":
                    await self.data()
                case b"QUIT":
                    await self.answer(At.QUIT, b"221 bye\r\n")
                    raise _Gone
                case b"MAIL" | b"RCPT" | b"RSET":
                    await self.answer(At(verb.decode()), b"250 2.0.0 ok\r\n")
                case _:
                    await self.say(b"500 5.5.2 what is " + command + b"\r\n")

    async def answer(self, at: At, good: bytes) -> bool:
        """Say what is right; or, at the chosen place, what was chosen. Whether the client may believe it was right."""
        server = self.server
        if not server.misbehaves(at):
            await self.say(good)
            return True
        server.times -= 1
        server.reached.set()
        match server.fault:
            case bytes() as given:
                await self.say(given)
            case Fault.HANGS:
                await asyncio.Event().wait()
            case Fault.DROPS:
                raise _Gone
            case Fault.GARBLES:
                await self.say(GARBAGE)
            case Fault.HALF:
                await self.say(good[:3] + b"-the first half\r\n")
                raise _Gone
            case Fault.ACCEPTS_THEN_DROPS:
                await self.say(good)
                if at is At.DOT:
                    server.accepted.append(server.complete[-1])
                raise _Gone
            case Fault.BREAKS_TLS:
                raw = self.writer.transport._ssl_protocol._transport  # type: ignore[attr-defined]  # no other way
                raw.write(b"\x17\x03\x03\x00\x20" + bytes(32))
                await asyncio.Event().wait()
            case Fault.SAYS_421:
                await self.say(b"421 4.3.2 closing down\r\n")
                raise _Gone
            case code:
                await self.say(f"{code} no, says the server about <Jan.Jansen@example.com>\r\n".encode())
        return False

    async def say(self, words: bytes) -> None:
        self.writer.write(words)
        await self.writer.drain()

    async def line(self) -> bytes:
        line = await self.reader.readline()
        (self.server.sealed if self.is_sealed else self.server.clear).extend(line)
        if not line.endswith(b"\n"):
            raise _Gone
        return line

    def hello(self) -> bytes:
        server = self.server
        extensions = ["mail.example", *server.extensions]
        if not self.is_sealed:
            extensions += server.extensions_in_clear
            if server.starttls is not None:
                extensions.append("STARTTLS")
        return "".join(f"250-{extension}\r\n" for extension in extensions).encode() + b"250 HELP\r\n"

    async def start_tls(self) -> None:
        context = self.server.starttls
        if context is None:
            await self.say(b"502 5.5.1 not here\r\n")
        elif await self.answer(At.STARTTLS, b"220 go ahead\r\n" + self.server.injection):
            await self.writer.start_tls(context)
            self.is_sealed = True

    async def log_in(self, command: bytes) -> None:
        parts = command.split()
        if parts[1].upper() == b"LOGIN":
            await self.say(b"334 UGFzc3dvcmQ6\r\n")
            given = b64decode(await self.line())
        else:
            given = b64decode(parts[2]).split(b"\0")[2]
        if given == PASSWORD.encode():
            await self.answer(At.AUTH, b"235 2.7.0 welcome\r\n")
        else:
            await self.say(self.server.rejection or b"535 5.7.8 wrong; you said " + command + b"\r\n")

    async def data(self) -> None:
        server = self.server
        if not await self.answer(At.DATA, b"354 go ahead\r\n"):
            return
        body = bytearray()
        if server.misbehaves(At.BODY):
            await self.line()
            await self.answer(At.BODY, b"250 2.0.0 taken already\r\n")
            while await self.line() != b".\r\n":
                pass
            server.complete.append(b"after all")
            return
        while (line := await self.line()) != b".\r\n":
            body += line.removeprefix(b".")
        server.complete.append(bytes(body))
        if await self.answer(At.DOT, b"250 2.0.0 queued\r\n"):
            server.accepted.append(server.complete[-1])
