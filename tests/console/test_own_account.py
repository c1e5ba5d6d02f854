"""One's own account: name and language, password, sessions and rights; and the pages of refusals."""

import re

import pytest

from service.embedded import Addresses
from tenants import assignments, departments, invitations
from tenants.house import House
from tests import make
from tests.console.links import NEW_PASSWORD
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import sql


@pytest.fixture
async def acme(house: House) -> Company:
    """With one other person, who works in Beta as well."""
    acme = await make.company(house, staff=1)
    beta = await make.company(house, "Beta", staff=0)
    admin = await make.actor(house, beta, beta.administrator)
    async with house.database.transaction(beta.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email=acme.staff[0].email, role="user", name="Of Beta")
    await make.accept(house, beta.account_id, user.id)
    return acme


def another(tab: Tab) -> Tab:
    """Another browser."""
    return Tab(tab.client, accept_language="en")


async def enters(tab: Tab, company: Company, account: str = "Acme") -> Tab:
    """The person signs in, and chooses the account."""
    page = await tab.sign_in(company.staff[0])
    ticket = re.search(rf'name="ticket" value="([^"]+)">\s*<button[^>]*><bdi>{account}</bdi>', page.text)
    assert ticket is not None
    assert (await tab.submit("/login", ticket=ticket[1])).status_code == 303
    return tab


async def test_the_name_is_this_accounts_and_the_language_goes_everywhere(
    tab: Tab, house: House, servers: Addresses, acme: Company
) -> None:
    beta = await enters(another(tab), acme, "Beta")
    await enters(tab, acme)
    await tab.open("/me")
    for name, words in (("", "Write your name."), ("x" * 121, "120 characters at most"), ("A\u202eda", "invisible characters")):
        wrong = await tab.submit("/me", name=name, language="fr")
        assert (wrong.status_code, words in wrong.text) == (422, True), name
        assert f'name="name" type="text" value="{name}"' in wrong.text
        assert '<option value="fr" selected>' in wrong.text
    assert (await tab.submit("/me", name="Ada", language="de")).status_code == 422
    assert await sql(servers, "SELECT 1 FROM activity WHERE event = 'user.changed'") == []
    form = tab.form("/me")
    for _ in range(2):
        saved = await tab.post("/me", {**form, "name": "y" * 120, "language": "fr"})
        assert (saved.status_code, saved.headers["location"]) == (303, "/me?done=saved")
    page = (await tab.open("/me?done=saved")).text
    assert ("C’est enregistré." in page, "y" * 120 in page, '<html lang="fr">' in page) == (True, True, True)
    told = await sql(servers, "SELECT account_id, actor_name, facts FROM activity WHERE event = 'user.changed'")
    assert [(row[0], row[1]) for row in told] == [(acme.account_id, acme.staff[0].name)]
    page = (await beta.open("/me")).text
    assert ("Of Beta" in page, "y" * 120 in page, '<html lang="fr">' in page) == (True, False, True)


async def test_a_new_password_ends_the_other_sessions_everywhere(tab: Tab, acme: Company) -> None:
    beta, second = await enters(another(tab), acme, "Beta"), another(tab)
    await enters(tab, acme)
    await tab.open("/me")
    for current, new, words, status in (
        ("", NEW_PASSWORD, "Write your current password.", 422),
        ("not the password", NEW_PASSWORD, "This is not your password.", 401),
        ("x" * 129, NEW_PASSWORD, "This is not your password.", 401),
        (make.PASSWORD, "short", "at least 12 characters", 422),
        (make.PASSWORD, "passwordpassword", "too easy to guess", 422),
    ):
        wrong = await tab.submit("/me/password", current=current, password=new)
        assert (wrong.status_code, words in wrong.text, '<details class="confirm" open>' in wrong.text) == (status, True, True), (
            words
        )
        assert NEW_PASSWORD not in wrong.text
    assert (await beta.open("/")).status_code == 200
    form = {**tab.form("/me/password"), "current": make.PASSWORD, "password": NEW_PASSWORD}
    done = await tab.post("/me/password", form)
    assert (done.status_code, done.headers["location"]) == (303, "/me?done=password")
    assert (await tab.post("/me/password", form)).status_code == 401
    assert "Your password is changed." in (await tab.open("/me?done=password")).text
    assert (await beta.open("/")).headers["location"] == "/login"
    await second.open("/login")
    assert (await second.submit("/login", email=acme.staff[0].email, password=make.PASSWORD)).status_code == 401
    assert (await second.submit("/login", email=acme.staff[0].email, password=NEW_PASSWORD)).status_code == 409


