"""What is done from time to time, beside the mail: each task by one of several workers, and none can stop another."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from tenants.activity_intake import forget_keys
from tenants.erasing import erase_due
from tenants.house import House
from tenants.idempotency import forget_answers
from tenants.licence_notices import post_due_notices
from tenants.seat_reminders import remind_and_expire
from tenants.turns import give_back, take_turn
from workers.exports import write_exports
from workers.sealing import months, retention, seal_all
from workers.usage import Collector, reckon_all

log = logging.getLogger("portillon.housekeeping")

#: Seconds until a task that failed is tried again, or sooner where its own turn comes sooner.
AGAIN_IN = 60


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every `every_seconds`.

    A worker may be killed at any line of it, and a slow one may still be at it when another begins: what it does a second time must
    change nothing.
    """

    name: str
    every_seconds: float
    run: Callable[[House], Awaitable[None]]


async def licence_notices(house: House) -> None:
    """Notices that licences end, and that they have ended."""
    await post_due_notices(house.database)


async def seat_requests(house: House) -> None:
    """Sellers are reminded, and requests that nobody answered are written down as expired."""
    await remind_and_expire(house.database, house.catalogue)


async def event_keys(house: House) -> None:
    """Keys of events that the vendor's application sent are forgotten once none of them can come again."""
    await forget_keys(house.database)


async def old_answers(house: House) -> None:
    """Answers that were kept for requests sent twice are forgotten once a repetition is a new request."""
    await forget_answers(house.database)


async def erasures(house: House) -> None:
    """Deleted people are replaced by a pseudonym wherever they were named."""
    await erase_due(house.database, house.signer, house.valkey)


#: Every task of a worker.
TASKS: tuple[Task, ...] = (
    Task("licence_notices", 1800, licence_notices),
    Task("seat_requests", 600, seat_requests),
    Task("erasures", 5, erasures),
    Task("activity_exports", 5, write_exports),
    Task("usage", 60, Collector().collect),
    Task("reckoning", 24 * 3600, reckon_all),
    Task("sealing", 5, seal_all),
    Task("months", 24 * 3600, months),
    Task("retention", 24 * 3600, retention),
    Task("event_keys", 3600, event_keys),
    Task("old_answers", 3600, old_answers),
)


async def keep_house(house: House, tasks: Iterable[Task] = TASKS) -> None:
    """Do each task whenever its turn comes, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_keep(house, task))


async def do_if_due(house: House, task: Task) -> bool:
    """Do the task once if its turn has come, and tell whether it had. Whatever goes wrong is logged and tried again."""
    try:
        async with house.database.transaction() as session:
            taken_at = await take_turn(session, task.name, every_seconds=task.every_seconds)
    except Exception as error:  # noqa: BLE001 - PostgreSQL is away: the next look finds it, or not
        log.warning("%s: no turn (%s)", task.name, type(error).__name__)
        return False
    if taken_at is None:
        return False
    try:
        await task.run(house)
    except Exception as error:  # noqa: BLE001 - whatever ends a task, the others go on
        place = traceback.extract_tb(error.__traceback__)[-1]
        # A traceback could carry addresses: the error's kind and place are enough to find it.
        log.error("%s failed: %s in %s, line %s", task.name, type(error).__name__, place.name, place.lineno)  # noqa: TRY400
        await _hand_back(house, task, taken_at)
    return True


async def _keep(house: House, task: Task) -> None:
    while True:
        await do_if_due(house, task)
        await asyncio.sleep(house.settings.housekeeping_every)


async def _hand_back(house: House, task: Task, taken_at: datetime) -> None:
    try:
        async with house.database.transaction() as session:
            await give_back(session, task.name, taken_at=taken_at, every_seconds=task.every_seconds, again_in=AGAIN_IN)
    except Exception as error:  # noqa: BLE001 - then it is tried again when its turn comes
        log.warning("%s: its turn was not given back (%s)", task.name, type(error).__name__)
