"""Letters come under the brand of whoever sold the account: its name, addresses, colour, logo and contact."""

from email.header import decode_header, make_header
from email.utils import getaddresses, parseaddr
from typing import Any

import pytest

from service.embedded import Addresses
from tenants import brands, password_resets, resellers
from tenants.house import House
from tenants.logos import checked_logo
from tests import make
from tests.api import Api
from tests.conftest import MailServer
from tests.make import Company
from tests.pictures import picture
from tests.workers.post import change, deliver, html_of, invite, mails, text_of

OURS = "portillon@localhost"
NBSP = "\u00a0"


@pytest.fixture
async def resale(house: House, servers: Addresses) -> Company:
    """A reseller; the mail that its making owed is out of the way."""
    company = await make.company(house, "Resale", kind="reseller", staff=0)
    await change(servers, "TRUNCATE outbox")
    return company


async def brand(house: House, company: Company, *, logo: bool = False, **wanted: Any) -> None:
    """Give the company a brand."""
    boss = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        await brands.set_brand(session, boss, wanted={"name": "Horizon Gestion", **wanted})
        if logo:
            await brands.set_logo(session, boss, checked_logo(picture()))


async def client_of(house: House, resale: Company, servers: Addresses) -> Company:
    """A client whose own first mails are out of the way."""
    company = await make.company(house, "Client", parent=resale, staff=1)
    await change(servers, "TRUNCATE outbox")
    return company


def sender_of(message: Any) -> tuple[str, str]:
    """Name and address in From as mail programs read them: first the structure, then the encoded words (RFC 2047, 6.2)."""
    name, address = parseaddr(dict(message.raw_items())["From"].replace("\r\n", ""))
    return str(make_header(decode_header(name))), address


async def test_the_first_invitation_of_a_new_client_comes_under_its_resellers_brand(
    api: Api, house: House, resale: Company, mail_server: MailServer
) -> None:
    boss = resale.administrator
    await api.sign_in(boss)
    wanted = {
        "name": "Horizon Gestion",
        "sender": "contact@resale.example.com",
        "reply_to": "aide@elsewhere.example.org",
        "colour": "#7a2e8e",
        "support": "+33 1 23 45 67 89",
    }
    assert (await api.put("/account/brand", wanted, by=boss)).status_code == 200
    logo = await api.call("PUT", "/account/brand/logo", by=boss, content=picture(), headers={"Content-Type": "image/png"})
    new = {"name": "Nouveau", "plan": "basic", "language": "fr", "administrator": {"email": "nina@nouveau.example.com"}}
    assert (await api.post("/accounts", new, by=boss)).status_code == 201
    await deliver(house)
    [(envelope, recipients, message)] = mail_server.messages
    assert (envelope, recipients) == (OURS, ["nina@nouveau.example.com"])
    assert message["From"] == "Horizon Gestion <contact@resale.example.com>"
    assert parseaddr(message["Sender"])[1] == OURS
    assert message["Reply-To"] == "aide@elsewhere.example.org"
    text, html = text_of(message), html_of(message)
    assert text.endswith(f"-- \nEnvoyé par Horizon Gestion, http://localhost:8000\nContact{NBSP}: +33 1 23 45 67 89\n")
    assert "Portillon" not in text + html
    assert f'<img src="{logo.json()["logo"]}" alt="Horizon Gestion"' in html
    assert 'href="tel:+33123456789"' in html
    assert "#7a2e8e" in html
    assert "<img" not in text


