"""A made-up Loket.nl that remembers: for the demo and the tests, as its public description says it answers."""

from __future__ import annotations

import json
import math
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from uuid import NAMESPACE_URL, uuid5

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ACCESS = {
    "active": (3, "Has access to Client"),
    "invited": (1, "Invite pending"),
    "expired": (2, "Invite expired"),
    "blocked": (4, "User is blocked"),
    "shut": (5, "Access to Client is blocked"),
}
OTHER_RIGHTS = ("Raadplegen loonoutput", "Beheren dienstverbanden")
_MADE_ON = "2026-01-05T09:00:00Z"
_PERIODS = {"monthly": (1, "Month"), "four_weekly": (3, "4-weekly"), "weekly": (4, "Week")}


@cache
def uuid_of(*names: str) -> str:
    """The uuid of a made-up thing, always the same."""
    return str(uuid5(NAMESPACE_URL, "/".join(names))).upper()


@dataclass
class FakeUser:
    """A user of an employer; its rights are those that are enabled."""

    name: str
    access: str = "active"
    rights: set[str] = field(default_factory=set)
    integrations: list[bool] = field(default_factory=list)
    """Per application that has access by this user, whether it is blocked."""


@dataclass
class FakeEmployer:
    """An employer with its users, and a payroll administration per (wage tax number, period, end date)."""

    number: int
    name: str = "Voorbeeld B.V."
    users: dict[str, FakeUser] = field(default_factory=dict)
    payrolls: list[tuple[str | None, str, str | None]] = field(default_factory=list)


Fault = Callable[[Request], Awaitable[Response | None]]
"""Answers instead of the fake, or does something first; None: go on."""


class FakeLoket:
    """The service: what it knows may be changed at any moment between two calls."""

    def __init__(self, rights: Sequence[str], refresh_token: str = "refresh-0", page_size: int | None = None) -> None:
        """`rights` are the names it knows besides `OTHER_RIGHTS`; `page_size` caps the one that is asked for."""
        self.employers: dict[int, FakeEmployer] = {}
        self.refresh_token = refresh_token
        self.access_tokens: set[str] = set()
        self.calls: Counter[str] = Counter()
        """How often each path was called, tokens included."""
        self.fault: Fault | None = None
        self._known = (*rights, *OTHER_RIGHTS)
        self._page_size = page_size
        prefix, employer = "/v2/providers/employers", "/v2/providers/employers/{employer}"
        self.app = Starlette(
            routes=[
                Route("/token", self._guarded(self._log_in), methods=["POST"]),
                Route(prefix, self._guarded(self._employers)),
                Route(f"{prefix}/users/{{user}}", self._guarded(self._user)),
                Route(f"{prefix}/users/{{user}}/integrations", self._guarded(self._integrations)),
                Route(f"{employer}/users", self._guarded(self._users)),
                Route(f"{employer}/users/{{user}}/authorizations", self._guarded(self._authorizations)),
                Route(f"{employer}/payrolladministrations", self._guarded(self._administrations)),
            ]
        )

    def add(self, number: int, **more: Any) -> FakeEmployer:
        """Make an employer."""
        self.employers[number] = FakeEmployer(number, **more)
        return self.employers[number]

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            path = request.url.path
            self.calls[path] += 1
            if self.fault is not None and (said := await self.fault(request)) is not None:
                return said
            if path != "/token" and (refusal := self._refusal(request)) is not None:
                return refusal
            return await answer(request)

        return endpoint

    def _refusal(self, request: Request) -> Response | None:
        """What it answers to a request without a token it gave, or without the version it asks for."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.access_tokens:
            return JSONResponse({"message": "Authorization has been denied for this request."}, 401)
        if not request.headers.get("accept", "").startswith("application/json;version="):
            said: dict[str, Any] = {
                "code": 1,
                "id": None,
                "type": "BrokenBusinessRule",
                "description": "no version",
                "properties": [],
            }
            return JSONResponse({"messages": [said], "_embedded": []}, 400)
        return None

    async def _log_in(self, request: Request) -> Response:
        """Give an access token for the refresh token, and another refresh token for the next time."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = secrets.token_urlsafe(24)
        self.access_tokens.add(token)
        self.refresh_token = secrets.token_urlsafe(16)
        said = {"access_token": token, "token_type": "bearer", "expires_in": 3599, "two_factor_state": "None"}
        return JSONResponse(said | {"refresh_token": self.refresh_token})

    async def _employers(self, request: Request) -> Response:
        _, _, number = request.query_params.get("filter", "").rpartition(" ")
        found = [one for one in self.employers.values() if not number or str(one.number) == number]
        return self._page(request, [employer_document(one) for one in found])

    async def _users(self, request: Request) -> Response:
        employer = self._employer(request)
        if employer is None:
            return Response(status_code=404)
        return self._page(request, [user_document(employer, user) for user in employer.users.values()])

    async def _user(self, request: Request) -> Response:
        found = self._find_user(request)
        if found is None:
            return Response(status_code=404)
        return _answer({"content": user_document(*found), "version": _VERSION, "messages": []})

    async def _integrations(self, request: Request) -> Response:
        """One alone comes as an object, several as an array."""
        found = self._find_user(request)
        if found is None:
            return Response(status_code=404)
        listed = [_integration_document(is_blocked) for is_blocked in found[1].integrations]
        embedded = listed[0] if len(listed) == 1 else listed
        return _answer({"_embedded": embedded, "version": _VERSION, "messages": []})

    async def _authorizations(self, request: Request) -> Response:
        found = self._find_user(request)
        if found is None or self._employer(request) is not found[0]:
            return Response(status_code=404)
        names = {*self._known, *found[1].rights}
        return self._page(request, [_right_document(name, name in found[1].rights) for name in sorted(names)])

    async def _administrations(self, request: Request) -> Response:
        employer = self._employer(request)
        if employer is None:
            return Response(status_code=404)
        return self._page(request, [_payroll_document(employer, index) for index in range(len(employer.payrolls))])

    def _employer(self, request: Request) -> FakeEmployer | None:
        wanted = request.path_params["employer"].upper()
        return next((one for one in self.employers.values() if uuid_of(str(one.number)) == wanted), None)

    def _find_user(self, request: Request) -> tuple[FakeEmployer, FakeUser] | None:
        wanted = request.path_params["user"].upper()
        for employer in self.employers.values():
            for user in employer.users.values():
                if uuid_of(str(employer.number), user.name) == wanted:
                    return employer, user
        return None

    def _page(self, request: Request, items: Sequence[Mapping[str, Any]]) -> Response:
        number, size = int(request.query_params.get("pageNumber", 1)), int(request.query_params.get("pageSize", 250))
        size = min(size, self._page_size or size)
        paging = {"currentPage": number, "pageSize": size, "totalSize": len(items)}
        paging["totalPages"] = math.ceil(len(items) / size)
        part = list(items[(number - 1) * size : number * size])
        return _answer({**paging, "version": _VERSION, "messages": [], "_embedded": part})


