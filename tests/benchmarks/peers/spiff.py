"""SpiffWorkflow: the running BPMN process read from its row, moved, and written back as one guarded document."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import psycopg
from SpiffWorkflow import TaskState
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.serializer import DEFAULT_CONFIG, BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.serializer.default.workflow import BpmnWorkflowConverter

from tests.benchmarks.peers import story
from tests.benchmarks.peers.address import is_sqlite, set_pragmas, sqlite_path

STEPS = tuple(trigger for trigger, *_ in story.MOVES[:-1])


class Apart(BpmnWorkflowConverter):
    """Leaves the definition out of each case, as the library's own examples for databases do."""

    spec: Any = None

    def to_dict(self, workflow: BpmnWorkflow) -> dict[str, Any]:
        """The running process only."""
        told: dict[str, Any] = super(BpmnWorkflowConverter, self).to_dict(workflow)
        return told | {"subprocesses": {}, "bpmn_events": []}

    def from_dict(self, told: dict[str, Any]) -> BpmnWorkflow:
        """The running process, joined to the one definition."""
        return super().from_dict(told | {"spec": self.spec, "subprocess_specs": {}})


def begin(url: str, cases: int) -> Callable[[str], None]:
    """Open so many cases; moves one of them."""
    parser = BpmnParser()
    parser.add_bpmn_str(_bpmn().encode())
    Apart.spec = parser.get_spec("coupling")
    registry = BpmnWorkflowSerializer.configure({**DEFAULT_CONFIG, BpmnWorkflow: Apart})
    serializer = BpmnWorkflowSerializer(registry)
    connection, mark = _connect(url)
    _fill(connection, mark, serializer, cases)
    find = f"SELECT id, version, process FROM cases WHERE reference = {mark}"
    write = (
        f"UPDATE cases SET state = {mark}, version = {mark}, process = {mark} WHERE id = {mark} AND version = {mark}"
    )
    first = "BEGIN IMMEDIATE" if is_sqlite(url) else "BEGIN"

    def move(reference: str) -> None:
        connection.execute(first)
        number, version, stored = connection.execute(find, (reference,)).fetchone()
        workflow = serializer.deserialize_json(stored)
        task = workflow.get_next_task(state=TaskState.READY, spec_name="register")
        if not story.is_complete(workflow.data["facts"]):
            raise AssertionError(reference)
        task.run()
        workflow.do_engine_steps()
        changed = (story.REGISTERED, version + 1, serializer.serialize_json(workflow), number, version)
        if connection.execute(write, changed).rowcount != 1:
            raise AssertionError(reference)
        connection.execute("COMMIT")

    return move


def _connect(url: str) -> tuple[Any, str]:
    """A connection that stays open, and how its driver marks a value's place."""
    if not is_sqlite(url):
        return psycopg.connect(url, autocommit=True), "%s"
    connection = sqlite3.connect(sqlite_path(url), isolation_level=None)
    set_pragmas(connection)
    return connection, "?"


def _fill(connection: Any, mark: str, serializer: BpmnWorkflowSerializer, cases: int) -> None:
    connection.execute(
        "CREATE TABLE cases (id integer PRIMARY KEY, reference text UNIQUE NOT NULL, state text NOT NULL, "
        "version int NOT NULL, process text NOT NULL)"
    )
    rows = []
    for number in range(1, cases + 1):
        workflow = BpmnWorkflow(Apart.spec)
        workflow.data["facts"] = story.FACTS
        workflow.do_engine_steps()
        process = serializer.serialize_json(workflow)
        rows.append((number, story.reference_of(number), story.RIGHTS_PENDING, 1, process))
    connection.execute("BEGIN")
    connection.cursor().executemany(f"INSERT INTO cases VALUES ({', '.join([mark] * 5)})", rows)
    connection.execute("COMMIT")


def _bpmn() -> str:
    """The forward moves, one after another, each waiting for a person."""
    nodes = ("begin", *STEPS, "end")
    tasks = "".join(f'<manualTask id="{step}" name="{step}"/>' for step in STEPS)
    flows = "".join(
        f'<sequenceFlow id="to_{to}" sourceRef="{start}" targetRef="{to}"/>' for start, to in pairwise(nodes)
    )
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="coupling">'
        '<process id="coupling" isExecutable="true"><startEvent id="begin"/>'
        f'{tasks}<endEvent id="end"/>{flows}</process></definitions>'
    )
