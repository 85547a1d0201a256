"""What is wrong with what a scenario's provider accepted, its runs printed, and its store holds."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections import defaultdict
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from target_leads.models import Outcome
from tests.kill.provider import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.kill.provider import Accepted
    from tests.kill.scenario import Run, Scenario

_ANNOUNCED = 3
"""Updates for each worker: one that it works on, one that waits for it, one that is announced."""
_LONGEST_UNCOMMITTED_SECONDS = 1.0
"""Half a second, as promised. The rest is for a commit that a busy machine is slow to make."""
_STOPPED = 128 + signal.SIGTERM
_STATUSES = {signal.SIGKILL: {-signal.SIGKILL, 0}, signal.SIGTERM: {_STOPPED, -signal.SIGTERM, 0}}
"""A run may be at its end before the signal comes, or not know SIGTERM yet."""
_STORE = "target-leads.db"


def findings_after_run(scenario: Scenario) -> Iterator[str]:
    """What is wrong with the last run and its STATE."""
    run = scenario.runs[-1]
    allowed = _STATUSES[run.kill.signal] if run.kill is not None else {0}
    if run.status not in allowed:
        yield f"it ended with {run.status}"
    printed = [run.begins_at, *(state for state, _ in run.states)]
    if any(older >= newer for older, newer in pairwise(printed)):
        yield f"STATE went from {printed[0]} by {printed[1:]}"
    if run.status == 0 and printed[-1] != len(scenario.records):
        yield f"it ended with 0 and the STATE {printed[-1]}"
    kept = dead_letters(scenario)
    for state, accepted in run.states:
        uncovered = sorted(_not_accepted(scenario, state, scenario.provider.accepted[:accepted]) - kept)
        if uncovered:
            yield f"the STATE {state} covers records that were neither accepted nor kept: {uncovered}"
    yield from _finding_of_counts(scenario, run)


def findings_at_end(scenario: Scenario) -> Iterator[str]:
    """What is wrong once all is over."""
    provider = scenario.provider
    wanted = _last_values(scenario)
    for lead_id in sorted(wanted.keys() | provider.leads.keys()):
        if lead_id.startswith(REFUSED):
            continue
        if wanted.get(lead_id) != provider.leads.get(lead_id):
            yield f"{lead_id} ended as {provider.leads.get(lead_id)}, and not as {wanted.get(lead_id)}"
    lost = sorted({record["number"] for record in scenario.records if _is_bad(record)} - dead_letters(scenario))
    if lost:
        yield f"these records were not accepted and are not in the dead letters: {lost}"
    if _query(scenario, "SELECT 1 FROM open_jobs"):
        yield "a job is open"
    # A job that fails is no acceptance in the end, and an update that was refused may be sent again.
    not_refused = [entry for entry in provider.accepted if not entry.lead_id.startswith(REFUSED)]
    pairs = [pair for updates in _by_lead(not_refused).values() for pair in pairwise(updates)]
    for older, newer in pairs:
        if older.run == newer.run and newer.number <= older.number:
            yield f"{_words(older, newer)}, of which no kill was the cause"
    yield from _late_repetitions(scenario, pairs)


def dead_letters(scenario: Scenario) -> set[int]:
    """Numbers of the records in the dead letters."""
    rows = _query(scenario, "SELECT record FROM dead_letters")
    return {json.loads(row["record"])["number"] for row in rows}


def _late_repetitions(scenario: Scenario, pairs: Sequence[tuple[Accepted, Accepted]]) -> Iterator[str]:
    """Updates that came again although their answers were known long before the run was gone.

    The tap sends records again that came after its last STATE; only versions show that they are older than what came
    since. A repetition is in order if a later update of the lead was in flight when a run was killed, or about to be:
    whether that was written nobody knew. Updates are announced a few at a time, so there are few such leads.
    """
    late = defaultdict(list)
    for older, newer in pairs:
        is_repetition = newer.number == older.number or (scenario.shape.has_version and newer.number < older.number)
        run = scenario.runs[older.run]
        known_until = run.ended_at - (0.0 if run.status == _STOPPED else _LONGEST_UNCOMMITTED_SECONDS)
        if older.run == newer.run or not is_repetition or older.answered_at >= known_until:
            continue
        what = (
            f"{_words(older, newer)}, and was answered {run.ended_at - older.answered_at:.3f} s before the end of that"
        )
        killed = sum(between.status < 0 for between in scenario.runs[older.run : newer.run])
        late[newer.run, killed].append(what)
    for (_, killed), repetitions in late.items():
        if len(repetitions) > killed * _ANNOUNCED * scenario.shape.concurrency:
            yield from repetitions


def _words(older: Accepted, newer: Accepted) -> str:
    return f"{newer.lead_id}: {newer.number} came in run {newer.run} after {older.number} in run {older.run}"


def _not_accepted(scenario: Scenario, state: int, accepted: Sequence[Accepted]) -> set[int]:
    """Which of the first records the provider has accepted neither by themselves nor in a later one of their lead."""
    updates = {lead_id: {entry.number for entry in updates} for lead_id, updates in _by_lead(accepted).items()}
    each_matters = scenario.shape.provider == "steps"
    return {
        record["number"]
        for record in scenario.records[:state]
        if record["number"] not in updates.get(record["id"], ())
        and (each_matters or record["number"] > max(updates.get(record["id"], ()), default=-1))
    }


def _finding_of_counts(scenario: Scenario, run: Run) -> Iterator[str]:
    """What is wrong with the counts of any run so far."""
    rows = _query(scenario, "SELECT * FROM runs ORDER BY started_at")
    for row in rows:
        counts = {outcome: row[outcome.value] for outcome in Outcome}
        if row["received"] != sum(counts.values()):
            yield f"it received {row['received']}, but its outcomes are {counts}"
        told = _query(scenario, "SELECT 1 FROM outcomes WHERE run_id = ?", row["run_id"])
        unwritten = counts[Outcome.UNCHANGED] + counts[Outcome.UNSETTLED]
        # Jobs of earlier runs have outcomes too.
        if scenario.shape.provider != "jobs" and len(told) != row["received"] - unwritten:
            yield f"it has {len(told)} rows in outcomes, but received {row['received']}, {counts}"
    if run.status in {0, _STOPPED} and (not rows or rows[-1]["exit_status"] != run.status):
        yield f"the last of {len(rows)} rows in runs does not say that it ended with {run.status}"
    if run.status == 0 and rows:
        given = len(scenario.records) - run.begins_at
        if (rows[-1]["received"], rows[-1]["unsettled"]) != (given, 0):
            yield f"it was given {given} records and says {dict(rows[-1])}"


def _last_values(scenario: Scenario) -> dict[str, dict[str, Any]]:
    """What each lead has to be like in the end."""
    leads: dict[str, dict[str, Any]] = {}
    for record in scenario.records:
        if not _is_bad(record):
            before = leads.get(record["id"], {}) if scenario.shape.provider == "partial" else {}
            fields = {name: value for name, value in record.items() if name != "id"}
            leads[record["id"]] = {**before, **fields}
    return leads


def _is_bad(record: dict[str, Any]) -> bool:
    return record["id"].startswith(REFUSED) or "@" not in record.get("email", "@")


def _by_lead(accepted: Sequence[Accepted]) -> dict[str, list[Accepted]]:
    leads = defaultdict(list)
    for entry in accepted:
        leads[entry.lead_id].append(entry)
    return leads


def _query(scenario: Scenario, query: str, *values: str) -> list[sqlite3.Row]:
    """Rows of the store; none if there is none yet, or not with such tables."""
    path = scenario.folder / _STORE
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            return []
        return connection.execute(query, values).fetchall()
