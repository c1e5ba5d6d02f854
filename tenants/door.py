"""The door: from a session's token to the session at work, with PostgreSQL behind Redis for whatever Redis does not know."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar
from uuid import UUID

from tenants.catalogue import Catalogue
from tenants.database import Database, Plain
from tenants.errors import NotSignedIn, Unavailable
from tenants.seat_keys import SessionKey
from tenants.seat_verdicts import Full, Gone, Promoted, Reread, Seated
from tenants.seats import Seats
from tenants.session_facts import Facts, find_facts, hot_copy, read_policy
from tenants.sessions import REMEMBER_SECONDS, Tokens, become_ordinary
from tenants.visit_facts import VisitFacts, find_visit_facts, visit_copy

Asked = TypeVar("Asked")
# Whoever has no place here any more is told no more than a stranger.
_UNSAID = frozenset({"struck_off", "deleted"})


class Door:
    """What finding a session needs: the pool, the rows behind it, and a limit on how many look-ups go to the rows at once."""

    def __init__(self, *, database: Database, seats: Seats, catalogue: Catalogue, tokens: Tokens) -> None:
        """All of one process."""
        self.database = database
        self.seats = seats
        self.catalogue = catalogue
        self.tokens = tokens
        self._rereading = asyncio.Semaphore(8)

    async def find(self, key: SessionKey) -> Seated | Full:
        """The session at work, or Full when it has no seat and none is free.

        One round trip to Redis; PostgreSQL only when the hot copy is missing or out of date.
        Raises NotSignedIn (with why, if the session existed) and Unavailable.
        """
        verdict = await self.seats.keep(key)
        if isinstance(verdict, Seated):
            return verdict
        if isinstance(verdict, Promoted):
            await self._seat_manager(key)
            verdict = "reread"
        if verdict == "reread":
            async with self._rereading:
                verdict = await self._reread(key)
        if isinstance(verdict, Gone):
            raise NotSignedIn(**await self.why_gone(key))
        return verdict

    async def look(self, key: SessionKey, what: Literal["look", "beat", "close"] = "look", page: str = "") -> Seated:
        """Whose session it is, whether or not it has a seat. No request: nothing is kept and nothing taken.

        With `beat` a page of the browser says that it is there, with `close` that it is not any more (seat rule 5).
        Raises as `find`.
        """
        verdict = await self.seats.beat(key, what, page)
        if verdict == "reread":
            async with self._rereading:
                verdict = await self._reread(key, how="beat" if what == "beat" else "look")
            if what != "look" and not isinstance(verdict, Gone):
                verdict = await self.seats.beat(key, what, page)
        if isinstance(verdict, Gone):
            raise NotSignedIn(**await self.why_gone(key))
        if not isinstance(verdict, Seated):
            raise Unavailable(retry_after=1)
        return verdict

    async def current(self, account_id: UUID, ask: Callable[[], Awaitable[Asked | Reread]]) -> Asked:
        """What a script answers about the pool's line, asked again once the account's policy is up to date."""
        for _ in range(8):
            answer = await ask()
            if not isinstance(answer, str):
                return answer
            async with self.database.plain(account_id) as plain:
                await self.load_policy(plain, account_id)
        raise Unavailable(retry_after=1)

    async def _seat_manager(self, key: SessionKey) -> None:
        # Whoever came to manage has a seat now: from here on an ordinary session.
        async with self.database.transaction(key.account_id) as session:
            await become_ordinary(session, key.session_id)

    async def _reread(self, key: SessionKey, how: Literal["restore", "beat", "look"] = "restore") -> Seated | Full | Gone:
        for _ in range(8):
            epoch = await self.seats.epoch(key.account_id)
            async with self.database.plain(key.account_id) as plain:
                row = await self._facts(plain, key)
                policy, alive = await read_policy(plain, key.account_id)
            if row is None or row.token_digest != key.digest:
                return Gone("unknown")
            copy = visit_copy(self.catalogue, row) if isinstance(row, VisitFacts) else hot_copy(self.catalogue, row)
            if copy is None:
                why = row.over_since[1] if row.over_since else "suspended" if row.standing == "suspended" else "expired"
                await self.seats.end(
                    key.account_id,
                    user_id=row.user_id,
                    session_id=key.session_id,
                    why=why,
                    remember=REMEMBER_SECONDS,
                )
                return Gone(why)
            await self.seats.load_policy(key.account_id, policy, epoch=epoch, alive=alive)
            verdict = await self.seats.open(how, copy, epoch=epoch)
            if verdict != "reread":
                return verdict
        raise Unavailable(retry_after=1)

    async def let_in(self, account_id: UUID) -> None:
        """Seats that a change made free are held for whoever waits, before anybody looks."""
        async with self.database.plain(account_id) as plain:
            await self.load_policy(plain, account_id)

    async def load_policy(self, plain: Plain, account_id: UUID) -> None:
        """Bring the policy of the account entered up to date in Redis."""
        epoch = await self.seats.epoch(account_id)
        policy, alive = await read_policy(plain, account_id)
        await self.seats.load_policy(account_id, policy, epoch=epoch, alive=alive)

    async def _facts(self, plain: Plain, key: SessionKey) -> Facts | VisitFacts | None:
        # A visit is asked for second: everybody else pays nothing for it.
        found = await find_facts(plain, key.account_id, key.session_id)
        return found or await find_visit_facts(plain, self.catalogue, key.account_id, key.session_id)

    async def why_gone(self, key: SessionKey) -> dict[str, Any]:
        """Why, by whom and when the session ended, as the facts of NotSignedIn; none for whoever does not hold its token."""
        async with self.database.plain(key.account_id) as plain:
            row = await self._facts(plain, key)
        if row is None or row.token_digest != key.digest:
            return {}
        at, reason = row.over_since or (row.expires_at, "expired")
        if reason in _UNSAID:
            return {"ended": {"reason": "ended", "by": None, "at": at}}
        return {"ended": {"reason": reason, "by": row.ended_by, "at": at}}
