"""The overview: what each person sees of the company there, and the list of first steps that goes by itself."""

import re
from datetime import UTC, datetime, timedelta

from service.embedded import Addresses
from tenants import departments, invitations
from tenants.house import House
from tenants.usage import UsageDay
from tests import make
from tests.api import Api
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import sql


async def used(house: House, company: Company, *, refused: int) -> None:
    """A day on which two places were in use, and these sign-ins refused; one place more would have avoided them."""
    async with house.database.transaction(company.account_id) as session:
        day = datetime.now(UTC).date() - timedelta(days=2)
        counts = {"refused": refused, "sign_ins": 5, "waited_ms": 90_000, "idle_ms": 60_000}
        avoided = {"3": refused}
        session.add(UsageDay(account_id=company.account_id, day=day, part="1", peak=2, taken={"2": 2}, avoided=avoided, **counts))


def links(page: str) -> set[str]:
    """Where the page's main part leads."""
    return set(re.findall(r'<a [^>]*href="([^"]+)"', page.partition("<main")[2].partition("</main>")[0]))


async def test_an_administrator_sees_use_refusals_with_advice_and_who_works(tab: Tab, house: House) -> None:
    acme = await make.company(house, plan="pro", staff=2, seats=2)
    admin = await make.actor(house, acme, acme.administrator)
    await used(house, acme, refused=4)
    async with house.database.transaction(acme.account_id) as session:
        await invitations.invite(session, house.catalogue, admin, email="nina@acme.example.com", role="user", name="Nina")
    await Tab(tab.client).sign_in(acme.staff[0])
    await tab.sign_in(acme.administrator)
    page = (await tab.open("/")).text
    for words in (
        "Places in use: 2 of 2",
        '<p class="figure">4 <small>of 6</small></p>',
        "1 invitation not accepted yet",
        '<p class="figure">4</p>',
        "3 places would have avoided 4 of 4 refusals.",
        "At most 2 places in use at once, of 2; 4 refusals.",
        f"<bdi>{acme.staff[0].name}</bdi>",
        'href="/licence"',
    ):
        assert words in page, words
    # Whoever does not work now is named by the history alone.
    assert acme.staff[1].name not in page.partition('id="latest"')[0]


async def test_staff_see_places_their_session_and_what_their_role_lets_them_do(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2)
    await used(house, acme, refused=4)
    await Tab(tab.client).sign_in(acme.administrator)
    await tab.sign_in(acme.staff[0])
    page = (await tab.open("/")).text
    assert re.search(r"<dt>Quotes</dt><dd>View, Create and edit, Delete, Print</dd>", page)
    assert "Places in use: 2 of 20" in page
    # The last one is that of a place that is held, should one ever be.
    assert links(page) == {"/me", "/connections", "/"}
    for hidden in ("Ada of Acme", "refused", "To begin with", 'href="/licence"', 'href="/users"', "Users"):
        assert hidden not in page, hidden


async def test_first_steps_go_as_they_are_taken_and_with_time(tab: Tab, api: Api, house: House, servers: Addresses) -> None:
    acme = await make.company(house, staff=0)
    admin = await make.actor(house, acme, acme.administrator)
    await tab.sign_in(acme.administrator)

    async def left() -> list[str]:
        return re.findall(r'<li><span><a href="([^"]+)">', (await tab.open("/")).text)

    assert await left() == ["/invite", "/invite", "/departments", "/settings"]
    async with house.database.transaction(acme.account_id) as session:
        await departments.create_department(session, admin, name="Paris")
        await invitations.invite(session, house.catalogue, admin, email="nina@acme.example.com", role="user", name="Nina")
    assert await left() == ["/invite", "/settings"]
    assert 'class="unseen">(done)' in tab.page.text
    await sql(servers, "UPDATE accounts SET created_at = now() - interval '31 days' WHERE id = $1", acme.account_id)
    assert "To begin with" not in (await tab.open("/")).text
    await sql(servers, "UPDATE accounts SET created_at = now() WHERE id = $1", acme.account_id)
    async with house.database.transaction(acme.account_id) as session:
        await invitations.invite(session, house.catalogue, admin, email="zoe@acme.example.com", role="administrator", name="Zoe")
    assert await left() == ["/settings"]
    await api.sign_in(acme.administrator)
    assert (await api.patch("/account", {"idle_timeout": 40}, by=acme.administrator)).status_code == 200
    await tab.sign_in(acme.administrator)
    assert "To begin with" not in (await tab.open("/")).text
