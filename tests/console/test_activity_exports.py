"""The page of an export of the history, to which its mail leads."""

import gzip

import pytest

from tenants import activity_exports
from tenants.activity_search import EVERYTHING
from tenants.house import House
from tests import make
from tests.console.tab import Tab
from tests.make import Company
from workers.exports import write_exports


async def asked(house: House, company: Company, *, language: str = "en") -> str:
    """The address of the page of an export that the administrator asked for."""
    admin = await make.actor(house, company, company.administrator)
    async with house.database.transaction(company.account_id) as session:
        export = await activity_exports.ask_for(session, admin, filters=EVERYTHING, format="csv", language=language)
    return f"/activity/exports/{export.id}"


async def test_the_mails_address_leads_through_signing_in_to_the_file(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    path = await asked(house, acme)
    await write_exports(house)
    away = await tab.open(path)
    assert (away.status_code, away.headers["location"]) == (303, f"/login?next={path}")
    await tab.open(away.headers["location"])
    arrived = await tab.submit("/login", email=acme.administrator.email, password=acme.administrator.password)
    assert arrived.headers["location"] == path
    page = (await tab.open(path)).text
    assert "The export of the history is ready" in page
    assert f'href="{path}/file" download' in page
    file = await tab.open(f"{path}/file")
    assert file.headers["content-type"] == "application/gzip"
    asked_before = await tab.send("HEAD", f"{path}/file")
    assert (asked_before.status_code, asked_before.content) == (200, b"")
    assert gzip.decompress(file.content).decode("utf-8-sig").startswith('"When (')


async def test_a_page_that_waits_loads_itself_again_without_scripts_until_the_file_is_there(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    path = await asked(house, acme)
    await tab.sign_in(acme.administrator)
    page = (await tab.open(path)).text
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "The export of the history is being written" in page
    assert f"{path}/file" not in page
    assert (await tab.open(f"{path}/file")).status_code == 409
    await write_exports(house)
    assert 'http-equiv="refresh"' not in (await tab.open(path)).text


@pytest.mark.parametrize("written", [False, True])
async def test_it_is_cancelled_or_deleted_from_its_page(tab: Tab, house: House, *, written: bool) -> None:
    acme = await make.company(house, staff=0)
    path = await asked(house, acme)
    if written:
        await write_exports(house)
    await tab.sign_in(acme.administrator)
    page = (await tab.open(path)).text
    assert ("Delete the file" in page, "Cancel the export" in page) == (written, not written)
    assert (await tab.submit(f"{path}/delete")).headers["location"] == path
    assert "The export of the history was cancelled" in (await tab.open(path)).text
    assert (await tab.open(f"{path}/file")).status_code == 409


async def test_it_is_nobody_elses_page(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=1, roles=("simple_administrator",), language="fr")
    path = await asked(house, acme)
    await write_exports(house)
    await tab.sign_in(acme.staff[0])
    for address in (path, f"{path}/file"):
        assert (await tab.open(address)).status_code == 404
    await tab.open("/")
    fields = tab.form("/logout")
    assert (await tab.post(f"{path}/delete", fields)).status_code == 404
    await tab.submit("/logout")
    await tab.sign_in(acme.administrator)
    assert "L’export de l’historique est prêt" in (await tab.open(path)).text
