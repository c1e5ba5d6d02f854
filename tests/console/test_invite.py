"""The pages that invite: one person, a list that is tried first, and invitations that wait; each once, whatever is sent twice."""

import html
import re
from asyncio import gather
from typing import Any

import httpx
import pytest

from service.embedded import Addresses
from tenants import departments
from tenants.house import House
from tests import make
from tests.console.tab import SAME_ORIGIN, Tab
from tests.console.test_users import invite, own_role
from tests.make import Company
from tests.tenants.rows import sql

MANY = "/invite/many"


@pytest.fixture
async def acme(tab: Tab, house: House) -> Company:
    """On the plan Pro, which has six places for users; the administrator is signed in, and two colleagues are there."""
    company = await make.company(house, plan="pro", staff=2)
    await tab.sign_in(company.administrator)
    return company


async def filled(tab: Tab, path: str, **typed: Any) -> dict[str, Any]:
    """The form of a page, with what every test would type."""
    page = await tab.open(path)
    once = re.search(r'name="once" value="([^"]+)"', page.text)
    assert once, page.text
    token = tab.form("/logout")["form_token"]
    return {"form_token": token, "once": once[1], "role": "user", "where": "all", "language": "en", **typed}


async def send_list(tab: Tab, fields: dict[str, Any], decision: str, file: bytes = b"") -> httpx.Response:
    """As a browser does: in parts, with a file or an empty one."""
    files = {"file": ("list.csv", file, "text/csv")}
    return await tab.send("POST", MANY, data={**fields, "decision": decision}, files=files, headers=SAME_ORIGIN)


async def people(servers: Addresses, company: Company) -> list[tuple[str, str, str]]:
    """Address, name and role of whoever is invited, in the order of the addresses."""
    found = await sql(
        servers,
        "SELECT email, name, role FROM users WHERE account_id = $1 AND status = 'invited' ORDER BY email",
        company.account_id,
    )
    return [tuple(row) for row in found]


async def owed(servers: Addresses) -> int:
    """Invitation mails that are to leave."""
    return int((await sql(servers, "SELECT count(*) FROM outbox WHERE letter = 'invitation' AND state = 'owed'"))[0][0])


async def test_one_person_is_invited_once_however_often_the_form_is_sent(
    tab: Tab, acme: Company, servers: Addresses, house: House
) -> None:
    admin = await make.actor(house, acme, acme.administrator)
    async with house.database.transaction(acme.account_id) as session:
        paris = await departments.create_department(session, admin, name="Paris & co")
        await departments.create_department(session, admin, name="Lyon")
    already = await owed(servers)
    fields = await filled(tab, "/invite", email="kim@example.com", name="Kim <b>", message="See you\non Monday", valid_days="30")
    for words in ("2 of 6 are left after this", "Everything, without restriction", "Paris &amp; co", "Lyon"):
        assert words in tab.page.text
    assert "First password" not in tab.page.text
    fields |= {"where": "some", "department": [str(paris.id)]}
    answers = await gather(*(tab.send("POST", "/invite", data=fields, headers=SAME_ORIGIN) for _ in range(3)))
    assert [(a.status_code, a.headers["location"]) for a in answers] == [(303, "/invite/pending?done=invited")] * 3
    assert await people(servers, acme) == [("kim@example.com", "Kim <b>", "user")]
    assert await owed(servers) == already + 1
    row = (await sql(servers, "SELECT i.message, i.language, u.departments FROM invitations i JOIN users u ON u.id = i.user_id"
                              " WHERE u.email = 'kim@example.com'"))[0]  # fmt: skip
    assert tuple(row) == ("See you\non Monday", "en", [paris.id])
    page = (await tab.open("/invite/pending?done=invited")).text
    for words in ("The invitation is on its way", "Kim &lt;b&gt;", "Mail is waiting to leave", "2 of 6 places for users are free"):
        assert words in page
    # The same form with another address is another form.
    await tab.send("POST", "/invite", data={**fields, "email": "lee@example.com"}, headers=SAME_ORIGIN)
    assert [email for email, _, _ in await people(servers, acme)] == ["kim@example.com", "lee@example.com"]


