"""The calls we make, each a question about one employer or user; there is none that changes anything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from loket.errors import Denied, Misread, NoAnswer, NotAdmitted, NotThere
from loket.models import Administration, Detail, Employer, Integration, Listed, Page, Right, User
from loket.patience import Manners, Patience
from loket.tokens import Tokens
from loket.wire import Reply, Unheard, Wire, checked_url

T = TypeVar("T", bound=Listed)
Model = TypeVar("Model", bound=BaseModel)

ACCEPT = "application/json;version=2018-01-01"
PAGE_SIZE = 250
MOST_PAGES = 200
_PROBE = 5.0
"""Seconds that a question whether it is there at all may take."""


class Loket:
    """Loket.nl as one provider's credentials see it; made by `connected`.

    Every call raises NoAnswer, NotAdmitted, Denied, NotThere or Misread, and NotUsable of the credentials.
    """

    def __init__(self, api_url: str, tokens: Tokens, wire: Wire, patience: Patience) -> None:
        self._api_url, self._tokens, self._wire, self._patience = api_url, tokens, wire, patience

    async def probe(self) -> None:
        """Ask something that is about no case; whatever it may not show us, it works."""
        with suppress(Denied, NotThere):
            await self._get("/providers/employers", {"pageNumber": "1", "pageSize": "1"})

    async def employers(self, number: str) -> tuple[Employer, ...]:
        """The employers of this number that our token may see."""
        found = await self._all("/providers/employers", Page[Employer], {"filter": f"employerNumber eq {number}"})
        return tuple(one for one in found if str(one.employer_number) == number)

    async def users(self, employer: str) -> tuple[User, ...]:
        """The users of the employer itself; those of the provider are in no list."""
        return await self._all(f"/providers/employers/{employer}/users", Page[User])

    async def user(self, user: str) -> User:
        """A user of an employer by itself."""
        return self._parsed(Detail[User], await self._get(f"/providers/employers/users/{user}", {})).content

    async def integrations(self, user: str) -> tuple[Integration, ...]:
        """The applications that a user gave access to; this collection has no pages."""
        said = await self._get(f"/providers/employers/users/{user}/integrations", {})
        return self._parsed(Page[Integration], said).items

    async def rights(self, employer: str, user: str) -> tuple[Right, ...]:
        """Every right that the user can have for the employer, enabled or not."""
        return await self._all(f"/providers/employers/{employer}/users/{user}/authorizations", Page[Right])

    async def administrations(self, employer: str) -> tuple[Administration, ...]:
        """The payroll administrations of the employer, ended ones too."""
        return await self._all(f"/providers/employers/{employer}/payrolladministrations", Page[Administration])

    async def _all(self, path: str, model: type[Page[T]], query: Mapping[str, str] | None = None) -> tuple[T, ...]:
        """All pages, each thing once; we count them ourselves, until the last one or an empty one."""
        items: dict[str, T] = {}
        for number in range(1, MOST_PAGES + 1):
            paged = {**(query or {}), "pageNumber": str(number), "pageSize": str(PAGE_SIZE)}
            page = self._parsed(model, await self._get(path, paged))
            items |= {item.id or f"nameless {len(items)} {index}": item for index, item in enumerate(page.items)}
            last = page.total_pages if page.total_pages is not None else number + (len(page.items) == PAGE_SIZE)
            if not page.items or number >= last:
                return tuple(items.values())
        raise Misread(f"Loket.nl answered with more than {MOST_PAGES} pages.")

    async def _get(self, path: str, query: Mapping[str, str]) -> Any:
        token = await self._tokens.current()
        reply = await self._ask(path, query, token)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            reply = await self._ask(path, query, await self._tokens.current(refused=token))
        return _content(reply)

    async def _ask(self, path: str, query: Mapping[str, str], token: str) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPT}
        return await self._patience.ask(partial(self._wire.get, self._api_url + path, headers, query))

    def _parsed(self, model: type[Model], said: Any) -> Model:
        try:
            return model.model_validate(said)
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(step) for step in fault["loc"])[:100]
            raise Misread(f"Loket.nl answered with a '{where}' that is missing or of another kind.") from None


@asynccontextmanager
async def connected(
    api_url: str, token_url: str, credentials: Path, manners: Manners | None = None
) -> AsyncIterator[Loket]:
    """Loket.nl by the settings; no call is made yet. Raises NotUsable naming the setting."""
    manners = manners or Manners()
    api, token = checked_url("SCHAKEL_LOKET_API_URL", api_url), checked_url("SCHAKEL_LOKET_TOKEN_URL", token_url)
    async with Wire(manners.timeout, manners.transport) as wire:
        patience = Patience(manners)
        yield Loket(api, Tokens(credentials, token, wire, patience), wire, patience)


async def reaches(api_url: str, manners: Manners) -> None:
    """Ask once, without a token: any answer will do. Raises NoAnswer and Misread."""
    async with Wire(min(manners.timeout, _PROBE), manners.transport) as wire:
        try:
            await wire.get(f"{api_url}/providers/employers", {"Accept": ACCEPT}, {})
        except Unheard as error:
            raise NoAnswer(f"Loket.nl does not answer: {error}.") from None


def _content(reply: Reply) -> Any:
    """The JSON of a good answer. Raises what any other answer means."""
    status = reply.status
    if status == HTTPStatus.UNAUTHORIZED:
        raise NotAdmitted("Loket.nl does not accept our token (401), also not a fresh one: check the credentials.")
    if status == HTTPStatus.FORBIDDEN:
        raise Denied("Loket.nl does not let us see this (403): a right, role or module of our own is missing.")
    if status == HTTPStatus.NOT_FOUND:
        raise NotThere("Loket.nl says that this is not there (404).")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise Misread(f"Loket.nl sends us on to another address ({status}): check SCHAKEL_LOKET_API_URL.")
    if status != HTTPStatus.OK:
        raise Misread(f"Loket.nl does not understand our request ({status}{_codes(reply)}).")
    if reply.kind != "application/json":
        said = reply.kind if reply.kind.isascii() and len(reply.kind) < 40 else "something else"
        raise Misread(
            f"Loket.nl answered with {said or 'something else'} instead of JSON: check SCHAKEL_LOKET_API_URL."
        )
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        raise Misread("Loket.nl answered with JSON that cannot be read.") from None


def _codes(reply: Reply) -> str:
    """The numbers of the messages in a refusal; their words may hold what we asked about."""
    try:
        said = json.loads(reply.body)
        codes = [message["code"] for message in said["messages"] if isinstance(message["code"], int)]
    except (ValueError, RecursionError, TypeError, KeyError):
        return f", {reply.kind}" if reply.kind in {"text/plain", "text/html"} else ""
    return f", codes {', '.join(map(str, codes[:10]))}" if codes else ""