async def test_ones_own_sessions_end_one_by_one_or_all_and_nobody_elses(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1, seats=5)
    async with house.database.transaction(acme.account_id) as session:
        from tenants.accounts import get_account

        (await get_account(session, acme.account_id)).sessions_per_user = 3
    others = [another(tab), another(tab)]
    for each in (tab, *others):
        await each.sign_in(acme.staff[0])
    administrator = another(tab)
    await administrator.sign_in(acme.administrator)
    page = (await tab.open("/me")).text
    assert "Ada of Acme" not in page
    mine = re.findall(r'name="session" value="([^"]+)"', page)
    assert len(mine) == 2
    page = (await administrator.open("/me")).text
    assert "Nowhere else in this account." in page
    form = administrator.form("/me")["form_token"]
    answer = await administrator.post("/me/sessions/end", {"form_token": form, "session": mine[0]})
    assert answer.status_code == 303
    assert (await others[1].open("/")).status_code == 200
    for _ in range(2):
        await tab.open("/me")
        ended = await tab.post("/me/sessions/end", {"form_token": tab.form("/me")["form_token"], "session": mine[0]})
        assert ended.headers["location"] == "/me?done=ended"
    assert [(await each.open("/")).status_code for each in others] == [200, 303]
    await tab.open("/me?done=ended")
    assert (await tab.submit("/me/sessions/end", session="")).headers["location"] == "/me?done=all-ended"
    assert [(await each.open("/")).status_code for each in (tab, administrator, *others)] == [200, 200, 303, 303]
    assert "You ended this session from another one" in (await others[0].open("/login")).text


async def test_everybody_reads_what_they_may_do_and_where(tab: Tab, house: House) -> None:
    acme = await make.company(house, plan="pro", staff=1, seats=1)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        lyon = await departments.create_department(session, admin, name="Lyon")
        await assignments.change_user(session, house.catalogue, admin, acme.staff[0].user_id, wanted={"departments": [lyon.id]})
    await tab.sign_in(acme.staff[0])
    assert '<li><a href="/me"' in (await tab.open("/")).text
    page = (await tab.open("/me/rights")).text
    for words in ("<bdi>User</bdi>", "<bdi>Lyon</bdi>", "The application"):
        assert words in page
    assert "Administration of the account" not in page
    boss = another(tab)
    await boss.sign_in(acme.administrator)
    await boss.submit("/login", management="yes")
    assert 'href="/me"' not in (await boss.open("/")).text
    assert (await boss.open("/me")).status_code == 403


async def test_the_limit_page_is_looked_at_again_without_taking_a_place(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    first = another(tab)
    await first.sign_in(acme.administrator)
    await tab.sign_in(acme.staff[0])
    form = {**tab.form("/full"), "slowly": ""}
    page = await tab.post("/full", form)
    assert (page.status_code, "All places are taken" in page.text, "Ada of Acme" in page.text) == (200, True, True)
    await first.open("/")
    await first.submit("/logout")
    for _ in range(2):
        page = await tab.post("/full", form)
        assert ("A place is free" in page.text, "Places in use: 0 of 1" in page.text, "Wait in line" in page.text) == (
            True,
            True,
            False,
        )
    assert tab.session is None
    assert (await first.sign_in(acme.administrator)).status_code == 303
    waits = another(tab)
    await waits.sign_in(acme.staff[1])
    await waits.submit("/wait")
    await first.open("/")
    await first.submit("/logout")
    page = await tab.post("/full", form)
    assert ("All places are taken" in page.text, "1 place is free, and held for somebody" in page.text) == (True, True)
    await waits.open("/wait")
    assert (await waits.submit("/login")).status_code == 303
    assert "Places in use: 1 of 1" in (await tab.post("/full", form)).text
    assert (await tab.post("/full", {**form, "ticket": ""})).status_code == 401
    for ticket in ("x", form["ticket"][:-4] + "AAAA"):
        answer = await tab.post("/full", {**form, "ticket": ticket})
        assert (answer.status_code, "Your time to choose is over" in answer.text) == (401, True), ticket


async def test_a_refusal_says_what_to_do_next_in_both_languages(tab: Tab) -> None:
    back = {"en": "Back to the first page", "fr": "Retour à la première page"}
    for method, path, status, english, french in (
        ("GET", "/nothing-here", 404, "It may have been removed meanwhile.", "a peut-être été supprimé entre-temps"),
        ("GET", "/me/password", 405, "this address only takes what a form sends", "ne fait que recevoir un formulaire"),
        ("POST", "/forgot", 403, "send the form once more", "renvoyez le formulaire"),
    ):
        for language, words in (("en", english), ("fr", french)):
            answer = await tab.send(method, path, headers={"accept": "text/html", "accept_language": language})
            assert (answer.status_code, words in answer.text, back[language] in answer.text) == (status, True, True), answer.text
