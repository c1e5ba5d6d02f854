"""Clients of a reseller for tests: their use as it is written down, and the list that the reseller reads."""

from typing import Any
from uuid import UUID

from service.embedded import Addresses
from tenants.client_figures import reckon
from tenants.house import House
from tests.api import Api
from tests.make import Person
from tests.tenants.rows import sql


async def cards(api: Api, by: Person, **query: Any) -> list[dict[str, Any]]:
    """The first page of the list of clients."""
    answer = await api.get("/accounts", by=by, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def names(api: Api, by: Person, **query: Any) -> list[str]:
    """Names on it, in its order."""
    return [card["name"] for card in await cards(api, by, **query)]


async def reckoned(house: House, *account_ids: UUID) -> None:
    """As the worker does every minute."""
    for account_id in account_ids:
        async with house.database.transaction(account_id) as session:
            await reckon(session)


async def use(servers: Addresses, account_id: UUID, *, days_ago: int, peak: int = 0, refused: int = 0, part: str = "1") -> None:
    """Usage of a day of the account's clock, as it is written down."""
    await sql(
        servers,
        "INSERT INTO usage_days (account_id, day, part, peak, refused, sign_ins, waited_ms, idle_ms, taken, avoided) "
        "SELECT id, timezone(time_zone, now())::date - $2::int, $5, $3, $4, 3, 90000, 60000, '{}', '{}' FROM accounts WHERE id = $1",
        account_id,
        days_ago,
        peak,
        refused,
        part,
    )


async def licence_ends(servers: Addresses, account_id: UUID, days: int) -> None:
    """Its last day is so many days after the present one of the account's clock."""
    await sql(
        servers,
        "UPDATE licences SET starts_on = '2020-01-01', ends_on = timezone(a.time_zone, now())::date + $2::int "
        "FROM accounts a WHERE a.id = account_id AND account_id = $1",
        account_id,
        days,
    )


async def old(servers: Addresses, account_id: UUID, *, opened: str, seen: str | None) -> None:
    """Opened so long ago; its first administrator signed in so long ago, or never."""
    await sql(servers, "UPDATE accounts SET created_at = now() - ($2::text)::interval WHERE id = $1", account_id, opened)
    await sql(servers, "UPDATE users SET last_login_at = now() - ($2::text)::interval WHERE account_id = $1", account_id, seen)
