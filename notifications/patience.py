"""How long a mail server is let be that failed, so that it costs neither letters nor the account that logs in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from notifications.smtp import Phase, Reply
from notifications.smtp_url import Server

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(minutes=5)
FIRST_AFTER_LOGIN, LONGEST_AFTER_LOGIN = timedelta(minutes=5), timedelta(hours=1)
"""After a log-in that was refused for good: who tries a wrong password often locks the account."""
_MOST_DOUBLINGS = 10


def doubled(first: timedelta, longest: timedelta, times: int) -> timedelta:
    """How long to wait after so many times before: `first`, twice as long each time, and `longest` at most."""
    return min(longest, first * (1 << min(times, _MOST_DOUBLINGS)))


class Patience:
    """What a worker remembers of its mail server between passes; with other settings, or password, it is another."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._failures = 0  # passes in a row
        self._since = self._until = datetime.max.replace(tzinfo=UTC)

    def allows(self, server: Server, now: datetime) -> bool:
        """Whether this server may be tried now; so it may when the clock went back since it failed."""
        if server != self._server:
            self._server, self._failures = server, 0
        return not self._failures or not self._since <= now < self._until

    @property
    def is_tried_out(self) -> bool:
        """Whether it failed last time, so that one letter goes before the others."""
        return self._failures > 0

    def learn(self, trouble: Reply | None, now: datetime) -> None:
        """How it went: `trouble` is what was said when it could not be reached, or left a letter in doubt."""
        if trouble is None:
            self._failures = 0
            return
        is_login = trouble.phase is Phase.LOGIN and (trouble.code or 0) // 100 == 5
        first, longest = (FIRST_AFTER_LOGIN, LONGEST_AFTER_LOGIN) if is_login else (FIRST_WAIT, LONGEST_WAIT)
        self._since, self._until = now, now + doubled(first, longest, self._failures)
        self._failures += 1
