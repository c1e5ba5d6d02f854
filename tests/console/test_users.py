"""The pages about users: found and filtered, changed alone and together, with every guard explained."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx

from tenants import assignments, custom_roles, departments, invitations
from tenants.accounts import Account
from tenants.house import House
from tenants.licences import lock_licence
from tenants.users import User
from tests import make
from tests.console.tab import Tab
from tests.make import Company, Person


async def invite(house: House, company: Company, *names: str, role: str = "user") -> list[UUID]:
    """People who are invited and have not come yet."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        return [
            (
                await invitations.invite(
                    session, house.catalogue, admin, email=f"{name.lower()}@{company.slug}.example.com", role=role, name=name
                )
            ).id
            for name in names
        ]


async def own_role(house: House, company: Company, person: Person, *rights: str) -> None:
    """Give somebody a role of these rights alone."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        role = await custom_roles.create_role(session, house.catalogue, admin, name="Their own", rights=list(rights))
        await assignments.change_user(session, house.catalogue, admin, person.user_id, wanted={"role": role})


async def stored(house: House, company: Company, user_id: UUID) -> User:
    async with house.database.transaction(company.account_id) as session:
        return await session.get_one(User, (company.account_id, user_id))


def shown(page: httpx.Response) -> list[str]:
    """Names in the rows of the list, in their order."""
    return re.findall(r'<th scope="row" role="rowheader"><a href="/users/[^"]+"><bdi>([^<]+)', page.text)


async def send(tab: Tab, to: str, /, **typed: Any) -> httpx.Response:
    """Post a form with nothing in it but its token and what is typed."""
    if 'action="/logout"' not in tab.page.text:
        await tab.open("/")
    return await tab.post(to, {"form_token": tab.form("/logout")["form_token"], **typed})


async def test_the_list_is_searched_filtered_sorted_and_paged(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    await invite(house, acme, "Élodie", *(f"Guest{number:02}" for number in range(50)))
    await tab.sign_in(acme.administrator)
    first = await tab.open("/users")
    assert shown(first)[:3] == ["Ada of Acme", "Élodie", "Guest00"]
    assert len(shown(first)) == 50
    more = re.search(r'href="(/users\?[^"]*cursor=[^"]+)" rel="next"', first.text)
    assert more
    assert shown(await tab.open(more[1].replace("&amp;", "&"))) == ["Guest48", "Guest49", "Person 0 of Acme"]
    assert "Back to the first page" in tab.page.text
    assert shown(await tab.open("/users?q=ELOD")) == ["Élodie"]
    assert 'value="ELOD"' in tab.page.text
    assert shown(await tab.open("/users?status=active")) == ["Ada of Acme", "Person 0 of Acme"]
    assert shown(await tab.open("/users?connected=yes")) == ["Ada of Acme"]
    assert shown(await tab.open("/users?role=administrator&connected=no")) == []
    assert "Nobody matches" in tab.page.text
    assert shown(await tab.open("/users?sort=-name&status=active")) == ["Person 0 of Acme", "Ada of Acme"]
    assert 'aria-sort="descending"><a href="/users?status=active">Name' in tab.page.text
    assert (await tab.open("/users?q=" + "x" * 101)).status_code == 422
    assert "Your search is too long: it can have 100 characters at most." in tab.page.text
    # Words that mean nothing are as if they were not there; a cursor that is not ours is refused.
    assert (await tab.open("/users?status=x&department=x&connected=x&sort=x")).status_code == 200
    assert (await tab.open("/users?cursor=x")).status_code == 422


async def test_whoever_is_alone_is_asked_to_invite(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    page = (await tab.open("/users")).text
    assert "You are alone here" in page
    assert 'href="/invite"' in page


async def test_without_the_right_there_is_no_page_and_with_less_no_form(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=2)
    reader, other = acme.staff
    await tab.sign_in(other)
    assert 'href="/users"' not in (await tab.open("/")).text
    for path in ("/users", f"/users/{reader.user_id}", f"/users/{reader.user_id}/rights", f"/users/{reader.user_id}/sessions"):
        assert (await tab.open(path)).status_code == 403
    await own_role(house, acme, reader, "users.view")
    await tab.open("/login")
    tab = Tab(client, accept_language="en")
    await tab.sign_in(reader)
    page = (await tab.open("/users")).text
    assert 'href="/invite"' not in page
    assert 'type="checkbox"' not in page
    page = (await tab.open(f"/users/{other.user_id}")).text
    assert re.findall(r'<form method="post" action="/users[^"]*"', page) == []
    assert "/sessions" not in page
    assert (await tab.open(f"/users/{other.user_id}/rights")).status_code == 200
    assert 'action="/users' not in tab.page.text
    about = f"/users/{other.user_id}"
    for action in ("name", "role", "suspend", "strike-off", "delete", "restrictions", "invitation", "sessions/end"):
        assert (await send(tab, f"{about}/{action}")).status_code == 403, action
    for action in ("role", "sign-out"):
        assert (await send(tab, "/users/selected", action=action, user=str(other.user_id))).status_code == 403
        step = "sign-out" if action == "sign-out" else "change"
        assert (await send(tab, f"/users/selected/{step}", action=action, user=str(other.user_id))).status_code == 403
    assert (await stored(house, acme, other.user_id)).status == "active"


async def test_somebody_of_another_account_is_nobody(tab: Tab, house: House) -> None:
    acme, beta = await make.company(house, staff=0), await make.company(house, "Beta", staff=1)
    theirs = beta.staff[0].user_id
    await tab.sign_in(acme.administrator)
    await tab.open("/users")
    for user_id in (theirs, uuid4()):
        for part in ("", "/rights", "/sessions"):
            assert (await tab.open(f"/users/{user_id}{part}")).status_code == 404
        await tab.open("/users")
        for action in ("name", "role", "suspend", "activate", "strike-off", "delete", "invitation", "invitation/withdraw",
                       "password-reset", "restrictions", "sessions/end"):  # fmt: skip
            assert (await send(tab, f"/users/{user_id}/{action}", role="user", name="x")).status_code == 404, action
        for fields in ({"action": "suspend"}, {"action": "role", "role": "user"}, {"action": "departments"}):
            answer = await send(tab, "/users/selected/change", user=str(user_id), **fields)
            result = await tab.open(answer.headers["location"])
            assert "Beta" not in result.text
        assert beta.staff[0].name not in (await send(tab, "/users/selected", action="suspend", user=str(user_id))).text
    assert (await stored(house, beta, theirs)).status == "active"
    for of in ("", "x", "AAAA"):
        assert (await tab.open(f"/users/selected/result?of={of}")).status_code == 404


async def test_several_are_looked_at_first_and_then_changed_one_by_one(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=3, roles=("simple_administrator", "user", "user"))
    deputy, first, _ = acme.staff
    [guest] = await invite(house, acme, "Nina")
    await tab.sign_in(deputy)
    await tab.open("/users")
    everybody = [str(person.user_id) for person in acme.people] + [str(guest)]
    assert (await send(tab, "/users/selected", action="role", back="/users?q=a")).headers["location"] == "/users?q=a&done=nobody"
    assert "Tick at least one person first." in (await tab.open("/users?q=a&done=nobody")).text
    look = await send(tab, "/users/selected", action="role", user=everybody)
    assert "3 people are concerned" in look.text
    assert "Has rights or departments that you do not have." in look.text
    assert "This is you: nobody does this to themselves." in look.text
    assert 'value="administrator"' not in look.text
    # Nothing is changed yet; and who was left out is left out again, whatever is sent.
    assert (await stored(house, acme, first.user_id)).role == "user"
    missing = await send(tab, "/users/selected/change", action="role", user=everybody)
    assert (missing.status_code, "Choose a role." in missing.text) == (422, True)
    beyond = await send(tab, "/users/selected/change", action="role", role="administrator", user=everybody)
    assert beyond.status_code == 403
    for _ in range(2):
        answer = await send(tab, "/users/selected/change", action="role", role="user_without_deletion", user=everybody)
        assert answer.status_code == 303
        result = (await tab.open(answer.headers["location"])).text
        assert "Done for 3 of 5 people. The others stay as they were." in result
        assert result.count("Has the role now") == 3
    roles = [(await stored(house, acme, UUID(user_id))).role for user_id in everybody]
    assert roles == ["administrator", "simple_administrator", *["user_without_deletion"] * 3]


async def test_one_refusal_undoes_nobody_else_s_change(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=2)
    [guest] = await invite(house, acme, "Nina")
    other = Tab(client, accept_language="en")
    await other.sign_in(acme.staff[0])
    await tab.sign_in(acme.administrator)
    await tab.open("/users")
    chosen = [str(acme.staff[0].user_id), str(guest), str(acme.staff[1].user_id)]
    wrong = await send(
        tab, "/users/selected/change", action="suspend", user=chosen, suspended_until="2020-01-01", reason="A long trip"
    )
    assert wrong.status_code == 422
    assert "This day is past." in wrong.text
    assert 'value="A long trip"' in wrong.text
    answer = await send(tab, "/users/selected/change", action="suspend", user=chosen, reason="A long trip")
    result = (await tab.open(answer.headers["location"])).text
    assert "Done for 2 of 3 people." in result
    assert [(await stored(house, acme, UUID(user_id))).status for user_id in chosen] == ["suspended", "invited", "suspended"]
    assert (await other.open("/")).headers["location"] == "/login"
    answer = await send(tab, "/users/selected/change", action="resend", user=chosen)
    assert "Done for 1 of 3 people." in (await tab.open(answer.headers["location"])).text
    answer = await send(tab, "/users/selected/sign-out", action="sign-out", user=[str(acme.administrator.user_id), chosen[0]])
    assert "This is you" in (await tab.open(answer.headers["location"])).text


async def test_every_administrator_but_one_can_lose_it_together(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2, roles=("administrator", "user"))
    await own_role(house, acme, acme.people[2], "users.view", "users.manage")
    await tab.sign_in(acme.people[2])
    await tab.open("/users")
    refused = await send(tab, "/users/selected", action="suspend", user=[str(person.user_id) for person in acme.people[:2]])
    assert "Nobody can be changed this way" in refused.text
    await send(tab, "/logout")
    await tab.sign_in(acme.people[1])
    await tab.open(f"/users/{acme.administrator.user_id}")
    assert "The last active administrator" not in tab.page.text
    await send(tab, f"/users/{acme.administrator.user_id}/role", role="user", where="all")
    page = (await tab.open(f"/users/{acme.people[1].user_id}")).text
    assert "The last active administrator stays active. Name another one first." in page
    refused = await send(tab, f"/users/{acme.people[1].user_id}/role", role="user", where="all")
    assert (refused.status_code, "An account keeps at least one active administrator." in refused.text) == (409, True)


async def test_a_suspension_lasts_until_the_end_of_its_last_day(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    about, user_id = f"/users/{acme.staff[0].user_id}", acme.staff[0].user_id
    # Where a day ends after that of UTC has begun.
    there = ZoneInfo("America/New_York")
    async with house.database.transaction(acme.account_id) as session:
        (await session.get_one(Account, acme.account_id)).time_zone = "America/New_York"
    today = datetime.now(there).date()
    await tab.sign_in(acme.administrator)
    await tab.open(about)
    for day, words in (
        ((today - timedelta(days=1)).isoformat(), "This day is past."),
        ("soon", "Choose a day, or leave it empty."),
    ):
        refused = await send(tab, f"{about}/suspend", suspended_until=day, reason="Kept")
        assert (refused.status_code, words in refused.text) == (422, True)
        assert 'value="Kept"' in refused.text
        assert '<details class="confirm" open>' in refused.text
    ends = today + timedelta(days=3)
    assert (await send(tab, f"{about}/suspend", suspended_until=ends.isoformat(), reason="Leave")).status_code == 303
    user = await stored(house, acme, user_id)
    midnight = datetime(ends.year, ends.month, ends.day, tzinfo=there) + timedelta(days=1)
    assert (user.standing, user.suspended_until) == ("suspended", midnight.astimezone(UTC))
    assert f"until {ends.day} {ends:%B %Y}</span>" in (await tab.open("/users")).text
    page = (await tab.open(about)).text
    assert f'value="{ends.isoformat()}"' in page
    assert "End the suspension" in page
    assert (await send(tab, f"{about}/activate")).headers["location"] == f"{about}?done=activated"
    starts = today + timedelta(days=2)
    await send(tab, f"{about}/suspend", suspended_from=starts.isoformat())
    assert "Cancel the planned suspension" in (await tab.open(about)).text
    assert (await stored(house, acme, user_id)).standing == "active"
    assert (await send(tab, f"{about}/strike-off")).status_code == 303
    async with house.database.transaction(acme.account_id) as session:
        (await lock_licence(session)).users = 1
    await tab.open(about)
    full = await send(tab, f"{about}/activate")
    assert (full.status_code, "The licence allows 1; 1 are in use." in full.text) == (409, True)
    assert (await send(tab, f"{about}/delete")).headers["location"] == "/users?done=deleted"
    assert shown(await tab.open("/users?done=deleted")) == ["Ada of Acme"]
    assert (await tab.open(about)).status_code == 404


async def test_an_invitation_is_sent_again_and_withdrawn(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    [guest] = await invite(house, acme, "Nina")
    about = f"/users/{guest}"
    await tab.sign_in(acme.administrator)
    assert "Mail is waiting to leave" in (await tab.open(about)).text
    for days in ("0", "31", "x"):
        refused = await send(tab, f"{about}/invitation", valid_days=days, message="Do come")
        assert (refused.status_code, "Write a number of days from 1 to 30." in refused.text) == (422, True)
        assert "Do come</textarea>" in refused.text
    before = await make.invitation_token(house, acme.account_id, guest)
    for days in ("1", "30"):
        assert (await send(tab, f"{about}/invitation", valid_days=days)).status_code == 303
    assert await make.invitation_token(house, acme.account_id, guest) != before
    for _ in range(2):
        assert (await send(tab, f"{about}/invitation/withdraw")).status_code == 303
    page = (await tab.open(about)).text
    assert "Withdrawn" in page
    assert "Withdraw it…" not in page
    refused = await send(tab, f"/users/{acme.staff[0].user_id}/invitation")
    assert (refused.status_code, "This person has accepted the invitation already." in refused.text) == (409, True)
    assert (await send(tab, f"/users/{acme.staff[0].user_id}/password-reset")).status_code == 303


async def test_name_departments_and_what_is_hidden(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    about, user_id = f"/users/{acme.staff[0].user_id}", acme.staff[0].user_id
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        paris = await departments.create_department(session, admin, name="Paris")
    await tab.sign_in(acme.administrator)
    await tab.open(about)
    assert (await send(tab, f"{about}/name", name="Léa & <b>Co</b>")).status_code == 303
    assert "<bdi>Léa &amp; &lt;b&gt;Co&lt;/b&gt;</bdi>" in (await tab.open(about)).text
    too_long = await send(tab, f"{about}/name", name="x" * 121)
    assert (too_long.status_code, f'value="{"x" * 121}"' in too_long.text) == (422, True)
    nowhere = await send(tab, f"{about}/role", role="user", where="some")
    assert "Tick at least one department, or choose all of them." in nowhere.text
    assert (await send(tab, f"{about}/role", role="user", where="some", department=str(paris.id))).status_code == 303
    assert (await stored(house, acme, user_id)).departments == [paris.id]
    assert (await send(tab, f"{about}/restrictions", section=["stock", "hours"])).status_code == 303
    page = (await tab.open(f"{about}/rights")).text
    for words in (
        "Status: Active", "Role: User", "Only in these departments: Paris", "Stock, Working hours", "– hidden from this person",
        "– not in the role “User”",
    ):  # fmt: skip
        assert words in page
    wrong = await send(tab, f"{about}/restrictions", section="nothing")
    assert (wrong.status_code, "One of these sections is not there any more." in wrong.text) == (422, True)
    assert "Nothing can be hidden from an administrator." in (await tab.open(f"/users/{acme.administrator.user_id}/rights")).text


async def test_connections_of_one_person_end_one_by_one_and_together(tab: Tab, client: httpx.AsyncClient, house: House) -> None:
    acme = await make.company(house, staff=1)
    about = f"/users/{acme.staff[0].user_id}/sessions"
    await tab.sign_in(acme.administrator)
    assert "This person has never signed in." in (await tab.open(about)).text
    other = Tab(client, accept_language="en", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    await other.sign_in(acme.staff[0])
    page = (await tab.open(about)).text
    assert "Firefox, Linux" in page
    assert "At work" in page
    refused = await send(tab, f"{about}/end", reason="x" * 301)
    assert (refused.status_code, "x" * 301 in refused.text) == (422, True)
    assert (await other.open("/")).status_code == 200
    (one,) = re.findall(r'action="(/sessions/[^"]+/end)"', (await tab.open(about)).text)
    for _ in range(2):
        back = await send(tab, one, user=str(acme.staff[0].user_id))
        assert back.headers["location"].partition("?")[0] == about
    assert "The session has ended." in (await tab.open(f"{about}?done=ended")).text
    assert (await other.open("/")).headers["location"] == "/login"
    mine = (await tab.open(f"/users/{acme.administrator.user_id}/sessions")).text
    assert ("this session" in mine, "End this session" in mine) == (True, False)
    await other.sign_in(acme.staff[0])
    for _ in range(2):
        assert (await send(tab, f"{about}/end", reason="Lost laptop")).status_code == 303
    assert "Not signed in now" in (await tab.open(about)).text
    assert (await other.open("/")).headers["location"] == "/login"
