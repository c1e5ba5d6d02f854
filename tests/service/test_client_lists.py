"""Lists of clients: who needs attention stands first, whatever order is asked for shows everybody once, and nobody sees a grandchild."""

import pytest
from sqlalchemy import text

from service.embedded import Addresses
from tenants.client_lists import count_users_of
from tenants.house import House
from tests import make
from tests.api import Api
from tests.clients import cards, names, reckoned, use
from tests.make import Company
from tests.tenants.rows import sql

_WHERE_AM_I = text("SELECT current_setting('app.account_id')")


@pytest.fixture
async def seller(api: Api, house: House) -> Company:
    """A reseller whose administrator has signed in."""
    made = await make.company(house, "Resale", kind="reseller", staff=0)
    await api.sign_in(made.administrator)
    return made


SORTS = ("attention", "-attention", "name", "-name", "created_at", "-created_at")


@pytest.mark.parametrize("way", [f"{path}?sort={sort}" for path in ("/accounts", "/usage") for sort in SORTS])
async def test_pages_show_every_client_once(api: Api, house: House, servers: Addresses, seller: Company, way: str) -> None:
    for name in ("C", "A", "D", "B", "E"):
        await make.company(house, name, parent=seller, staff=0)
    # Equal values on both sides of a page's end.
    urgent = "UPDATE client_figures SET urgency = 8 FROM accounts WHERE id = account_id AND name < 'C'"
    await sql(servers, urgent)
    await sql(servers, "UPDATE accounts SET created_at = '2026-01-01' WHERE name < 'D'")
    whole = (await api.get(way, by=seller.administrator)).json()["items"]
    assert {one["name"] for one in whole} == set("ABCDE")
    for limit in (1, 2, 4, 5):
        found, cursor = [], ""
        while cursor is not None:
            following = f"&cursor={cursor}" if cursor else ""
            page = (await api.get(f"{way}&limit={limit}{following}", by=seller.administrator)).json()
            found += page["items"]
            cursor = page["next_cursor"]
        assert [one["id"] for one in found] == [one["id"] for one in whole]


async def test_a_cursor_opens_only_the_list_it_was_made_for(api: Api, house: House, seller: Company) -> None:
    for name in ("A", "B"):
        await make.company(house, name, parent=seller, staff=0)
    cursor = (await api.get("/accounts?limit=1", by=seller.administrator)).json()["next_cursor"]
    for other in ("attention=any", "sort=name", "sort=-attention", "q=a", "status=active"):
        answer = await api.get(f"/accounts?{other}&cursor={cursor}", by=seller.administrator)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "cursor"), other
    assert (await api.get(f"/usage?cursor={cursor}", by=seller.administrator)).status_code == 422
    unknown = await api.get("/accounts?sort=users", by=seller.administrator)
    assert unknown.json()["errors"][0]["facts"] == {"known": ["attention", "created_at", "name"]}


async def test_nobody_sees_a_grandchild_or_another_sellers_client(api: Api, house: House, seller: Company) -> None:
    boss = (await make.operator(house)).administrator
    below = await make.company(house, "Below", parent=seller, kind="reseller", staff=0)
    grandchild = await make.company(house, "Grandchild", parent=below, staff=0)
    rival = await make.company(house, "Rival", kind="reseller", staff=0)
    theirs = await make.company(house, "Theirs", parent=rival, staff=0)
    for person in (boss, below.administrator, rival.administrator):
        await api.sign_in(person)
    seen = {boss: ["Resale", "Rival"], seller.administrator: ["Below"], below.administrator: ["Grandchild"]}
    seen[rival.administrator] = ["Theirs"]
    for person, expected in seen.items():
        for sort in ("attention", "name", "created_at"):
            assert sorted(await names(api, person, sort=sort)) == expected
        usage = (await api.get("/usage", by=person)).json()["items"]
        assert sorted(one["name"] for one in usage) == expected
    unknown = await api.get("/accounts/01990000-0000-7000-8000-000000000000/usage", by=seller.administrator)
    for other in (grandchild, theirs, rival, seller):
        for path in ("", "/usage"):
            answer = await api.get(f"/accounts/{other.account_id}{path}", by=seller.administrator)
            assert (answer.status_code, answer.json()["code"]) == (404, unknown.json()["code"])


async def test_a_card_says_who_works_and_what_is_bought(api: Api, house: House, servers: Addresses, seller: Company) -> None:
    acme = await make.company(house, parent=seller, staff=2, seats=5)
    for person in acme.people:
        await api.sign_in(person)
    await api.delete("/session", by=acme.staff[0])
    await sql(
        servers,
        "INSERT INTO boosts (account_id, id, seats, starts_at, ends_at, by_name, ended_at) VALUES "
        "($1, gen_random_uuid(), 4, now() - interval '1 day', now() + interval '1 hour', 'x', NULL), "
        "($1, gen_random_uuid(), 9, now() + interval '1 hour', now() + interval '1 day', 'x', NULL), "
        "($1, gen_random_uuid(), 9, now() - interval '2 days', now() - interval '1 second', 'x', NULL), "
        "($1, gen_random_uuid(), 9, now() - interval '2 days', now() + interval '1 day', 'x', now())",
        acme.account_id,
    )
    (card,) = await cards(api, seller.administrator)
    assert [card[name] for name in ("name", "seats", "boosted", "in_use", "users", "standing")] == ["Acme", 5, 4, 2, 3, "active"]
    assert card == (await api.get(f"/accounts/{acme.account_id}", by=seller.administrator)).json()


