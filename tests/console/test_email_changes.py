"""One's own address in the console: asked for with the password, confirmed by a button, revoked by a button."""

import re

import pytest

from service.embedded import Addresses
from tenants.house import House
from tenants.tokens import Purpose
from tests import make
from tests.console.links import email_change_token
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import every_row, sql

NEW = "claire@new.example.com"


@pytest.fixture
async def acme(tab: Tab, house: House) -> Company:
    """A company; its staff is signed in and stands before the form."""
    company = await make.company(house, staff=1)
    await tab.sign_in(company.staff[0])
    assert 'href="/account/email"' in (await tab.open("/me")).text
    assert company.staff[0].email in (await tab.open("/account/email")).text
    return company


async def test_a_change_from_the_first_page_to_the_revocation(tab: Tab, house: House, servers: Addresses, acme: Company) -> None:
    old = acme.staff[0].email
    asked = await tab.submit("/account/email", email=NEW, password=make.PASSWORD)
    assert asked.status_code == 200
    assert "Look at the mail of your new address" in asked.text
    mailbox = Tab(tab.client, accept_language="en")
    token = await email_change_token(house, Purpose.EMAIL_CHANGE)
    page = await mailbox.open(f"/email-change?token={token}")
    assert page.status_code == 200
    assert NEW in page.text
    done = await mailbox.submit("/email-change")
    assert (done.status_code, mailbox.session) == (200, None)
    assert "Your address is changed" in done.text
    assert NEW in (await tab.open("/")).text
    again = await mailbox.open(f"/email-change?token={token}")
    assert again.status_code == 410
    assert "It was used already" in again.text
    word = await email_change_token(house, Purpose.EMAIL_REVOKE)
    page = await mailbox.open(f"/email-change/revoke?token={word}")
    assert old in page.text
    assert NEW in page.text
    back = await mailbox.submit("/email-change/revoke")
    assert back.status_code == 200
    assert "Your former address is back" in back.text
    assert (await tab.open("/")).headers["location"] == "/login"
    assert "The change of your address was revoked, just now." in (await tab.open("/login")).text
    over = await mailbox.open(f"/email-change/revoke?token={word}")
    assert over.status_code == 410
    assert "The change was revoked already" in over.text


async def test_the_form_says_what_is_wrong_and_keeps_the_address(tab: Tab, servers: Addresses, acme: Company) -> None:
    for email, password, status, words in (
        (NEW, "not the password", 401, "This is not your password."),
        (NEW, "", 422, "Write your password."),
        (acme.staff[0].email, make.PASSWORD, 422, "This is your address already."),
        ("claire", make.PASSWORD, 422, "Write the whole e-mail address"),
    ):
        await tab.open("/account/email")
        answer = await tab.submit("/account/email", email=email, password=password)
        assert answer.status_code == status
        assert words in answer.text
        assert f'value="{email}"' in answer.text
        assert make.PASSWORD not in answer.text
    assert await sql(servers, "SELECT 1 FROM email_changes") == []


async def test_a_taken_address_and_a_free_one_read_the_same(tab: Tab, acme: Company) -> None:
    pages = []
    for email in (acme.administrator.email, NEW):
        await tab.open("/account/email")
        pages.append((await tab.submit("/account/email", email=email, password=make.PASSWORD)).text.replace(email, "EMAIL"))
    assert pages[0] == pages[1]


async def test_reading_a_link_changes_nothing(tab: Tab, house: House, servers: Addresses, acme: Company) -> None:
    await tab.submit("/account/email", email=NEW, password=make.PASSWORD)
    confirming = f"/email-change?token={await email_change_token(house, Purpose.EMAIL_CHANGE)}"
    await _reads(tab, confirming, servers)
    stranger = Tab(tab.client, accept_language="en")
    await stranger.open(confirming)
    await stranger.submit("/email-change")
    await _reads(tab, f"/email-change/revoke?token={await email_change_token(house, Purpose.EMAIL_REVOKE)}", servers)


async def _reads(tab: Tab, path: str, servers: Addresses) -> None:
    before = await every_row(servers)
    for visitor in (tab, Tab(tab.client)):
        for method in ("GET", "HEAD"):
            answer = await visitor.send(method, path)
            assert answer.status_code == 200
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "__Host-portillon" not in visitor.set
    assert await every_row(servers) == before


async def test_links_that_are_over_say_what_to_do(tab: Tab, house: House, servers: Addresses, acme: Company) -> None:
    await tab.submit("/account/email", email=NEW, password=make.PASSWORD)
    token = await email_change_token(house, Purpose.EMAIL_CHANGE)
    await tab.open(f"/email-change?token={token}")
    await sql(servers, "UPDATE email_changes SET expires_at = now()")
    late = await tab.submit("/email-change")
    assert late.status_code == 410
    assert "24 hours, and they are over" in late.text
    for path in ("/email-change", "/email-change/revoke"):
        half = await tab.open(f"{path}?token=half")
        assert half.status_code == 410
        assert "Copy the whole link from the mail." in half.text


async def test_an_address_taken_meanwhile_is_said_so(tab: Tab, house: House, servers: Addresses, acme: Company) -> None:
    await tab.submit("/account/email", email=acme.administrator.email, password=make.PASSWORD)
    await tab.open(f"/email-change?token={await email_change_token(house, Purpose.EMAIL_CHANGE)}")
    refused = await tab.submit("/email-change")
    assert refused.status_code == 409
    assert "This address is in use" in refused.text


async def test_the_pages_speak_french(tab: Tab, house: House, servers: Addresses, acme: Company) -> None:
    await tab.submit("/account/email", email=NEW, password=make.PASSWORD)
    token = await email_change_token(house, Purpose.EMAIL_CHANGE)
    page = await Tab(tab.client, accept_language="fr").open(f"/email-change?token={token}")
    assert "Confirmez votre nouvelle adresse" in page.text
    answer = await tab.open(f"/email-change?token={token}")
    assert re.search(r'name="next" value="(/email-change\?token=[^"]+)"', answer.text)