async def test_what_was_typed_is_still_there_beside_what_is_wrong(tab: Tab, acme: Company, servers: Addresses) -> None:
    fields = await filled(tab, "/invite", email="kim@example", name="Kim", message="Hello <you>", valid_days="7")
    known = acme.staff[0].email
    for changed, status, words in (
        ({}, 422, "Write the whole e-mail address"),
        ({"email": "kim@example.com", "role": ""}, 422, "Choose a role."),
        ({"email": "kim@example.com", "role": "king"}, 422, "Choose one of these roles."),
        ({"email": "kim@example.com", "valid_days": "0"}, 422, "Write a number of days from 1 to 30."),
        ({"email": "kim@example.com", "valid_days": "31"}, 422, "Write a number of days from 1 to 30."),
        ({"email": "kim@example.com", "where": "some"}, 422, "Tick at least one department"),
        ({"email": "kim@example.com", "name": "x" * 121}, 422, "it can have 120 characters at most"),
        ({"email": "kim@example.com", "language": "xx"}, 422, ""),
        ({"email": "kim@example.com", "password": "a first password 81"}, 422, ""),
        ({"email": known}, 409, "This person is a user of the account already."),
    ):
        sent = {**fields, **changed}
        answer = await tab.post("/invite", sent)
        assert (answer.status_code, words in answer.text) == (status, True), changed
        for shown in ("Hello &lt;you&gt;", f'value="{sent["email"]}"', f'value="{sent["name"]}"'):
            assert shown in answer.text, changed
        assert "a first password 81" not in answer.text
    assert f'href="/users/{acme.staff[0].user_id}"' in tab.page.text
    assert await people(servers, acme) == []


async def test_a_first_password_is_offered_where_the_account_allows_it(tab: Tab, acme: Company, servers: Addresses) -> None:
    await sql(servers, "UPDATE accounts SET admin_sets_password = true WHERE id = $1", acme.account_id)
    fields = await filled(tab, "/invite", email="kim@example.com", password="short")
    assert "First password" in tab.page.text
    assert "This password is too short" in (await tab.post("/invite", fields)).text
    assert (await tab.post("/invite", {**fields, "password": "an unusual horse 82"})).status_code == 303
    set_for = await sql(servers, "SELECT first_password_hash IS NOT NULL FROM identities WHERE email = 'kim@example.com'")
    assert [tuple(row) for row in set_for] == [(True,)]


