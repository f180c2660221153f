"""The employer coupling: its table of moves, its facts and its validators. Pure: no SQL, clock or network."""

from __future__ import annotations

from states.domain import EmployerCoupling
from states.names import StateName
from states.table import ASKING, COUNTED, LAPSES, MOVES, NOTICES, OPENING, STATES, VERSION
from workflow.definition import Definition

EMPLOYER_COUPLING = Definition(
    name="employer_coupling",
    version=VERSION,
    initial=StateName.RIGHTS_PENDING,
    states=STATES,
    moves=MOVES,
    opening=OPENING,
    notices=NOTICES,
    domain=EmployerCoupling(),
    counted=COUNTED,
    lapses=LAPSES,
    asking=ASKING,
)
"""The workflow that ships with Schakel."""

__all__ = ["EMPLOYER_COUPLING", "VERSION"]