_VERSION = {"obsoleteDate": None, "resourceVersion": "2018-01-01"}


def employer_document(employer: FakeEmployer) -> dict[str, Any]:
    """An employer as Loket.nl tells of it."""
    return {"id": uuid_of(str(employer.number)), "employerNumber": employer.number, "companyName": employer.name}


def user_document(employer: FakeEmployer, user: FakeUser) -> dict[str, Any]:
    """A user as Loket.nl tells of it, with more of the person than we want to know."""
    key, words = ACCESS[user.access]
    return {
        "id": uuid_of(str(employer.number), user.name),
        "userName": user.name,
        "accessStatus": {"key": key, "value": words},
        "hasIntegrations": bool(user.integrations),
        "personalDetails": {"firstName": "Vera", "initials": "V.", "lastName": "Verborgen", "prefix": None},
        "contactInformation": {"emailAddress": "vera.verborgen@example.com", "phoneNumber": "+31 13-7654321"},
        "dateTimeCreation": _MADE_ON,
    }


def _integration_document(is_blocked: bool) -> dict[str, Any]:
    application = {"id": uuid_of("application"), "isBlocked": False, "name": "Benefits-Plaza"}
    return {"application": application, "createdOn": _MADE_ON, "isBlocked": is_blocked, "lastLogin": None}


def _right_document(name: str, is_enabled: bool) -> dict[str, Any]:
    return {
        "id": uuid_of("right", name),
        "description": name,
        "isEnabled": is_enabled,
        "availableForEmployerUser": True,
    }


def _payroll_document(employer: FakeEmployer, index: int) -> dict[str, Any]:
    number, period, end = employer.payrolls[index]
    key, words = _PERIODS[period]
    return {
        "id": uuid_of(str(employer.number), "payroll", str(index)),
        "name": "Salarissen",
        "payrollTaxesNumber": number,
        "payrollPeriodType": {"key": key, "value": words},
        "startDate": "2024-01-01",
        "endDate": end,
    }


def _answer(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document), media_type="application/json;version=2018-01-01")
