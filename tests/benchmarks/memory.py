"""How much memory a process has taken at most."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak() -> int:
    """The most that this program held at once, in KiB.

    What `getrusage` tells a child begins at the peak of the process that started it; Linux also counts for the
    program alone.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "VmHWM":
                return int(amount.split()[0])
    import resource  # noqa: PLC0415  (not on every system)

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