async def test_without_a_sender_mail_comes_from_the_installation_under_the_brands_name(
    house: House, resale: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await brand(house, resale)
    client = await client_of(house, resale, servers)
    await invite(house, client, "kim@example.com", language="en")
    await deliver(house)
    [(envelope, _, message)] = mail_server.messages
    assert (envelope, message["From"]) == (OURS, f"Horizon Gestion <{OURS}>")
    assert (message["Sender"], message["Reply-To"]) == (None, None)
    assert text_of(message).endswith("-- \nSent by Horizon Gestion, http://localhost:8000\n")
    assert "<img" not in html_of(message)
    assert "Horizon Gestion" in html_of(message)


async def test_every_letter_of_the_account_bears_it_and_nobody_elses(
    house: House, resale: Company, acme: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await brand(house, resale, support="https://horizon.example.com/aide?a=1&b=2")
    client = await client_of(house, resale, servers)
    above = await make.actor(house, resale, resale.administrator)
    async with house.database.transaction(resale.account_id) as session:
        await resellers.set_licence(
            session, house.catalogue, above, client.account_id, wanted={"plan": "pro", "seats": 2}, version=None, reason=None
        )
    for email in (client.staff[0].email, acme.staff[0].email, resale.administrator.email):
        async with house.database.transaction() as session:
            await password_resets.ask(session, email=email)
    await deliver(house)
    found = {(recipients[0], sender_of(message)) for _, recipients, message in mail_server.messages}
    branded, plain = ("Horizon Gestion", OURS), ("Portillon", OURS)
    assert found == {
        (client.administrator.email, branded),
        (client.staff[0].email, branded),
        (resale.administrator.email, branded),
        (acme.staff[0].email, plain),
    }
    for _, recipients, message in mail_server.messages:
        contact = 'href="https://horizon.example.com/aide?a=1&amp;b=2"' in html_of(message)
        assert contact == (recipients != [acme.staff[0].email])


async def test_mail_goes_out_plain_while_the_licence_lacks_the_option(
    house: House, resale: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await brand(house, resale, colour="#7a2e8e", sender="contact@resale.example.com", logo=True)
    client = await client_of(house, resale, servers)
    await change(servers, "UPDATE brands SET in_licence = false")
    await invite(house, client, "kim@example.com", language="en")
    await deliver(house)
    [(_, _, message)] = mail_server.messages
    assert message["From"] == f"Portillon <{OURS}>"
    assert message["Sender"] is None
    assert "#7a2e8e" not in html_of(message)
    assert "Sent by Portillon" in text_of(message)


@pytest.mark.parametrize(
    "name", ['"Ho, rizon"; <Söhne> (SARL)', "Ирина & Co", "山田 会計", "🐙 Pieuvre", "x" * 80, "é" * 80, "back\\slash", "a: b; c,"]
)
async def test_names_of_every_kind_arrive(
    house: House, resale: Company, mail_server: MailServer, servers: Addresses, name: str
) -> None:
    await brand(house, resale, name=name, sender="contact@resale.example.com")
    client = await client_of(house, resale, servers)
    await invite(house, client, "kim@example.com", language="en")
    await deliver(house)
    [(_, recipients, message)] = mail_server.messages
    assert recipients == ["kim@example.com"]
    assert sender_of(message) == (name, "contact@resale.example.com")
    assert f"Sent by {name}, http://localhost:8000" in text_of(message)


@pytest.mark.parametrize("column", ["name", "sender", "reply_to"])
async def test_a_line_break_that_got_into_the_table_opens_no_header(
    house: House, resale: Company, mail_server: MailServer, servers: Addresses, column: str
) -> None:
    await brand(house, resale, sender="contact@resale.example.com", reply_to="aide@resale.example.com")
    client = await client_of(house, resale, servers)
    await change(servers, f"UPDATE brands SET {column} = {column} || E'\\r\\nBcc: all@example.com'")  # noqa: S608 - three words of ours
    await invite(house, client, "kim@example.com")
    await deliver(house)
    assert mail_server.messages == []
    assert [row.state for row in await mails(house, client)] == ["refused"]


async def test_a_tag_in_a_brand_is_text(house: House, resale: Company, mail_server: MailServer, servers: Addresses) -> None:
    await brand(house, resale, name="<mj-include path='/etc/passwd' />", logo=True)
    client = await client_of(house, resale, servers)
    await invite(house, client, "kim@example.com")
    await deliver(house)
    [(_, _, message)] = mail_server.messages
    assert 'alt="&lt;mj-include path=' in html_of(message)


async def test_addresses_with_accents_in_their_domain_are_written_so_that_every_server_takes_them(
    house: House, resale: Company, mail_server: MailServer, servers: Addresses
) -> None:
    await change(servers, "UPDATE users SET email = 'boss@crêpes.example.com' WHERE account_id = $1", resale.account_id)
    await brand(house, resale, sender="contact@crêpes.example.com", reply_to="aide@crêpes.example.com")
    client = await client_of(house, resale, servers)
    await invite(house, client, "kim@example.com")
    await deliver(house)
    [(_, _, message)] = mail_server.messages
    assert getaddresses([message["From"], message["Reply-To"]]) == [
        ("Horizon Gestion", "contact@xn--crpes-isa.example.com"),
        ("", "aide@xn--crpes-isa.example.com"),
    ]


@pytest.mark.parametrize(("colour", "ink"), [("#ffee00", "#000000"), ("#101010", "#ffffff")])
async def test_buttons_can_be_read_in_any_colour(
    house: House, resale: Company, mail_server: MailServer, servers: Addresses, *, colour: str, ink: str
) -> None:
    await brand(house, resale, colour=colour)
    client = await client_of(house, resale, servers)
    await invite(house, client, "kim@example.com")
    await deliver(house)
    html = html_of(mail_server.messages[0][2])
    button = html[html.index('class="' if 'role="presentation"' not in html else "<body") :]
    assert f"background:{colour}" in button
    assert f"color:{ink}" in button
