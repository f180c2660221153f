"""What `doctor` asks about writing: may this account do all that the work needs, and does the server keep it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from scripts.ledger_checkup import Found
from workflow.errors import NotAllowed, SchakelError
from workflow.storage import Database, agreed, grants, guards
from workflow.storage.grants import Lack


def examine_writing(database: Database) -> Iterator[Found]:
    """Nothing where all can be written. Of a role that may only read the missing grants are not told: it needs none."""
    fault, lacks, role = None, tuple[Lack, ...](), ""
    hidden, unsafe, loose = list[str](), list[str](), list[tuple[str, str]]()
    is_sqlite = database.url.get_backend_name() == "sqlite"
    try:
        database.try_writing()
    except SchakelError as error:
        fault = error
    if not is_sqlite:
        with suppress(SchakelError), database.reading() as store:  # then the fault says it
            lacks, role = grants.lacking(store)
            hidden, unsafe, loose = grants.hidden(store), agreed.unsafe(store), guards.loose(store)
    statements = "; ".join(grants.grants_of(lacks, role))
    grant = f"as the owner of the tables: {statements}; docs/security.md has all grants"
    if unsafe:
        told = "; ".join(f"ALTER SYSTEM RESET {name}" for name in unsafe)
        message = f"The server has {' and '.join(unsafe)} off: a power cut can lose or damage what was written."
        yield "fail", message, f"as a superuser: {told}; SELECT pg_reload_conf(); or set it on in postgresql.conf"
    if loose:
        message = f"Different texts count as the same in {', '.join(name for name, _ in loose)}, by its collation."
        yield "fail", message, f"as the owner of the tables: {'; '.join(mends for _, mends in loose)}"
    if hidden:
        todo = "; ".join(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY" for name in hidden)
        message = f"Row level security would hide rows from this role, so it is refused them: {', '.join(hidden)}."
        yield "fail", message, f"as the owner of the tables: {todo}; or give the role BYPASSRLS"
    elif fault is not None:
        is_ours = is_sqlite or isinstance(fault, NotAllowed)  # else it says itself what to do
        todo = "let the account that runs Schakel write it; one that only audits need not" if is_ours else ""
        yield "fail", f"It cannot be written: {fault}", grant if lacks and not grants.only_reads(lacks) else todo
    elif lacks:
        said = ", ".join(f"{act} on {name}" for name, act in lacks)
        yield "fail", f"{role} lacks grants that the work needs: {said}.", grant
