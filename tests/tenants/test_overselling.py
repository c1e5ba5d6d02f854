"""A reseller that may sell more than its pool holds: with a warning to both sides, or silently; never without a line."""

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.conftest import MailServer
from tests.make import Company
from tests.tenants.rows import sql
from tests.tenants.test_pools import boost, exceeded, licence, sell
from tests.workers.post import deliver, text_of

NBSP = "\u00a0"


@pytest.fixture
async def operator(api: Api, house: House) -> Company:
    found = await make.operator(house)
    await api.sign_in(found.administrator)
    return found


@pytest.fixture
async def north(api: Api, house: House, operator: Company) -> Company:
    """A reseller with a pool of six places, signed in."""
    reseller = await make.company(house, "North", kind="reseller", staff=0)
    await api.sign_in(reseller.administrator)
    assert (await licence(api, operator, str(reseller.account_id), pool_seats=6)).status_code == 200
    return reseller


async def allow(api: Api, operator: Company, reseller: Company, how: str) -> None:
    answer = await licence(api, operator, str(reseller.account_id), pool_seats=6, overselling=how)
    assert answer.status_code == 200, answer.text


async def lines(servers: Addresses, company: Company) -> list[tuple[object, ...]]:
    """What the company's history says of pools that were passed."""
    rows = await sql(
        servers,
        "SELECT actor_name, target_label, facts->>'what', (facts->>'pool')::int, (facts->>'given')::int, (facts->>'over')::int"
        " FROM activity WHERE account_id = $1 AND event = 'pool.oversold' ORDER BY id",
        company.account_id,
    )
    return [tuple(row) for row in rows]


async def test_a_warned_sale_happens_and_both_are_told(
    api: Api, house: House, operator: Company, north: Company, servers: Addresses, *, mail_server: MailServer
) -> None:
    await allow(api, operator, north, "warn")
    first = await sell(api, north, "First")
    assert (first.status_code, first.json()["warnings"]) == (201, [])
    await sql(servers, "UPDATE outbox SET state = 'cancelled'")
    second = await sell(api, north, "Second", "standard")
    passed = {"what": "seats", "pool": 6, "given": 6, "asked": 3, "over": 3}
    assert (second.status_code, second.json()["warnings"]) == (201, [passed])
    assert await lines(servers, north) == [("Ada of North", "Second", "seats", 6, 6, 3)]
    # The operator learns what its reseller sold, not to whom nor who of it did.
    assert await lines(servers, operator) == [(None, "North", "seats", 6, 6, 3)]
    await sql(servers, "UPDATE outbox SET state = 'cancelled' WHERE letter <> 'pool_oversold'")
    await sql(servers, "UPDATE identities SET language = 'fr' WHERE email LIKE '%@north.example.com'")
    await deliver(house)
    mails = {recipients[0]: message for _, recipients, message in mail_server.messages}
    assert sorted(mails) == sorted(one.administrator.email for one in (north, operator))
    assert mails[operator.administrator.email]["Subject"] == "North has given more than its pool holds"
    said = text_of(mails[operator.administrator.email])
    assert "Pool: 6 seats\nGiven: 9 seats\n" in said
    assert "Second" not in said
    assert f"Réserve{NBSP}: 6 places\nAttribué{NBSP}: 9 places\n" in text_of(mails[north.administrator.email])


async def test_boosts_licences_and_returns_warn_too(api: Api, operator: Company, north: Company, servers: Addresses) -> None:
    await allow(api, operator, north, "warn")
    first = (await sell(api, north, "First")).json()["id"]
    assert [one["over"] for one in (await boost(api, north, first, 2)).json()["warnings"]] == [2]
    assert [one["over"] for one in (await licence(api, north, first, seats=7)).json()["warnings"]] == [3]
    # What takes no more than before is no sale.
    assert (await licence(api, north, first, seats=6)).json()["warnings"] == []
    await api.patch(f"/accounts/{first}", {"status": "closed"}, by=north.administrator)
    back = await api.patch(f"/accounts/{first}", {"status": "active"}, by=north.administrator)
    assert [one["over"] for one in back.json()["warnings"]] == [2]
    assert len(await lines(servers, north)) == len(await lines(servers, operator)) == 3


async def test_an_allowed_sale_leaves_lines_and_no_mail(api: Api, operator: Company, north: Company, servers: Addresses) -> None:
    await allow(api, operator, north, "allow")
    answer = await sell(api, north, "Large", "enterprise")
    assert (answer.status_code, answer.json()["warnings"]) == (201, [])
    assert len(await lines(servers, north)) == len(await lines(servers, operator)) == 1
    assert await sql(servers, "SELECT 1 FROM outbox WHERE letter = 'pool_oversold'") == []


async def test_refusal_is_what_a_licence_says_unless_the_operator_says_otherwise(
    api: Api, operator: Company, north: Company
) -> None:
    await allow(api, operator, north, "allow")
    first = (await sell(api, north, "First")).json()["id"]
    assert (await licence(api, north, first, seats=9)).status_code == 200
    await allow(api, operator, north, "refuse")
    assert exceeded(await licence(api, north, first, seats=10)) == (6, 0, 10)
    below = await sell(api, north, "Below", "basic", kind="reseller")
    assert exceeded(below) == (6, 9, 1)


async def test_only_the_operator_allows_overselling(api: Api, operator: Company, north: Company) -> None:
    assert (await licence(api, operator, str(north.account_id), pool_seats=20)).status_code == 200
    below = (await sell(api, north, "Below", "basic", kind="reseller")).json()["id"]
    answer = await licence(api, north, below, plan="basic", pool_seats=1, overselling="warn")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await licence(api, north, below, plan="basic", pool_seats=1, overselling="refuse")).status_code == 200
