"""The brand's settings: tried out before they are kept, with what is wrong beside what was typed, and a logo that is a picture."""

import httpx

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.console.tab import SAME_ORIGIN, Tab
from tests.pictures import moving, picture
from tests.tenants.rows import sql


async def upload(tab: Tab, content: bytes, token: str, decision: str = "save") -> httpx.Response:
    """Send the logo's form as a browser does."""
    form = {"form_token": token, "decision": decision}
    return await tab.send("POST", "/branding/logo", data=form, files={"logo": ("logo.png", content)}, headers=dict(SAME_ORIGIN))


async def test_a_brand_is_tried_out_kept_and_removed(tab: Tab, house: House, servers: Addresses) -> None:
    north = await make.company(house, "North", kind="reseller", staff=0)
    await tab.sign_in(north.administrator)
    await tab.open("/branding")
    token = tab.form("/branding")["form_token"]
    typed = {"form_token": token, "name": "Horizon", "colour": "#f2c14e"}
    for change, words in (
        ({"name": ""}, "Write a name."),
        ({"name": "me@horizon.example.com"}, "must not read like an e-mail address"),
        ({"colour": "yellow"}, "Write the colour as #"),
        ({"sender": "us@elsewhere.example.org"}, "administrator’s address only: north.example.com"),
        ({"support": "nowhere"}, "Write an e-mail address, a telephone number"),
    ):
        answer = await tab.post("/branding", {**typed, **change, "decision": "save"})
        assert (answer.status_code, words in answer.text) == (422, True), (change, answer.text)
        assert f'value="{next(iter(change.values()))}"' in answer.text
    tried = await tab.post("/branding", {**typed, "decision": "try"})
    assert tried.status_code == 200
    for words in ("Tried out: not saved yet", "/branding/tried.css?colour=f2c14e", "links take the shade #"):
        assert words in tried.text
    assert await sql(servers, "SELECT 1 FROM brands") == []
    colours = await tab.open("/branding/tried.css?colour=f2c14e")
    assert (colours.headers["content-type"].split(";")[0], ".tried { --accent: #f2c14e;" in colours.text) == ("text/css", True)
    for wrong in ("", "red", "f2c14e;}body{x:y", "#f2c14"):
        assert (await tab.send("GET", "/branding/tried.css", params={"colour": wrong})).status_code in {404, 422}
    for _ in range(2):
        assert (await tab.post("/branding", {**typed, "decision": "save"})).headers["location"] == "/branding?done=saved"
    assert "Horizon" in (await tab.open("/clients")).text
    for content, words in (
        (b"", "Choose a picture first."),
        (b"<svg/>", "This is not one whole picture"),
        (moving("WEBP"), "This picture moves."),
        (picture(width=8), "each side has from 16 to 2000 pixels"),
    ):
        answer = await upload(tab, content, token)
        assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert (await upload(tab, bytes(400_000), token)).status_code == 413
    assert (await upload(tab, picture(), "made-up")).status_code == 403
    plain = await tab.post("/branding/logo", {**typed, "decision": "remove"})
    assert plain.status_code == 403
    assert (await upload(tab, picture(), token)).headers["location"] == "/branding?done=logo"
    assert f"/brands/{north.account_id}/logo" in (await tab.open("/branding")).text
    assert (await upload(tab, b"", token, "remove")).headers["location"] == "/branding?done=no-logo"
    assert (await tab.post("/branding", {**typed, "decision": "remove"})).headers["location"] == "/branding?done=removed"
    assert await sql(servers, "SELECT 1 FROM brands") == []


async def test_without_the_option_the_page_says_so_and_keeps_what_was_typed(tab: Tab, house: House, servers: Addresses) -> None:
    north = await make.company(house, "North", plan="pro", kind="reseller", staff=1, roles=("simple_administrator",))
    await tab.sign_in(north.administrator)
    assert "Your licence lacks the option for an own brand" in (await tab.open("/branding")).text
    refused = await tab.submit("/branding", name="Horizon", decision="save")
    assert (refused.status_code, 'value="Horizon"' in refused.text) == (403, True)
    deputy = Tab(tab.client, accept_language="en")
    await deputy.sign_in(north.staff[0])
    page = await deputy.open("/branding")
    assert (page.status_code, 'action="/branding"' in page.text) == (200, False)
    assert (await deputy.post("/branding", {**deputy.form("/logout"), "name": "Mine"})).status_code == 403
    assert await sql(servers, "SELECT 1 FROM brands") == []