async def test_a_list_is_tried_first_and_then_sent_once(tab: Tab, acme: Company, servers: Addresses) -> None:
    already = await owed(servers)
    text = f"kim@example.com; Kim; administrator\nnot-an-address\n\n{acme.staff[0].email}\nlee@example.com\nKIM@example.com"
    fields = await filled(tab, MANY, list=text, message="Welcome")
    preview = await send_list(tab, fields, "preview")
    assert preview.status_code == 200
    for words in (
        "Nothing has been sent so far.", "Invite 2 people", "1 of 6 is left after this.", "This is not one well-formed address.",
        "This person is a user of the account already.", "This address stands on line 1 already.", "Administrator",
    ):  # fmt: skip
        assert words in preview.text, words
    assert await people(servers, acme) == []
    hidden = {**tab.form(MANY)}
    assert (html.unescape(hidden["list"]), hidden["message"], hidden["once"]) == (text, "Welcome", fields["once"])
    back = await send_list(tab, hidden, "edit")
    assert (back.status_code, "not-an-address" in back.text, "Welcome" in back.text) == (200, True, True)
    answers = [await send_list(tab, hidden, "send") for _ in range(2)]
    assert [a.status_code for a in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert await people(servers, acme) == [("kim@example.com", "Kim", "administrator"), ("lee@example.com", "", "user")]
    assert await owed(servers) == already + 2
    result = await tab.open(answers[0].headers["location"])
    for words in (
        "2 people are invited.", "3 lines were left out.", "1 of 6 places for users is free.", "Mail is waiting to leave",
        "This is not one well-formed address.",
    ):  # fmt: skip
        assert words in result.text, words
    assert len(re.findall('href="/users/[0-9a-f-]{36}"', result.text)) == 2
    # A result is its sender's own, and for a day; anybody may write an address.
    await sql(servers, "UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    for address in (answers[0].headers["location"], f"{MANY}/result?of=x", f"{MANY}/result"):
        assert "This result is no longer kept" in (await tab.open(address)).text
        assert tab.page.status_code == 404


async def test_a_list_without_room_invites_nobody(tab: Tab, acme: Company, servers: Addresses) -> None:
    exactly, beyond = ("\n".join(f"guest{n}@example.com" for n in range(count)) for count in (3, 4))
    fields = await filled(tab, MANY)
    full = await send_list(tab, {**fields, "list": beyond}, "preview")
    assert "The licence has no room for all of them" in full.text
    assert 'value="send"' not in full.text
    assert (await send_list(tab, {**fields, "list": beyond}, "send")).status_code == 409
    assert "The licence has no room for all of them" in tab.page.text
    assert await people(servers, acme) == []
    answer = await send_list(tab, fields, "send", exactly.encode())
    assert answer.status_code == 303
    assert len(await people(servers, acme)) == 3
    for path in ("/invite", MANY):
        assert "All 6 places for users are taken." in (await tab.open(path)).text
        assert 'name="once"' not in tab.page.text


async def test_a_file_is_read_as_the_api_reads_it_or_explained(tab: Tab, acme: Company, servers: Addresses) -> None:
    fields = await filled(tab, MANY)
    latin = "Adresse;Nom;Rôle\nzoe@example.com;Zoé;Administrateur\n".encode("cp1252")
    preview = await send_list(tab, fields, "preview", latin)
    assert ("Zoé" in preview.text, "Invite 1 person" in preview.text) == (True, True)
    assert (await send_list(tab, {**tab.form(MANY)}, "send")).status_code == 303
    assert await people(servers, acme) == [("zoe@example.com", "Zoé", "administrator")]
    for typed, file, words in (
        ("", b"", "Paste at least one address, or choose a file."),
        ("kim@example.com", latin, "There are a list and a file."),
        ("", b"\x00\x01\x81", "This file is not a text."),
        ("", b'kim@example.com,"Kim', "A quotation mark is missing or misplaced, from line 1 on."),
        ("", b"email,age\nkim@example.com,7", "The column “age” is not known."),
        ("", b"x" * (1024 * 1024 + 1), "This list is larger than 1 MB."),
        ("a@b.example\n" * 5001, b"", "This list has more than 5000 lines."),
    ):
        answer = await send_list(tab, {**fields, "list": typed, "message": "My words"}, "send", file)
        assert (answer.status_code, words in answer.text, "My words" in answer.text) == (422, True, True), words
    assert "kim@example.com" in (await send_list(tab, fields, "send", b"email,age\nkim@example.com,7")).text
    assert (await send_list(tab, fields, "preview", b"x" * (3 * 1024 * 1024))).status_code == 413
    # The form token is asked for in parts too, and only in parts.
    assert (await send_list(tab, {**fields, "form_token": "AAAA", "list": "kim@example.com"}, "send")).status_code == 403
    assert (await tab.post(MANY, {**fields, "list": "kim@example.com", "decision": "send"})).status_code == 403
    assert len(await people(servers, acme)) == 1


async def test_an_invitation_that_waits_is_sent_again_or_withdrawn(
    tab: Tab, acme: Company, house: House, servers: Addresses
) -> None:
    kim, lee = await invite(house, acme, "Kim", "Lee")
    await sql(servers, "UPDATE outbox SET state = 'refused', last_reply = '550 no <such> user' WHERE id IN (SELECT o.id FROM outbox o"
                       " JOIN invitations i ON i.id = o.about WHERE i.user_id = $1)", kim)  # fmt: skip
    page = (await tab.open("/invite/pending")).text
    assert page.index("Lee") < page.index("Kim")
    for words in ("Refused by the mail server", "550 no &lt;such&gt; user", "1 of 6 places for users is free"):
        assert words in page
    for user, action, done in ((kim, "resend", "resent"), (lee, "withdraw", "withdrawn")):
        answer = await tab.submit(f"/invite/pending/{user}/{action}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/invite/pending?done={done}")
        page = (await tab.open(answer.headers["location"])).text
    assert ("Refused" in page, "Withdrawn" in page, "Invite again" in page) == (False, True, True)
    # Again, the place that it gave back is taken by somebody else: said beside the list, and nothing changes.
    await invite(house, acme, "Max", "Zoe")
    refused = await tab.submit(f"/invite/pending/{lee}/resend")
    assert (refused.status_code, "The licence allows 6; 6 are in use." in refused.text) == (409, True)
    beta = await make.company(house, "Beta", staff=0)
    [other] = await invite(house, beta, "Ole")
    for action in ("resend", "withdraw"):
        assert (await tab.post(f"/invite/pending/{other}/{action}", tab.form("/logout"))).status_code == 404


async def test_a_link_is_shown_where_first_passwords_may_be_chosen_and_nowhere_else(
    tab: Tab, client: httpx.AsyncClient, acme: Company, house: House, servers: Addresses
) -> None:
    kim, lee = await invite(house, acme, "Kim", "Lee")
    page = (await tab.open("/invite/pending")).text
    assert ("shown only where administrators may choose first passwords" in page, f"/invite/pending/{kim}/link" in page) == (
        True,
        False,
    )
    refused = await tab.post(f"/invite/pending/{kim}/link", tab.form("/logout"))
    assert (refused.status_code, "It can be allowed in its settings." in refused.text) == (422, True)
    assert "invitation?token=" not in refused.text
    await sql(servers, "UPDATE accounts SET admin_sets_password = true WHERE id = $1", acme.account_id)
    await tab.open("/invite/pending")
    shown = await tab.submit(f"/invite/pending/{kim}/link")
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    [link] = re.findall(r">http://localhost:8000(/invitation\?token=[\w-]+)</textarea>", shown.text)
    told = await sql(servers, "SELECT target_id FROM activity WHERE event = 'invitation.link_shown'")
    assert [row["target_id"] for row in told] == [str(kim)]
    stranger = Tab(client, accept_language="en")
    assert "Choose a password" in (await stranger.open(link)).text
    # The link of a mail that is sent later is another one.
    await tab.open("/invite/pending")
    await tab.submit(f"/invite/pending/{kim}/resend")
    assert (await stranger.open(link)).status_code == 410
    await tab.open("/invite/pending")
    token = tab.form("/logout")
    await tab.submit(f"/invite/pending/{lee}/withdraw")
    over = await tab.post(f"/invite/pending/{lee}/link", token)
    assert (over.status_code, "Invite the person again." in over.text) == (409, True)
    beta = await make.company(house, "Beta", staff=0)
    await sql(servers, "UPDATE accounts SET admin_sets_password = true WHERE id = $1", beta.account_id)
    [other] = await invite(house, beta, "Ole")
    assert (await tab.post(f"/invite/pending/{other}/link", token)).status_code == 404
    assert len(await sql(servers, "SELECT id FROM activity WHERE event = 'invitation.link_shown'")) == 1


async def test_who_may_invite_and_whom(
    tab: Tab, client: httpx.AsyncClient, acme: Company, house: House, servers: Addresses
) -> None:
    [boss] = await invite(house, acme, "Boss", role="administrator")
    await own_role(house, await _with_roles(house, servers, acme), acme.staff[0], "users.view", "users.manage", "invoices.view")
    other = Tab(client, accept_language="en")
    await other.sign_in(acme.staff[1])
    assert "/departments" not in (await other.open("/")).text
    for path in ("/invite", MANY, f"{MANY}/result", "/invite/pending"):
        assert (await other.open(path)).status_code == 403
    await other.open("/")
    token = other.form("/logout")
    for path in ("/invite", f"/invite/pending/{boss}/resend", f"/invite/pending/{boss}/withdraw", f"/invite/pending/{boss}/link"):
        assert (await other.post(path, token)).status_code == 403
    assert (await send_list(other, token, "send")).status_code == 403
    some = Tab(client, accept_language="en")
    await some.sign_in(acme.staff[0])
    page = (await some.open("/invite")).text
    assert "Only roles whose rights you have yourself are shown." in page
    assert 'value="administrator"' not in page
    fields = {**(await filled(some, "/invite")), "email": "kim@example.com", "role": "administrator"}
    assert (await some.post("/invite", fields)).status_code == 403
    assert "Nobody can give rights or departments they do not have" in some.page.text
    page = (await some.open("/invite/pending")).text
    assert "Has rights or departments that you do not have." in page
    assert f"/invite/pending/{boss}/" not in page
    assert (await some.post(f"/invite/pending/{boss}/resend", some.form("/logout"))).status_code == 403
    assert [email for email, _, _ in await people(servers, acme)] == [f"boss@{acme.slug}.example.com"]


async def _with_roles(house: House, servers: Addresses, company: Company) -> Company:
    await sql(
        servers, "UPDATE licences SET options = array_append(options, 'custom_roles') WHERE account_id = $1", company.account_id
    )
    return company
