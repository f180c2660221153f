"""Letters that a pass could not settle: noted while it goes on with the others, seen to when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from notifications.outcomes import cannot_record
from workflow.errors import StoreError
from workflow.storage.letters import OutboxRow
from workflow.storage.merging import separate
from workflow.storage.store import Store


class LeftOver:
    """What is left over of one pass."""

    def __init__(self) -> None:
        self._faults: list[tuple[OutboxRow, Exception]] = []
        """Letters that cannot be written, or whose cases cannot, and what that raised."""
        self._to_separate: dict[int, str] = {}
        """Letters about several cases that are to be taken apart, and why."""

    @contextmanager
    def noting(self, row: OutboxRow) -> Iterator[None]:
        """One letter or case that cannot be written keeps no other letter; a database that fails ends the pass."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  (told when the pass is over)
            self._faults.append((row, error))
            if row.case_id is None:
                self.add_to_separate(row, "it or one of its cases cannot be written")

    def add_to_separate(self, row: OutboxRow, why: str) -> None:
        """Note a letter about several cases that could not leave, though each of its cases may be reminded of."""
        self._to_separate[row.id] = why

    def separate(self, store: Store, now: datetime) -> None:
        """Take those letters apart: the next pass reminds of each case by itself."""
        for number, why in self._to_separate.items():
            separate(store, number, now, why)

    def __bool__(self) -> bool:
        return bool(self._faults or self._to_separate)

    def tell(self) -> None:
        """Raise SchakelError about the first letter that cannot be written, if there is one."""
        for row, error in self._faults:
            raise cannot_record(row, error) from error
