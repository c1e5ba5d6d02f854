"""Housekeeping: each task by one of several workers, and tried again when it fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from io import StringIO

import pytest

from service.embedded import Addresses
from tenants.house import House, open_house
from tests.tenants.rows import sql
from tests.workers.post import altered, change
from workers.housekeeping import TASKS, Task, do_if_due

HOUR = 3600


@pytest.fixture
async def other(house: House) -> AsyncIterator[House]:
    """Another worker's house."""
    opened = open_house(house.settings)
    yield opened
    await opened.close()


class Chore:
    """A task that counts how often it was done, and breaks when told to."""

    def __init__(self) -> None:
        self.done = 0
        self.breaks = False

    async def __call__(self, house: House) -> None:
        self.done += 1
        await asyncio.sleep(0.01)
        if self.breaks:
            raise RuntimeError("somebody@example.com")


async def test_two_workers_at_once_take_one_turn(house: House, other: House, servers: Addresses) -> None:
    chore = Chore()
    task = Task("chore", HOUR, chore)
    for turn in range(1, 6):
        taken = await asyncio.gather(*(do_if_due(who, task) for who in (house, other) * 5))
        assert (sorted(taken), chore.done) == ([False] * 9 + [True], turn)
        await change(servers, "UPDATE turns SET taken_at = taken_at - interval '1 hour'")


async def test_a_task_is_due_again_when_its_time_is_over_and_not_before(house: House, servers: Addresses) -> None:
    chore = Chore()
    task = Task("chore", HOUR, chore)
    assert await do_if_due(house, task)
    await change(servers, "UPDATE turns SET taken_at = now() - interval '3599 seconds'")
    assert not await do_if_due(house, task)
    await change(servers, "UPDATE turns SET taken_at = now() - interval '3600 seconds'")
    assert await do_if_due(house, task)
    assert chore.done == 2


async def test_a_task_that_fails_is_told_without_addresses_and_due_again_in_a_minute(
    house: House, servers: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    chore = Chore()
    chore.breaks = True
    task = Task("chore", HOUR, chore)
    # On the logger itself: what other tests configured of its parents does not matter.
    said, log = StringIO(), logging.getLogger("portillon.housekeeping")
    monkeypatch.setattr(log, "handlers", [logging.StreamHandler(said)])
    monkeypatch.setattr(log, "disabled", False)
    assert await do_if_due(house, task)
    assert "chore failed: RuntimeError" in said.getvalue()
    assert "example.com" not in said.getvalue()
    assert not await do_if_due(house, task)
    [(left,)] = await sql(servers, "SELECT extract(epoch FROM taken_at + interval '1 hour' - now())::int FROM turns")
    assert 55 <= left <= 60
    await change(servers, "UPDATE turns SET taken_at = taken_at - interval '1 minute'")
    chore.breaks = False
    assert await do_if_due(house, task)
    assert chore.done == 2


async def test_a_frequent_task_that_fails_waits_for_its_own_turn_alone(house: House) -> None:
    chore = Chore()
    chore.breaks = True
    assert await do_if_due(house, Task("chore", 0.05, chore))
    await asyncio.sleep(0.06)
    assert await do_if_due(house, Task("chore", 0.05, chore))


async def test_a_worker_that_was_killed_holds_up_its_task_for_one_turn_at_most(
    house: House, other: House, servers: Addresses
) -> None:
    chore, begun = Chore(), asyncio.Event()

    async def endless(_: House) -> None:
        begun.set()
        await asyncio.Event().wait()

    killed = asyncio.create_task(do_if_due(house, Task("chore", HOUR, endless)))
    await begun.wait()
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert not await do_if_due(other, Task("chore", HOUR, chore))
    await change(servers, "UPDATE turns SET taken_at = taken_at - interval '1 hour'")
    assert await do_if_due(other, Task("chore", HOUR, chore))


async def test_without_postgresql_nothing_is_due_and_nothing_breaks(house: House) -> None:
    away = open_house(altered(house.settings, database_url="postgresql://nobody@127.0.0.1:1/none"))
    chore = Chore()
    assert not await do_if_due(away, Task("chore", HOUR, chore))
    assert chore.done == 0
    await away.close()


async def test_tasks_have_names_of_their_own() -> None:
    assert len({task.name for task in TASKS}) == len(TASKS)
