"""What can go wrong with Loket.nl; a message never holds a token, a name or anything else of an answer.

NotUsable (a UsageError)  a setting or the credentials cannot be used as they are
LoketError (a SchakelError)
├── NoAnswer      it did not answer, or only with faults: try again later
├── NotAdmitted   it does not accept our token: nothing will work until somebody logs in anew
├── Denied        403: our client, user, role or module may not see this; asking again does not help
├── NotThere      404: what was asked about is not there (any more)
└── Misread       it answered something else than its description promises, or does not understand us
"""

from __future__ import annotations

from workflow.errors import SchakelError, UsageError


class NotUsable(UsageError):
    """A setting or the credentials cannot be used; nothing was asked."""


class LoketError(SchakelError):
    """Loket.nl could not be asked; nothing was recorded."""


class NoAnswer(LoketError):
    """It did not answer, or only with faults, however often it was asked."""


class NotAdmitted(LoketError):
    """It does not accept our token."""


class Denied(LoketError):
    """We may not see this."""


class NotThere(LoketError):
    """What was asked about is not there."""


class Misread(LoketError):
    """The answer is not what was described, or our request was not understood."""
