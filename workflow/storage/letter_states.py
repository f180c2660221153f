"""The states of the delivery protocol."""

from __future__ import annotations

from enum import StrEnum


class LetterState(StrEnum):
    """Where a letter is on its way out."""

    PENDING = "pending"
    """Waits for its time, for an address, or for a server."""
    CLAIMED = "claimed"
    """A worker has it, until its lease ends; nothing has left yet."""
    SENDING = "sending"
    """Committed before DATA; from here on the letter may have arrived."""
    SENT = "sent"
    """The server took it."""
    FAILED = "failed"
    """The server refused it for good, or five days passed."""
    UNKNOWN = "unknown"
    """Nobody knows whether it arrived; a person decides."""
    MERGED = "merged"
    """It became part of a digest."""
    CANCELLED = "cancelled"
    """Not needed any more before it left: its case was erased, it is over (see `wanted`), or a person dropped it."""
