"""Invitation and reset links: pages that show, buttons that use up, and what to do about a link that is over."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from tenants import departments, invitations
from tenants.house import House
from tenants.invitations import Invitation
from tests import make
from tests.api import Api
from tests.console.links import NEW_PASSWORD, invited, reset_token
from tests.console.tab import Tab


async def test_joining_by_an_invitation_ends_at_a_filled_in_sign_in(tab: Tab, house: House) -> None:
    acme, token = await invited(house)
    page = await tab.open(f"/invitation?token={token}")
    assert page.status_code == 200
    for words in ("Join Acme", "Ada of Acme", "new@acme.example.com", "At least 12 characters"):
        assert words in page.text
    weak = await tab.submit("/invitation", name="Nina", password="acme acme acme")
    assert weak.status_code == 422
    assert "too easy to guess" in weak.text
    assert 'value="Nina"' in weak.text
    short = await tab.submit("/invitation", name="Nina", password="short")
    assert short.status_code == 422
    assert "at least 12 characters" in short.text
    joined = await tab.submit("/invitation", name="Nina", password=NEW_PASSWORD)
    assert joined.status_code == 200
    assert "You have joined Acme" in joined.text
    assert tab.session is None
    assert tab.form("/login")["email"] == "new@acme.example.com"
    assert (await tab.submit("/login", password=NEW_PASSWORD)).status_code == 303
    assert "Nina" in (await tab.open("/")).text
    again = await Tab(tab.client, accept_language="en").open(f"/invitation?token={token}")
    assert again.status_code == 410
    assert "no longer works" in again.text
    assert len(acme.people) == 1


async def test_the_page_tells_role_and_departments_in_the_readers_language(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        await departments.create_department(session, admin, name="Lyon")
        brest = await departments.create_department(session, admin, name="Brest <1>")
        user = await invitations.invite(
            session, house.catalogue, admin, email="new@acme.example.com", role="user", departments=[brest.id]
        )
        other = await invitations.invite(session, house.catalogue, admin, email="all@acme.example.com", role="administrator")
    token = await make.invitation_token(house, acme.account_id, user.id)
    page = await tab.open(f"/invitation?token={token}")
    for words in ("Your role", "<bdi>User</bdi>", "Your departments", "<bdi>Brest &lt;1&gt;</bdi>", "Choose a password"):
        assert words in page.text
    assert "Lyon" not in page.text
    french = Tab(tab.client, accept_language="fr")
    page = await french.open(f"/invitation?token={await make.invitation_token(house, acme.account_id, other.id)}")
    for words in ("Votre rôle", "<bdi>Administrateur</bdi>", "Vos départements", "Tous", "Choisissez un mot de passe"):
        assert words in page.text


async def test_a_first_password_leads_from_the_sign_in_page_to_the_choice_of_an_own_one(tab: Tab, api: Api, house: House) -> None:
    acme = await make.company(house, staff=0)
    await api.sign_in(acme.administrator)
    await api.patch("/account", {"admin_sets_password": True}, by=acme.administrator)
    first = "seven kites above the harbour"
    body = {"email": "new@acme.example.com", "role": "user", "password": first}
    user = (await api.post("/users", body, by=acme.administrator)).json()["id"]
    await tab.open("/login")
    sent_on = await tab.submit("/login", email="new@acme.example.com", password=first)
    token = await make.invitation_token(house, acme.account_id, user)
    assert (sent_on.status_code, sent_on.headers["location"]) == (303, f"/invitation?token={token}")
    assert tab.session is None
    page = await tab.open(sent_on.headers["location"])
    assert "You were given a first password. It works no further" in page.text
    same = await tab.submit("/invitation", password=first)
    assert same.status_code == 422
    assert "This is the first password that you were given." in same.text
    assert (await tab.submit("/invitation", name="Nina", password=NEW_PASSWORD)).status_code == 200
    assert (await tab.submit("/login", password=NEW_PASSWORD)).status_code == 303
    assert tab.session is not None


async def test_an_existing_person_joins_with_the_password_they_have(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1)
    beta = await make.company(house, "Beta", staff=0)
    admin = await make.actor(house, beta, beta.administrator)
    async with house.database.transaction(beta.account_id) as session:
        user = await invitations.invite(session, house.catalogue, admin, email=acme.staff[0].email, role="user")
    token = await make.invitation_token(house, beta.account_id, user.id)
    page = await tab.open(f"/invitation?token={token}")
    assert "This address has a password here already." in page.text
    assert "Choose a password" not in page.text
    wrong = await tab.submit("/invitation", name="Person", password="not the password")
    assert wrong.status_code == 401
    assert "This is not the password of this address." in wrong.text
    assert (await tab.submit("/invitation", name="Person", password=make.PASSWORD)).status_code == 200


async def test_an_expired_invitation_can_be_asked_for_again(tab: Tab, house: House) -> None:
    acme, token = await invited(house)
    async with house.database.transaction(acme.account_id) as session:
        await session.execute(update(Invitation).values(expires_at=datetime.now(UTC) - timedelta(hours=1)))
    page = await tab.open(f"/invitation?token={token}")
    assert page.status_code == 410
    asked = await tab.submit("/invitation/renew")
    await tab.open(f"/invitation?token={token}")
    fields = {**tab.form("/invitation/renew"), "token": "never one of ours"}
    unknown = await tab.post("/invitation/renew", fields)
    assert asked.status_code == unknown.status_code == 200
    assert asked.text == unknown.text


async def test_forgotten_password_from_the_page_to_the_next_sign_in(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    pages = []
    for email in (acme.administrator.email, "nobody@acme.example.com"):
        await tab.open("/forgot")
        answer = await tab.submit("/forgot", email=email)
        assert answer.status_code == 200
        pages.append(answer.text.replace(email, "EMAIL"))
    assert pages[0] == pages[1]
    await house.finish()
    token = await reset_token(house, acme.administrator.email)
    for _ in range(2):
        assert (await tab.open(f"/reset?token={token}")).status_code == 200
    weak = await tab.submit("/reset", password="passwordpassword")
    assert weak.status_code == 422
    assert 'aria-describedby="password-hint password-wrong"' in weak.text
    done = await tab.submit("/reset", password=NEW_PASSWORD)
    assert done.status_code == 200
    assert "Your password is changed" in done.text
    assert tab.session is None
    assert (await tab.open(f"/reset?token={token}")).status_code == 410
    await tab.open("/login")
    assert (await tab.submit("/login", email=acme.administrator.email, password=NEW_PASSWORD)).status_code == 303
