"""What handlers ask for by name: the caller, the transaction they work in, and where the request came from."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession
from ua_parser import parse

from service.authentication import Caller as CallerOf
from service.errors import language_of
from tenants import idempotency
from tenants.actors import Actor as ActorOf
from tenants.actors import Origin as OriginOf
from tenants.database import enter
from tenants.house import House as HouseOf

_LONGEST_AGENT = 400

Session = NamedDependency[AsyncSession]
Actor = NamedDependency[ActorOf]
Caller = NamedDependency[CallerOf]
Origin = NamedDependency[OriginOf]
House = NamedDependency[HouseOf]
#: The reader's, as the refusals choose it.
Language = NamedDependency[str]
#: Opens what `Session` is, later: for handlers that compute a hash before it, and may not hold a connection meanwhile.
Work = NamedDependency[Callable[[], AbstractAsyncContextManager[AsyncSession]]]


def origin_of(request: Request[Any, Any, Any]) -> OriginOf:
    """Address, device and number of a request. The address is the proxy's word only where the proxy is trusted."""
    return OriginOf(
        ip=request.client.host if request.client else None,
        device=device_of(request.headers.get("user-agent")),
        request_id=request.scope["state"].get("request_id"),
    )


def device_of(user_agent: str | None) -> str | None:
    """A short name such as `Firefox, Windows`, for people who look for the session that is not theirs."""
    if not user_agent:
        return None
    found = parse(user_agent[:_LONGEST_AGENT])
    parts = [part.family for part in (found.user_agent, found.os) if part is not None and part.family != "Other"]
    return ", ".join(parts) or None


async def _transaction(request: Request[Any, Any, Any], house: House, origin: Origin) -> AsyncGenerator[AsyncSession, None]:
    async with _work(request, house, origin) as session:
        yield session


@asynccontextmanager
async def _work(request: Request[Any, Any, Any], house: HouseOf, origin: OriginOf) -> AsyncIterator[AsyncSession]:
    # The only transaction in which a request changes anything; it enters the caller's account and is committed before the answer leaves.
    caller: CallerOf | None = request.scope["state"].get("caller")
    async with house.database.transaction(caller.actor.account_id if caller else None, origin=origin) as session:
        yield session
        key: str | None = request.scope["state"].get("idempotency_key")
        if key is not None and caller is not None:
            # The work may have ended in a client's account; the key is the caller's.
            await session.flush()
            await enter(session, caller.actor.account_id)
            await idempotency.mark_done(session, user_id=caller.actor.user_id, key=key)


def dependencies(house: HouseOf) -> dict[str, Provide]:
    """All of them, for the application."""

    def the_house() -> HouseOf:
        return house

    def the_caller(request: Request[Any, Any, Any]) -> CallerOf:
        caller: CallerOf = request.scope["state"]["caller"]
        return caller

    def the_actor(request: Request[Any, Any, Any]) -> ActorOf:
        caller: CallerOf = request.scope["state"]["caller"]
        return caller.actor

    def the_language(request: Request[Any, Any, Any], house: House) -> str:
        return language_of(request, house.settings)

    def the_work(
        request: Request[Any, Any, Any], house: House, origin: Origin
    ) -> Callable[[], AbstractAsyncContextManager[AsyncSession]]:
        return lambda: _work(request, house, origin)

    return {
        "house": Provide(the_house, sync_to_thread=False, use_cache=True),
        "caller": Provide(the_caller, sync_to_thread=False),
        "actor": Provide(the_actor, sync_to_thread=False),
        "origin": Provide(origin_of, sync_to_thread=False),
        "session": Provide(_transaction),
        "work": Provide(the_work, sync_to_thread=False),
        "language": Provide(the_language, sync_to_thread=False),
    }
