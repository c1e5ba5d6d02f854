"""The least that a sign-in can be: the same hash, statements and scripts, without framework, throttle, pool, rules or refusals.

Served by uvicorn beside the real thing, it shows how much of argon2's own rate any service with these stores on the same cores keeps.
"""

from typing import Any

import asyncpg
import msgspec
from uuid_utils.compat import uuid7

from tenants.activity import Event, plain_line
from tenants.actors import Origin, Person
from tenants.house import House, open_house
from tenants.places import _PLACE as PLACE
from tenants.seat_verdicts import Taken
from tenants.session_facts import _WRITE as WRITE
from tenants.session_facts import Facts, hot_copy
from tenants.settings import load_settings
from tenants.signing_in import _KNOWN as KNOWN

_NOBODY = Origin("127.0.0.1", "Firefox, Windows")
_ANSWER = [(b"content-type", b"application/json")]


class Floor:
    """An ASGI application for one path. Whatever is not as expected raises: the figures would be of something else."""

    def __init__(self) -> None:
        """Open nothing before there is a loop."""
        self._house: House | None = None
        self._pool: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Sign somebody in."""
        house = self._house or await self._open()
        given = msgspec.json.decode((await receive())["body"])
        answer = msgspec.json.encode({"token": await self._sign_in(house, given["email"], given["password"])})
        await send({"type": "http.response.start", "status": 201, "headers": [*_ANSWER, (b"content-length", b"%d" % len(answer))]})
        await send({"type": "http.response.body", "body": answer})

    async def _open(self) -> House:
        settings = load_settings()
        url = settings.database_url.get_secret_value().replace("+asyncpg", "")
        self._pool = await asyncpg.create_pool(url, min_size=settings.database_pool, max_size=settings.database_pool)
        self._house = open_house(settings)
        return self._house

    async def _sign_in(self, house: House, email: str, password: str) -> str:
        async with self._pool.acquire() as driver:
            known = (await driver.fetch(KNOWN, email))[0]
        assert await house.hasher.verify(known["password_hash"], password)
        account_id, user_id, session_id = known["account_id"], known["user_id"], uuid7()
        token = house.tokens.new(account_id, session_id)
        async with self._pool.acquire() as driver:
            await driver.execute(f"BEGIN; SELECT set_config('app.account_id', '{account_id}', true)")
            place = await driver.fetchrow(PLACE, account_id, user_id)
            taken = await self._take(house, driver, account_id, user_id, session_id)
            line = plain_line(
                Event.SIGNED_IN, account_id=account_id, origin=_NOBODY, by=Person(user_id, known["id"], place["name"], email)
            )
            row = await driver.fetchrow(WRITE, account_id, session_id, user_id, token.digest, 12, _NOBODY.ip, _NOBODY.device, *line)
            await driver.execute("COMMIT")
        copy = hot_copy(house.catalogue, Facts(*row))
        assert copy is not None
        await house.seats.open("open", copy, epoch=taken.epoch)
        return token.text

    async def _take(self, house: House, driver: Any, account_id: Any, user_id: Any, session_id: Any) -> Taken:
        while True:
            taken = await house.seats.take(
                account_id, user_id=user_id, session_id=session_id, unit="user", sessions_per_user=1, alive=[]
            )
            if isinstance(taken, Taken):
                return taken
            async with house.database.plain(account_id) as plain:
                await house.door.load_policy(plain, account_id)


app = Floor()
