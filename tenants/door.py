"""The door: from a session's token to the session at work, with PostgreSQL behind Redis for whatever Redis does not know."""

import asyncio
from typing import Any
from uuid import UUID

from tenants.catalogue import Catalogue
from tenants.database import Database, Plain
from tenants.errors import NotSignedIn, Unavailable
from tenants.seats import Full, Gone, Seated, Seats, SessionKey
from tenants.session_facts import Facts, find_facts, hot_copy, read_policy
from tenants.sessions import REMEMBER_SECONDS, Tokens
from tenants.visit_facts import VisitFacts, find_visit_facts, visit_copy


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
        if verdict == "reread":
            async with self._rereading:
                verdict = await self._reread(key)
        if isinstance(verdict, Gone):
            raise NotSignedIn(**await self._why(key))
        return verdict

    async def _reread(self, key: SessionKey) -> Seated | Full | Gone:
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
            verdict = await self.seats.open("restore", copy, epoch=epoch)
            if verdict != "reread":
                return verdict
        raise Unavailable(retry_after=1)

    async def load_policy(self, plain: Plain, account_id: UUID) -> None:
        """Bring the policy of the account entered up to date in Redis."""
        epoch = await self.seats.epoch(account_id)
        policy, alive = await read_policy(plain, account_id)
        await self.seats.load_policy(account_id, policy, epoch=epoch, alive=alive)

    async def _facts(self, plain: Plain, key: SessionKey) -> Facts | VisitFacts | None:
        # A visit is asked for second: everybody else pays nothing for it.
        found = await find_facts(plain, key.account_id, key.session_id)
        return found or await find_visit_facts(plain, self.catalogue, key.account_id, key.session_id)

    async def _why(self, key: SessionKey) -> dict[str, Any]:
        async with self.database.plain(key.account_id) as plain:
            row = await self._facts(plain, key)
        if row is None or row.token_digest != key.digest:
            return {}
        at, reason = row.over_since or (row.expires_at, "expired")
        return {"ended": {"reason": reason, "by": row.ended_by, "at": at}}
