"""What one process holds open: built once from the settings, passed to whoever needs it, closed once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from tenants.attempts import Attempts
from tenants.catalogue import Catalogue, load_catalogue
from tenants.database import Database
from tenants.door import Door
from tenants.effects import Effects
from tenants.entering import Keys
from tenants.errors import DomainError
from tenants.event_rates import EventRate
from tenants.happenings import Happenings
from tenants.keyring import Keyring
from tenants.passwords import Hasher
from tenants.seat_history import write_befallen
from tenants.seat_verdicts import Befallen
from tenants.seats import Seats
from tenants.sessions import REMEMBER_SECONDS, Tokens
from tenants.settings import Settings
from tenants.tokens import Signer
from tenants.valkey import Valkey
from tenants.visits import follow_visitors

log = logging.getLogger("portillon")

# Seconds: work left for later begins when the answer is on its way, and may take so long when the process ends.
AFTER_ANSWER = 0.1
FINISH_WITHIN = 10
# Calls to Redis that share a write: one after the other, a reseller's thousands of clients would take as many round trips.
_AT_ONCE = 200

Bell = Callable[[], Awaitable[None]]


class HotState:
    """Redis and the queue around a commit: marks before it, epochs and ended sessions after it, the bell last."""

    def __init__(self, seats: Seats, bell: Bell | None) -> None:
        """`bell` tells the worker that mail is owed; without one its sweep finds it."""
        self._seats = seats
        self._bell = bell
        #: Lets in whoever waits in an account whose licence may have more room now.
        self.let_in: Callable[[UUID], None] | None = None

    async def announce(self, effects: Effects) -> object:
        """Mark every account that changes. Raises Unavailable while Redis is away."""
        change = uuid7().hex
        await _all(self._seats.announce(account_id, change) for account_id in effects.accounts)
        return change

    async def settle(self, effects: Effects, announced: object) -> None:
        """Make the change work everywhere before the answer is sent. A mark that stays behind does it a few seconds later."""
        try:
            await _all(
                self._seats.end(
                    ended.account_id,
                    user_id=ended.user_id,
                    session_id=ended.session_id,
                    why=ended.reason,
                    remember=REMEMBER_SECONDS,
                    heir=ended.heir,
                )
                for ended in effects.ended
            )
            await _all(
                self._settle(account_id, str(announced), raised=account_id in effects.raised) for account_id in effects.accounts
            )
        except DomainError:
            log.warning("settled late: Redis went away after a commit")
        if effects.mail_owed and self._bell is not None:
            try:
                await self._bell()
            except Exception:  # noqa: BLE001 - whatever rings, a lost bell must not fail a committed request; the sweep finds the mail
                log.warning("bell lost: the sweep will find the mail")

    async def _settle(self, account_id: UUID, change: str, *, raised: bool) -> None:
        if await self._seats.settle(account_id, change, raised=raised) and self.let_in is not None:
            self.let_in(account_id)

    async def withdraw(self, effects: Effects, announced: object) -> None:
        """Take the marks back after a rollback."""
        with suppress(DomainError):
            await _all(self._settle(account_id, str(announced), raised=False) for account_id in effects.accounts)


async def _all(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    # Some at a time, each to its end; then the first that failed is raised, and the rest is never begun.
    waiting = iter(calls)
    while batch := list(islice(waiting, _AT_ONCE)):
        if len(batch) == 1:
            await batch[0]
            continue
        for outcome in await asyncio.gather(*batch, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


@dataclass(frozen=True)
class House:
    """Everything that is open."""

    settings: Settings
    catalogue: Catalogue
    signer: Signer
    valkey: Valkey
    seats: Seats
    database: Database
    tokens: Tokens
    door: Door
    keyring: Keyring
    hasher: Hasher
    attempts: Attempts
    event_rate: EventRate
    happenings: Happenings
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def keys(self) -> Keys:
        """What a sign-in needs."""
        return Keys(self.door, self.hasher, self.attempts, self.signer, self.settings.session_hours)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this after the answer, so that its time tells nothing; finished before the house closes. Failures are logged."""
        task = asyncio.get_running_loop().create_task(self._logged(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _logged(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.sleep(AFTER_ANSWER)
            await work
        except Exception:
            log.exception("work after an answer failed")

    async def finish(self) -> None:
        """Wait for what was left for later, ten seconds at most."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=FINISH_WITHIN)

    async def close(self) -> None:
        """Finish what was left for later, then close every connection; each of them, even if one fails."""
        await self.finish()
        self.hasher.close()
        await self.happenings.close()
        await asyncio.gather(self.valkey.close(), self.database.close(), return_exceptions=True)


def open_house(settings: Settings, *, bell: Bell | None = None, names_account: bool = True) -> House:
    """Build a process's house. Nothing connects yet; raises CatalogueError for a catalogue that cannot be served."""
    catalogue = load_catalogue(settings.catalogue)
    signer = Signer(settings.secret_key.get_secret_value())
    redis_url = settings.redis_url.get_secret_value()
    valkey = Valkey(redis_url)
    seats = Seats(valkey)
    outside = HotState(seats, bell)
    database = Database(
        settings.database_url.get_secret_value(),
        outside=outside,
        reach=follow_visitors,
        pool_size=settings.database_pool,
        names_account=names_account,
    )
    tokens = Tokens(signer)
    door = Door(database=database, seats=seats, catalogue=catalogue, tokens=tokens)
    house = House(
        settings=settings,
        catalogue=catalogue,
        signer=signer,
        valkey=valkey,
        seats=seats,
        database=database,
        tokens=tokens,
        door=door,
        keyring=Keyring(database, seats, signer),
        hasher=Hasher(settings),
        attempts=Attempts(settings, signer, valkey),
        event_rate=EventRate(valkey, a_minute=settings.activity_rate),
        happenings=Happenings(redis_url, valkey),
    )
    outside.let_in = lambda account_id: house.later(door.let_in(account_id))
    in_turn = asyncio.Lock()

    async def write_down(account_id: UUID, befallen: tuple[Befallen, ...]) -> None:
        # One after the other: the history tells them in the order in which they befell.
        async with in_turn:
            await write_befallen(database, account_id, befallen)

    seats.witness = lambda account_id, befallen: house.later(write_down(account_id, befallen))
    return house
