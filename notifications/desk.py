"""Who writes and where answers go: the settings of the team whose letters these are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Desk:
    """The sender of all letters; an empty value leaves its line out of them."""

    sender: str
    """Address in From and in the envelope."""
    addresses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Role → address, for the roles whose address is a setting (asr, keylane, operations)."""
    reply_to: str = ""
    team_name: str = ""
    team_phone: str = ""
    form_url: str = ""
