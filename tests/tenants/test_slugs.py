"""Slugs: proposed from a name, one for the whole installation, whoever asks at the same moment."""

from asyncio import gather
from typing import Any

import httpx
import pytest

from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company


@pytest.fixture
async def operator(api: Api, house: House) -> Company:
    """The operator, signed in."""
    company = await make.operator(house)
    await api.sign_in(company.administrator)
    return company


async def open_account(api: Api, by: Company, name: str, **more: Any) -> httpx.Response:
    """A new client."""
    body = {"name": name, "plan": "basic", "administrator": {"email": "a@new.example.com"}, **more}
    return await api.post("/accounts", body, by=by.administrator)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme", "acme"),
        ("Boulangerie Père & Fils, SARL", "boulangerie-pere-fils-sarl"),
        ("L'Œuf à la Coque", "loeuf-a-la-coque"),
        ("Straße 12", "strasse-12"),
        ("Łódź Øst", "lodz-ost"),
        ("  ---  ", "company"),
        ("東京", "company"),
        ("Admin", "admin-2"),
        ("www", "www-2"),
        ("../../etc/passwd", "etc-passwd"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("x' OR '1'='1", "x-or-1-1"),
        ("%", "company"),
        ("xn--acme", "xn-acme"),
        ("a" * 120, "a" * 50),
    ],
)
async def test_a_name_proposes_a_slug(name: str, slug: str, api: Api, operator: Company) -> None:
    answer = await api.get("/accounts/slug", params={"name": name}, by=operator.administrator)
    assert (answer.status_code, answer.json()) == (200, {"slug": slug})
    assert (await open_account(api, operator, name)).json()["slug"] == slug


@pytest.mark.parametrize("name", ["", "   ", "a" * 121, "a\u0000b", "a\u202eb", "a\nb"])
async def test_what_cannot_be_a_name_proposes_nothing(name: str, api: Api, operator: Company) -> None:
    answer = await api.get("/accounts/slug", params={"name": name}, by=operator.administrator)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")


async def test_a_slug_that_is_taken_is_told_with_a_free_one(api: Api, operator: Company) -> None:
    assert (await open_account(api, operator, "Acme")).json()["slug"] == "acme"
    refused = await open_account(api, operator, "Something else", slug="acme")
    facts = refused.json()
    assert (refused.status_code, facts["code"]) == (409, "already_exists")
    assert (facts["what"], facts["slug"], facts["proposed"]) == ("slug", "acme", "acme-2")
    assert (await open_account(api, operator, "Something else", slug="acme-2")).status_code == 201
    assert (await open_account(api, operator, "Acme")).json()["slug"] == "acme-3"


@pytest.mark.parametrize("slug", ["admin", "api", "login", "www", "portillon", "operator"])
async def test_a_reserved_slug_is_refused(slug: str, api: Api, operator: Company) -> None:
    answer = await open_account(api, operator, "Acme", slug=slug)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "reserved")


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a b", "a.b", "a/b", "é", "a_b", "xn--acme", "ab--cd", "a" * 64, "\u0430"])
async def test_a_malformed_slug_is_refused(slug: str, api: Api, operator: Company) -> None:
    answer = await open_account(api, operator, "Acme", slug=slug)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "slug")


async def test_accounts_of_one_name_opened_at_once_have_a_slug_each(api: Api, operator: Company) -> None:
    answers = await gather(
        *(open_account(api, operator, "Acme", administrator={"email": f"a{n}@new.example.com"}) for n in range(8))
    )
    assert [answer.status_code for answer in answers] == [201] * 8
    assert sorted(answer.json()["slug"] for answer in answers) == ["acme", *(f"acme-{number}" for number in range(2, 9))]


async def test_a_slug_given_twice_at_once_is_given_once(api: Api, operator: Company) -> None:
    answers = await gather(
        *(open_account(api, operator, "Acme", slug="acme", administrator={"email": f"a{n}@new.example.com"}) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_after_many_of_one_name_a_slug_is_still_found(api: Api, operator: Company) -> None:
    slugs = [(await open_account(api, operator, "Acme")).json()["slug"] for _ in range(22)]
    assert len(set(slugs)) == 22
    assert slugs[19] == "acme-20"
    assert slugs[21].startswith("acme-")
