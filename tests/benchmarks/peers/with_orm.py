"""What the service of a team on SQLAlchemy's ORM does around its state machine: load, trigger, write the rest."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from tests.benchmarks.peers import story
from tests.benchmarks.peers.mapping import Case, Event, Letter, Timer, fill, open_engine


def serve(url: str, cases: int, trigger: Callable[[Case], object]) -> Callable[[str], None]:
    """Open the cases; moves one, in one transaction, whose state `trigger` changes on the object."""
    engine = open_engine(url)
    fill(engine, cases)
    sessions = sessionmaker(engine)

    def move(reference: str) -> None:
        with sessions.begin() as session:
            case = session.scalars(select(Case).where(Case.reference == reference)).one()
            start = case.state
            session.execute(delete(Timer).where(Timer.case_id == case.id).execution_options(synchronize_session=False))
            trigger(case)
            _write(session, case, start)

    return move


def _write(session: Session, case: Case, start: str) -> None:
    entry = story.registering(case.reference, case.seq + 1, case.head)
    case.seq += 1
    case.head, case.at, case.entered_at, case.due_at = entry.hash, story.MOVED, story.MOVED, story.NEXT_DUE
    session.add(
        Event(
            case_id=case.id,
            seq=case.seq,
            at=story.MOVED,
            actor=story.ACTOR,
            kind="moved",
            trigger="register",
            from_state=start,
            to_state=case.state,
            canonical=entry.canonical,
            prev_hash=entry.prev_hash,
            hash=entry.hash,
        )
    )
    session.add(Timer(case_id=case.id, kind="rung", rung=0, due_at=story.NEXT_DUE))
    session.add_all(
        Letter(
            case_id=case.id,
            seq=case.seq,
            letter=letter.letter,
            role=letter.role,
            recipient=letter.recipient,
            state="pending",
            context=letter.context,
            created_at=story.MOVED,
            due_at=story.MOVED,
        )
        for letter in story.letters(case.reference)
    )
