"""Whatever goes wrong is a page in the reader's language that says what to do next."""

import html
import re
from typing import Any

import httpx
import pytest

from service.app import LARGEST_BODY
from service.embedded import Addresses
from tenants.house import House, open_house
from tests import make
from tests.api import open_client
from tests.conftest import application
from tests.console.tab import Tab
from tests.make import Company
from tests.tenants.rows import sql

ENGLISH = {
    "first page": "Back to the first page",
    "again": "Try again",
    "forbidden": ("Not allowed", "Ask an administrator of your account for the right."),
    "form": ("The form is no longer valid", "Nothing was changed. Load the page again and send the form once more."),
    "nothing": ("Not found", "Nothing of this name is here, or not in your account. It may have been removed meanwhile."),
    "only posted": ("Method not allowed", "this address only takes what a form sends. Go back, and begin from there."),
    "too large": ("Too large", "Nothing was changed. Send less of it, or a smaller file."),
    "ours": ("An error on our side", "Try again. If it happens once more, pass on the number below."),
    "full": ("All places are taken", "You are still signed in"),
    "too many": ("Too many attempts", "Nothing was changed. Try again in 15 minutes."),
}
FRENCH = {
    "first page": "Retour à la première page",
    "again": "Réessayer",
    "forbidden": ("Non autorisé", "Demandez ce droit à un administrateur de votre compte."),
    "form": ("Le formulaire n'est plus valable", "Rien n'a été modifié. Rechargez la page et renvoyez le formulaire."),
    "nothing": ("Introuvable", "Rien de ce nom ici, ou pas dans votre compte."),
    "only posted": ("Méthode non autorisée", "Revenez en arrière et recommencez à partir de là."),
    "too large": ("Trop volumineux", "Rien n’a été modifié."),
    "ours": ("Une erreur de notre côté", "Réessayez. Si cela se reproduit, transmettez le numéro ci-dessous."),
    "full": ("Toutes les places sont prises", "Vous êtes toujours connecté(e)"),
    "too many": ("Trop d'essais", "Rien n’a été modifié. Réessayez dans 15 minutes."),
}
IN_EACH_LANGUAGE = pytest.mark.parametrize(("language", "words"), [("en", ENGLISH), ("fr", FRENCH)])


def browser(client: httpx.AsyncClient, language: str) -> Tab:
    """A tab of somebody who chose this language, asking for pages as browsers do."""
    tab = Tab(client, accept="text/html,application/xhtml+xml,*/*;q=0.8")
    tab.cookies["portillon-language"] = language
    return tab


def says(answer: httpx.Response, status: int, language: str, *words: str) -> None:
    """The answer is a page of this language, with these words, and a way on."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    text = html.unescape(re.sub(r"\s+", " ", answer.text))
    assert f'<html lang="{language}">' in text
    for each in words:
        assert each in text, (status, each)
    # Within the page itself: its head and foot lead somewhere on every page.
    assert re.search(r'<(a|form) [^>]*(href|action)="/', text.partition("<main")[2].partition("</main>")[0])


@IN_EACH_LANGUAGE
async def test_refusals_and_failures_inside_say_what_to_do_next(
    client: httpx.AsyncClient, house: House, servers: Addresses, language: str, words: dict[str, Any]
) -> None:
    acme = await make.company(house, staff=1, seats=2)
    tab = browser(client, language)
    await tab.sign_in(acme.staff[0])
    says(await tab.open("/settings"), 403, language, *words["forbidden"], words["first page"], '<nav id="menu"')
    says(await tab.open(f"/seat-requests/{acme.account_id}"), 404, language, *words["nothing"], words["first page"])
    says(await tab.open("/nothing-here"), 404, language, *words["nothing"], words["first page"])
    says(await tab.open("/logout"), 405, language, *words["only posted"], words["first page"])
    says(await tab.post("/logout", {"form_token": "of another session"}), 403, language, *words["form"], words["first page"])
    says(await tab.post("/logout", {"x": "x" * (LARGEST_BODY - 1)}), 413, language, *words["too large"], words["first page"])
    says(await tab.post("/logout", {"x": "x" * (LARGEST_BODY - 2)}), 403, language, *words["form"])
    await sql(servers, "REVOKE SELECT ON licences FROM portillon_app")
    try:
        failed = await tab.open("/connections?days=7")
        says(failed, 500, language, *words["ours"], words["first page"], failed.headers["x-request-id"])
        assert f'href="/connections?days=7">{words["again"]}</a>' in html.unescape(failed.text)
    finally:
        await sql(servers, "GRANT SELECT ON licences TO portillon_app")
    assert (await tab.open("/connections?days=7")).status_code == 200
    await _lose_the_place(house, acme)
    await browser(client, language).sign_in(acme.administrator)
    says(await tab.open("/connections"), 409, language, *words["full"])


async def test_too_many_tries_say_for_how_long_to_wait(settings: Any, house: House) -> None:
    strict = open_house(settings.model_copy(update={"attempts_per_identity": 1}))
    try:
        async with open_client(application(strict, beside=1)) as client:
            for language, words in (("en", ENGLISH), ("fr", FRENCH)):
                tab = browser(client, language)
                await tab.open("/login")
                await tab.submit("/login", email=f"{language}@example.com", password="one")
                answer = await tab.submit("/login", email=f"{language}@example.com", password="two")
                says(answer, 429, language, *words["too many"])
                assert 0 < int(answer.headers["retry-after"]) <= 900
    finally:
        await strict.close()


async def _lose_the_place(house: House, acme: Company) -> None:
    # Idle for longer than the account allows; and there is room for one alone now.
    await house.valkey.call(b"DEL", b"h:{" + acme.account_id.hex.encode() + b"}")
    await make.set_seats(house, acme, 1)