async def test_users_of_clients_are_counted_as_each_licence_counts_them(
    api: Api, house: House, servers: Addresses, seller: Company
) -> None:
    acme = await make.company(house, parent=seller, staff=5)
    other = await make.company(house, "Elsewhere", staff=2)
    suspended, struck, deleted, expired, invited = (person.user_id for person in acme.staff)
    for user_id, status, until in (
        (suspended, "suspended", None),
        (struck, "struck_off", None),
        (deleted, "deleted", None),
        (expired, "invited", "-1 second"),
        (invited, "invited", "1 hour"),
    ):
        statement = "UPDATE users SET status = $2, invited_until = now() + ($3::text)::interval WHERE id = $1"
        await sql(servers, statement, user_id, status, until)
    (card,) = await cards(api, seller.administrator)
    licence = (await api.get(f"/accounts/{acme.account_id}/licence", by=seller.administrator)).json()
    assert card["users"] == 3
    assert licence["users"]["used"] == 3
    async with house.database.transaction(seller.account_id) as session:
        asked = [acme.account_id, other.account_id, seller.account_id]
        assert await count_users_of(session, asked) == {acme.account_id: 3}
        # Still in the account that was entered.
        (found,) = await session.execute(_WHERE_AM_I)
        assert found[0] == str(seller.account_id)


async def test_usage_sums_the_days_asked_for(api: Api, house: House, servers: Addresses, seller: Company) -> None:
    acme = await make.company(house, parent=seller, seats=10, staff=0)
    await make.company(house, "Idle", parent=seller, staff=0)
    for days_ago, peak, refused in ((0, 2, 1), (1, 7, 2), (29, 3, 4), (30, 9, 8)):
        await use(servers, acme.account_id, days_ago=days_ago, peak=peak, refused=refused)
    # Another life of the counters on the same day.
    await use(servers, acme.account_id, days_ago=1, peak=5, refused=16, part="2")
    await reckoned(house, acme.account_id)
    found = (await api.get("/usage", by=seller.administrator)).json()["items"]
    assert [one["name"] for one in found] == ["Acme", "Idle"]
    assert [found[0][name] for name in ("peak", "refused", "sign_ins", "minutes_waited", "idle_seat_minutes", "seats")] == [
        7, 23, 12, 6, 4, 10,
    ]  # fmt: skip
    assert found[0]["attention"] == ["refusals"]
    assert [found[1][name] for name in ("peak", "refused", "sign_ins", "minutes_waited")] == [0, 0, 0, 0]
    (today,) = await sql(servers, "SELECT timezone('Europe/Paris', now())::date AS day")
    yesterday = today["day"].fromordinal(today["day"].toordinal() - 1).isoformat()
    one = (await api.get(f"/usage?from={yesterday}&to={yesterday}", by=seller.administrator)).json()["items"][0]
    assert [one[name] for name in ("peak", "refused", "sign_ins")] == [7, 18, 6]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("from=2026-03-02&to=2026-03-01", "to", "before_start"),
        ("from=0001-01-01", "from", "out_of_range"),
        ("to=9999-12-31", "to", "out_of_range"),
        ("to=0001-01-02", "to", "out_of_range"),
        ("from=yesterday", "from", None),
        ("from=2026-02-30", "from", None),
    ],
)
async def test_impossible_days_are_refused(api: Api, seller: Company, query: str, field: str, code: str | None) -> None:
    for path in ("/usage", "/usage/export"):
        answer = await api.get(f"{path}?{query}", by=seller.administrator)
        assert answer.status_code == 422, answer.text
        error = answer.json()["errors"][0]
        assert error["field"] == field
        assert code is None or error["code"] == code


async def test_a_seller_reads_a_clients_days_and_advice_as_the_client_does(
    api: Api, house: House, servers: Addresses, seller: Company
) -> None:
    acme = await make.company(house, parent=seller, seats=2, staff=2)
    await api.sign_in(acme.administrator)
    await api.sign_in(acme.staff[0])
    refused = await api.sign_in(acme.staff[1])
    assert refused.status_code == 409
    await use(servers, acme.account_id, days_ago=3, peak=2, refused=0)
    theirs = (await api.get("/account/seats?days=10", by=acme.administrator)).json()
    ours = await api.get(f"/accounts/{acme.account_id}/usage?days=10", by=seller.administrator)
    assert ours.json() == theirs
    assert [day["refusals"] for day in ours.json()["days"]] == [1, 0]
    assert "Ada" not in ours.text
    assert (await api.get(f"/accounts/{acme.account_id}/usage?days=0", by=seller.administrator)).status_code == 422
