"""A run may be killed at any moment: the next one makes up for it, and the provider's own log shows that it did.

What is compared is the log of a real provider, STATE as it came from stdout, and the store, with the tap's records.
KILL_SEED repeats the records and the kills of a run of these tests; not the moments, which are the machine's own
affair.
"""

from __future__ import annotations

import os
import secrets
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.kill.findings import findings_after_run, findings_at_end
from tests.kill.provider import Provider
from tests.kill.scenario import Driver, Kill, Scenario, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SEED = os.environ.get("KILL_SEED") or secrets.token_hex(4)
POINTS = [f"{when} {what}" for what in ("send", "announce", "commit", "STATE") for when in ("before", "after")]
KILLS = 200
AT_ONCE = 2
MOST_KILLS_IN_A_ROW = 8
LONG_ENOUGH_TO_STOP_SECONDS = 0.25
"""How long an answer takes, so that a signal that was sent before it is heard before it."""

SHAPES = {
    # Batches that are over at once: most kills fall between the steps of one.
    "partial": Shape(provider="partial", leads=24, records=240, batch_size_rows=20),
    "versions": Shape(provider="partial", leads=24, records=240, batch_size_rows=20, has_version=True),
    "steps": Shape(provider="steps", leads=24, records=160, batch_size_rows=25),
    "jobs": Shape(provider="jobs", leads=30, records=120, batch_size_rows=40, job_seconds=0.1),
    "late jobs": Shape(provider="jobs", leads=30, records=120, batch_size_rows=40, job_seconds=2.0),
    # Batches of more than a second: what was committed on the way must not be sent again.
    "long": Shape(provider="partial", leads=150, records=400, batch_size_rows=200, concurrency=2, latency_seconds=0.03),
    "long versions": Shape(
        provider="partial",
        leads=150,
        records=400,
        batch_size_rows=170,
        concurrency=2,
        latency_seconds=0.03,
        has_version=True,
    ),
    "long jobs": Shape(
        provider="jobs",
        leads=60,
        records=120,
        batch_size_rows=120,
        concurrency=1,
        latency_seconds=0.03,
        job_seconds=0.3,
    ),
}


def play(shape: Shape, kills: Sequence[Kill], *, random: Random, folder: Path, driver: Driver) -> tuple[int, list[str]]:
    """How many kills came in time, and what went wrong."""
    folder.mkdir()
    provider = Provider(latency_seconds=shape.latency_seconds, job_seconds=shape.job_seconds)
    with provider.serving():
        scenario = Scenario(shape, random=random, folder=folder, provider=provider, driver=driver)
        findings = []
        for run in scenario.runs_until_done(kills):
            where = f"{folder.name}, run {len(scenario.runs) - 1} ({run.kill or 'not killed'})"
            findings += [f"{where}: {finding}" for finding in findings_after_run(scenario)]
        findings += [f"{folder.name}: {finding}" for finding in findings_at_end(scenario)]
    return scenario.kills, findings


def any_kill(shape: Shape, random: Random) -> Kill:
    """A kill at one of the points, or at any moment."""
    number = random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
    if random.random() < 0.5:
        batches = shape.records // shape.batch_size_rows
        point = random.choice(POINTS)
        most = shape.records // 4 if point.endswith("send") else batches
        return Kill(signal=number, point=point, count=random.randint(1, max(1, most)))
    longest = 0.3 + shape.records / shape.concurrency * shape.latency_seconds
    return Kill(signal=number, after_seconds=random.uniform(0.02, longest))


@pytest.fixture
def driver() -> Iterator[Driver]:
    """A driver for one run at a time."""
    with closing(Driver()) as driver:
        yield driver


@pytest.mark.parametrize("name", ["partial", "jobs"])
def test_nothing_is_lost_at_any_point(name: str, driver: Driver, tmp_path: Path) -> None:
    """Killed before and after it sends, commits and prints STATE, a run leaves behind what the next one needs."""
    points = ["before send", "after send", "before commit", "after commit", "before STATE", "after STATE"]
    kills = [Kill(signal=signal.SIGKILL, point=point) for point in (points if name == "partial" else points[1::2])]
    kills.append(Kill(signal=signal.SIGTERM, point="after send", count=3))
    in_time, findings = play(SHAPES[name], kills, random=generator(), folder=tmp_path / name, driver=driver)
    assert not findings, told(findings)
    assert in_time == len(kills)


def test_what_was_never_sent_does_not_make_earlier_updates_come_again(driver: Driver, tmp_path: Path) -> None:
    """An update that a stopped run had no time to send says nothing of the one before it: that is known as accepted."""
    shape = Shape(provider="partial", leads=3, records=4, batch_size_rows=2, concurrency=1)
    provider = Provider(latency_seconds=LONG_ENOUGH_TO_STOP_SECONDS, job_seconds=0)
    with provider.serving():
        scenario = Scenario(shape, random=generator(), folder=tmp_path, provider=provider, driver=driver)
        leads = ["lead-1", "lead-2", "lead-3", "lead-2"]
        scenario.records = [{"id": lead_id, "number": number} for number, lead_id in enumerate(leads)]
        scenario.state_after = {1, 4}
        assert scenario.run(Kill(signal=signal.SIGTERM, point="before send", count=3)).states == [(1, 2)]
        assert scenario.run().begins_at == 1
    assert [entry.number for entry in provider.accepted] == [0, 1, 2, 3]


def test_a_step_is_known_as_accepted_before_the_next_one_is_sent(driver: Driver, tmp_path: Path) -> None:
    """A stopped run that had time for the first of two steps of a lead leaves only the second one to the next run."""
    shape = Shape(provider="steps", leads=3, records=2, batch_size_rows=2, concurrency=1)
    provider = Provider(latency_seconds=LONG_ENOUGH_TO_STOP_SECONDS, job_seconds=0)
    with provider.serving():
        scenario = Scenario(shape, random=generator(), folder=tmp_path, provider=provider, driver=driver)
        scenario.records = [{"id": "lead-1", "number": number} for number in range(2)]
        scenario.state_after = {2}
        assert scenario.run(Kill(signal=signal.SIGTERM, point="before send")).states == []
        assert scenario.run().states == [(2, 2)]
    assert [entry.number for entry in provider.accepted] == [0, 1]


@pytest.mark.slow
def test_nothing_is_lost_whatever_happens(tmp_path: Path) -> None:
    """However often runs are killed, every lead ends with its last value, and only what was in flight comes twice."""
    print(f"KILL_SEED={SEED}")  # noqa: T201 -- pytest shows it when the test fails
    numbers = count()
    kills: list[int] = []
    findings: list[str] = []

    def work() -> None:
        with closing(Driver()) as driver:
            while sum(kills) < KILLS:
                number = next(numbers)
                random = generator(number)
                name, shape = list(SHAPES.items())[number % len(SHAPES)]
                some = [any_kill(shape, random) for _ in range(MOST_KILLS_IN_A_ROW)]
                in_time, found = play(shape, some, random=random, folder=tmp_path / f"{number} {name}", driver=driver)
                kills.append(in_time)
                findings.extend(found)

    with ThreadPoolExecutor(AT_ONCE) as workers:
        for done in [workers.submit(work) for _ in range(AT_ONCE)]:
            done.result()
    assert not findings, told(findings)


def generator(number: int = 0) -> Random:
    """What decides about records and kills."""
    return Random(f"{SEED} {number}")  # noqa: S311 -- no secret


def told(findings: Sequence[str]) -> str:
    """What went wrong, and how to see it again."""
    return "\n".join([f"KILL_SEED={SEED}", *findings])
