"""What the sign-in page tells somebody who was put out, when all that they bring is the address that they were given."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import pytest

from tenants.endings import Ending, sign_ending
from tenants.house import House
from tenants.tokens import Purpose, decoded, encoded
from tests import make
from tests.api import Api
from tests.console.tab import Tab

TOLD = {
    "ended_by_self": ("You ended this session from another one, ", "Vous avez mis fin à cette connexion depuis une autre, "),
    "ended_by_administrator": ("Ada ended your session, ", "Ada a mis fin à votre connexion, "),
    "ended_for_room": (
        "Ada needed a place and ended your session, ",
        "Ada avait besoin d’une place et a mis fin à votre connexion, ",
    ),
    "signed_out": ("You signed out, ", "Vous vous êtes déconnecté(e), "),
    "switched": ("You went on to work in another account, ", "Vous êtes passé(e) à un autre compte, "),
    "replaced": ("A newer sign-in took the place of this session, ", "Une connexion plus récente a pris la place de celle-ci, "),
    "suspended": ("Your access was suspended, ", "Votre accès a été suspendu, "),
    "account_suspended": ("Your account was suspended, ", "Votre compte a été suspendu, "),
    "account_closed": ("Your account was closed, ", "Votre compte a été fermé, "),
    "visitor_left": ("You may no longer visit this account", "Vous ne pouvez plus visiter ce compte"),
    "visit_revoked": ("Ada took back the permission for this visit, ", "Ada a retiré l’autorisation de cette visite, "),
    "struck_off": ("Your session ended, ", "Votre connexion a pris fin, "),
    "deleted": ("Your session ended, ", "Votre connexion a pris fin, "),
    "never_heard_of": ("Your session ended, ", "Votre connexion a pris fin, "),
}


def ending(reason: str = "ended_by_administrator", *, by: str | None = "Ada", ago: timedelta = timedelta(minutes=5)) -> Ending:
    """The end of a session, five minutes ago unless said otherwise."""
    return Ending(reason, by, datetime.now(UTC) - ago)


async def page(tab: Tab, token: str, language: str = "en") -> str:
    """The sign-in page of that address."""
    tab.headers = {"accept_language": language}
    answer = await tab.open(f"/login?ended={quote(token)}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("reason", TOLD)
async def test_each_reason_is_told_in_both_languages(tab: Tab, house: House, reason: str) -> None:
    token = sign_ending(house.signer, ending(reason))
    english, french = TOLD[reason]
    assert english in await page(tab, token)
    assert "5 minutes ago" in tab.page.text
    assert french in await page(tab, token, "fr")
    assert "il y a 5 minutes" in tab.page.text


async def test_whoever_was_put_out_to_make_room_is_told_as_long_as_they_return_first(tab: Tab, house: House) -> None:
    told = "For two minutes from then, the next place that comes free is kept for you. Sign in again."
    for reason, seconds, first in (
        ("ended_for_room", 0, True),
        ("ended_for_room", 110, True),
        ("ended_for_room", 121, False),
        ("ended_by_administrator", 0, False),
    ):
        token = sign_ending(house.signer, ending(reason, ago=timedelta(seconds=seconds)))
        assert (told in await page(tab, token)) == first


async def test_it_is_news_for_a_day(tab: Tab, house: House) -> None:
    for ago, told in ((timedelta(hours=24) - timedelta(seconds=30), True), (timedelta(hours=24, seconds=1), False)):
        assert ("Ada ended your session" in await page(tab, sign_ending(house.signer, ending(ago=ago)))) == told


async def test_what_is_forged_or_damaged_is_told_nothing_and_can_sign_in(tab: Tab, house: House) -> None:
    token = sign_ending(house.signer, ending())
    raw = decoded(token)
    assert raw is not None
    body = raw[24:]
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(body), "more"])
    for made_up in (
        "x",
        "%00",
        token[:-1],
        token + "A",
        encoded(bytes(24) + body),
        encoded(house.signer.tag(Purpose.TICKET, body) + body),
        encoded(raw[:24] + msgspec.msgpack.encode(["ended_by_administrator", "Eve", datetime.now(UTC)])),
        encoded(raw[:24] + longer),
        "A" * 5_000,
        "é",
    ):
        text = await page(tab, made_up)
        assert "ended" not in text.replace("ended=", ""), made_up
        assert "Sign in" in text


async def test_a_name_is_shown_as_text(tab: Tab, house: House) -> None:
    text = await page(tab, sign_ending(house.signer, ending(by="<b>Eve</b>&")))
    assert "&lt;b&gt;Eve&lt;/b&gt;&amp; ended your session" in text
    assert "<b>Eve" not in text
    assert "Somebody ended your session" in await page(tab, sign_ending(house.signer, ending(by=None)))


async def test_it_is_told_in_the_other_language_too_when_the_reader_changes_it(tab: Tab, house: House) -> None:
    token = sign_ending(house.signer, ending())
    await page(tab, token)
    answer = await tab.submit("/language", language="fr")
    assert answer.headers["location"] == f"/login?ended={token}"
    assert "Ada a mis fin à votre connexion" in (await tab.open(answer.headers["location"])).text


async def test_whoever_is_signed_in_again_goes_on(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    answer = await tab.open(f"/login?ended={sign_ending(house.signer, ending())}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_api_and_gate_say_where_the_reason_can_be_read(client: httpx.AsyncClient, tab: Tab, house: House) -> None:
    api = Api(client)
    acme = await make.company(house, staff=1)
    ada, person = acme.administrator, acme.staff[0]
    for each in (ada, person):
        await api.sign_in(each)
    assert (await api.delete(f"/users/{person.user_id}/sessions", by=ada)).json() == {"ended": 1}
    refused, gate = await api.get("/session", by=person), await api.get("/gate/check", by=person)
    assert refused.json()["sign_in"].startswith("http://localhost:8000/login?ended=")
    assert gate.headers["x-portillon-sign-in"] == refused.json()["sign_in"] == gate.json()["sign_in"]
    address = urlsplit(refused.json()["sign_in"])
    assert f"{ada.name} ended your session, just now." in (await tab.open(f"{address.path}?{address.query}")).text
    for token in (None, "ptl_made-up"):
        assert "sign_in" not in (await api.get("/session", by=token)).json()
