"""Access tokens: got with the refresh token, kept in memory only, renewed before they end or when one is refused."""

from __future__ import annotations

import asyncio
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

from loket.credentials import Replacement, alone_with, read_credentials
from loket.errors import Misread, NotAdmitted
from loket.patience import Patience
from loket.wire import Reply, Wire

_EARLY = 60.0
"""Seconds before its end at which a token counts as used up."""
_USUAL_LIFE = 600.0
"""Seconds that a token lives whose answer does not say so."""
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_ERROR = re.compile(r"[a-z_]{1,40}")


class Tokens:
    """The token of one set of credentials, for one event loop."""

    def __init__(self, path: Path, url: str, wire: Wire, patience: Patience) -> None:
        self._path, self._url, self._wire, self._patience = path, url, wire, patience
        self._token = ""
        self._until = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def current(self, refused: str = "") -> str:
        """A token that should work, and is not the one that was `refused`.

        Raises NotAdmitted, NoAnswer, Misread; NotUsable: the credentials cannot be read, or a new token not kept.
        """
        async with self._one_at_a_time:
            now = asyncio.get_running_loop().time()
            if not self._token or self._token == refused or now >= self._until:
                self._token = ""
                self._token, life = await self._renew()
                self._until = now + life - _EARLY
            return self._token

    async def _renew(self) -> tuple[str, float]:
        """A new token and its life in seconds; a rotated refresh token is on disk before the token is used."""
        read_credentials(self._path)  # what is wrong with it is told before anything is made beside it
        async with alone_with(self._path):
            known = read_credentials(self._path)
            form = {
                "grant_type": "refresh_token",
                "refresh_token": known.refresh_token,
                "client_id": known.client_id,
                "client_secret": known.client_secret,
            }
            with Replacement(self._path) as replacement:
                reply = await self._patience.ask(partial(self._wire.post, self._url, form))
                said = self._read(reply)
                rotated = said.get("refresh_token")
                if isinstance(rotated, str) and rotated != known.refresh_token and _TOKEN.fullmatch(rotated):
                    replacement.put(rotated)
        token, life = said.get("access_token"), said.get("expires_in")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise Misread("Loket.nl answered the log-in without a token that can be used.")
        return token, float(life) if isinstance(life, int) and life > 0 else _USUAL_LIFE

    def _read(self, reply: Reply) -> dict[str, Any]:
        try:
            said = json.loads(reply.body)
        except (ValueError, RecursionError):
            said = None
        if reply.status in {400, 401, 403}:
            code = said.get("error") if isinstance(said, dict) else None
            shown = f" ({code})" if isinstance(code, str) and _ERROR.fullmatch(code) else f" ({reply.status})"
            todo = f"log in to Loket.nl anew and put the new refresh token into {self._path}"
            raise NotAdmitted(f"Loket.nl does not accept our refresh token{shown}: {todo}.")
        if reply.status != 200 or not isinstance(said, dict):
            raise Misread(
                f"The address of SCHAKEL_LOKET_TOKEN_URL does not answer as a log-in does ({reply.status}): check it."
            )
        return said
