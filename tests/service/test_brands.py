"""A reseller's brand: who has one, what it may say, which pictures it takes, and who sees it."""

import asyncio
import random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.embedded import Addresses
from tenants import resellers
from tenants.brands import find_brand
from tenants.house import House
from tests import make
from tests.api import Api
from tests.make import Company
from tests.pictures import TYPES, claiming, moving, of_bytes, picture
from tests.tenants.rows import events, sql

HORIZON = {
    "name": "Horizon Gestion",
    "sender": "contact@resale.example.com",
    "reply_to": "aide@elsewhere.example.org",
    "colour": "#7A2E8E",
    "support": "+33 1 23 45 67 89",
}


@pytest.fixture
async def resale(api: Api, house: House) -> Company:
    """A reseller whose administrator is signed in."""
    company = await make.company(house, "Resale", kind="reseller", staff=1)
    for person in company.people:
        await api.sign_in(person)
    return company


async def license_without_branding(house: House, company: Company, *options: str) -> None:
    above = await make.operator(house)
    seller = await make.actor(house, above, above.administrator)
    async with house.database.transaction(above.account_id) as session:
        wanted: dict[str, Any] = {"plan": "enterprise", "options": list(options)}
        await resellers.set_licence(session, house.catalogue, seller, company.account_id, wanted=wanted, version=None, reason=None)


async def logo_put(api: Api, company: Company, content: bytes, kind: str = "image/png") -> httpx.Response:
    return await api.call("PUT", "/account/brand/logo", by=company.administrator, content=content, headers={"Content-Type": kind})


async def shown_to(house: House, company: Company) -> str | None:
    async with house.database.transaction(company.account_id) as session:
        found = await find_brand(session)
        return found.name if found else None


async def test_a_brand_is_given_read_changed_and_removed(api: Api, resale: Company, servers: Addresses) -> None:
    boss = resale.administrator
    assert (await api.get("/account/brand", by=boss)).status_code == 404
    given = await api.put("/account/brand", HORIZON, by=boss)
    expected = {**HORIZON, "colour": "#7a2e8e", "logo": None, "shown": True}
    assert (given.status_code, given.json()) == (200, expected)
    read = await api.get("/account/brand", by=boss)
    assert (read.json(), read.headers["etag"][0]) == (expected, '"')
    changed = await api.put("/account/brand", {"name": "Horizon"}, by=boss)
    assert changed.json() == dict.fromkeys(HORIZON) | {"name": "Horizon", "logo": None, "shown": True}
    assert (await api.put("/account/brand", {"name": "Horizon"}, by=boss)).status_code == 200
    assert (await api.delete("/account/brand", by=boss)).status_code == 204
    assert (await api.delete("/account/brand", by=boss)).status_code == 404
    assert (await api.get("/account/brand", by=boss)).status_code == 404
    written = [event for event in await events(servers, resale.account_id) if event.startswith("brand.")]
    assert written == ["brand.changed"] * 3


async def test_only_administrators_of_the_account_change_it(api: Api, resale: Company) -> None:
    staff = resale.staff[0]
    for method, path, body in (
        ("GET", "/account/brand", None),
        ("PUT", "/account/brand", HORIZON),
        ("DELETE", "/account/brand", None),
        ("DELETE", "/account/brand/logo", None),
    ):
        assert (await api.call(method, path, by=staff, json=body)).status_code == 403
        assert (await api.call(method, path, json=body)).status_code == 401


async def test_a_client_has_no_brand_of_its_own(api: Api, house: House, resale: Company) -> None:
    client = await make.company(house, "Client", parent=resale, staff=0)
    await api.sign_in(client.administrator)
    refused = await api.put("/account/brand", {"name": "Client"}, by=client.administrator)
    assert refused.status_code == 422
    assert [(e["field"], e["code"]) for e in refused.json()["errors"]] == [("account", "not_possible")]
    await api.put("/account/brand", HORIZON, by=resale.administrator)
    assert (await api.get("/account/brand", by=client.administrator)).status_code == 404
    assert (await api.delete("/account/brand", by=client.administrator)).status_code == 404


async def test_the_licence_decides_whether_a_brand_can_be_set_and_is_shown(
    api: Api, house: House, resale: Company, servers: Addresses
) -> None:
    boss = resale.administrator
    client = await make.company(house, "Client", parent=resale, staff=0)
    await license_without_branding(house, resale, "api")
    refused = await api.put("/account/brand", HORIZON, by=boss)
    assert (refused.status_code, refused.json()["code"], refused.json()["option"]) == (403, "option_missing", "branding")
    await license_without_branding(house, resale, "branding")
    await api.put("/account/brand", HORIZON, by=boss)
    assert (await logo_put(api, resale, picture())).status_code == 200
    address = (await api.get("/account/brand", by=boss)).json()["logo"]
    style = f"/brands/{resale.account_id}/style.css"
    assert (await shown_to(house, client), (await api.client.get(address)).status_code) == ("Horizon Gestion", 200)
    assert (await api.client.get(style)).status_code == 200

    await license_without_branding(house, resale, "api")
    kept = (await api.get("/account/brand", by=boss)).json()
    assert (kept["name"], kept["shown"]) == ("Horizon Gestion", False)
    assert await shown_to(house, client) is None
    assert await shown_to(house, resale) is None
    assert (await api.client.get(address)).status_code == 404
    assert (await api.client.get(style)).status_code == 404
    assert (await api.put("/account/brand", HORIZON, by=boss)).status_code == 403
    assert (await logo_put(api, resale, picture())).json()["code"] == "option_missing"

    await license_without_branding(house, resale, "branding")
    assert await shown_to(house, client) == "Horizon Gestion"
    assert (await api.client.get(kept["logo"])).status_code == 200
    await license_without_branding(house, resale, "api")
    assert (await api.delete("/account/brand/logo", by=boss)).status_code == 204
    assert (await api.delete("/account/brand", by=boss)).status_code == 204
    assert await sql(servers, "SELECT 1 FROM brands") == []


async def test_each_account_sees_its_own_brand_or_its_parents_and_no_other(api: Api, house: House, resale: Company) -> None:
    operator = await make.operator(house)
    other = await make.company(house, "Other", kind="reseller", staff=0)
    theirs, ours = [await make.company(house, f"Of {c.slug}", parent=c, staff=0) for c in (other, resale)]
    direct = await make.company(house, "Direct", staff=0)
    await api.sign_in(operator.administrator)
    await api.put("/account/brand", {"name": "The Vendor"}, by=operator.administrator)
    await api.put("/account/brand", HORIZON, by=resale.administrator)
    seen = [await shown_to(house, company) for company in (operator, resale, other, ours, theirs, direct)]
    assert seen == ["The Vendor", "Horizon Gestion", "The Vendor", "Horizon Gestion", None, "The Vendor"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("name", "", "too_short"),
        ("name", "   ", "too_short"),
        ("name", "x" * 81, "too_long"),
        ("name", "Horizon\r\nBcc: all@example.com", "control_characters"),
        ("name", "Hori\u202ezon", "control_characters"),
        ("name", "boss@bank.example.com", "like_an_address"),
        ("name", "boss\uff20bank.example.com", "like_an_address"),
        ("name", "boss\ufe6bbank.example.com", "like_an_address"),
        ("sender", "contact@elsewhere.example.org", "domain_unproven"),
        ("sender", "contact@sub.resale.example.com", "domain_unproven"),
        ("sender", "contact@resale.example.com@x.org", "malformed"),
        ("sender", "a@resale.example.com\r\nBcc: b@x.org", "malformed"),
        ("sender", "Contact <contact@resale.example.com>", "malformed"),
        ("sender", "élan@resale.example.com", "malformed"),
        ("reply_to", "a@x.org, b@x.org", "malformed"),
        ("reply_to", "nobody", "malformed"),
        ("colour", "red", "malformed"),
        ("colour", "#12345", "malformed"),
        ("colour", "#12345g", "malformed"),
        ("colour", "#123456;}", "malformed"),
        ("support", "http://horizon.example.com", "malformed"),
        ("support", "javascript:alert(1)", "malformed"),
        ("support", "https://", "malformed"),
        ("support", "https://bank.example.com@evil.example.org/", "malformed"),
        ("support", 'https://x.example.com/"onclick="', "malformed"),
        ("support", "https://[x", "malformed"),
        ("support", "call us", "malformed"),
        ("support", "+33 1", "malformed"),
        ("support", "help@x.org\nhelp", "control_characters"),
        ("support", "1" * 201, "too_long"),
    ],
)
async def test_what_a_brand_may_not_say(
    api: Api, resale: Company, servers: Addresses, *, field: str, value: str, problem: str
) -> None:
    refused = await api.put("/account/brand", {**HORIZON, field: value}, by=resale.administrator)
    assert refused.status_code == 422
    assert [(e["field"].removeprefix("body."), e["code"]) for e in refused.json()["errors"]] == [(field, problem)]
    assert await sql(servers, "SELECT 1 FROM brands") == []


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("name", "x" * 80, "x" * 80),
        ("name", '  "Ho, rizon" & <Söhne> ', '"Ho, rizon" & <Söhne>'),
        ("name", "@Home", "@Home"),
        ("sender", "Contact@RESALE.example.com", "contact@resale.example.com"),
        ("colour", "#FFFFFF", "#ffffff"),
        ("support", "https://horizon.example.com/aide?sujet=1", "https://horizon.example.com/aide?sujet=1"),
        ("support", "Aide@Horizon.example.com", "aide@horizon.example.com"),
        ("support", "01.23.45.67.89", "01.23.45.67.89"),
        ("support", None, None),
    ],
)
async def test_what_a_brand_may_say(api: Api, resale: Company, field: str, value: str | None, kept: str | None) -> None:
    given = await api.put("/account/brand", {**HORIZON, field: value}, by=resale.administrator)
    assert (given.status_code, given.json()[field]) == (200, kept)


async def test_an_administrator_who_is_not_active_proves_no_domain(api: Api, resale: Company) -> None:
    invited = {"email": "late@elsewhere.example.org", "role": "administrator"}
    assert (await api.post("/users", invited, by=resale.administrator)).status_code == 201
    refused = await api.put("/account/brand", {**HORIZON, "sender": "a@elsewhere.example.org"}, by=resale.administrator)
    assert refused.json()["errors"][0]["code"] == "domain_unproven"
    assert refused.json()["errors"][0]["facts"] == {"domains": "resale.example.com"}


async def test_two_first_brands_at_once_leave_one(api: Api, resale: Company, servers: Addresses) -> None:
    answers = await asyncio.gather(*(api.put("/account/brand", {"name": f"N{n}"}, by=resale.administrator) for n in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(await sql(servers, "SELECT 1 FROM brands")) == 1


@pytest.mark.parametrize("kind", TYPES)
async def test_a_logo_is_open_to_anyone_as_what_it_is(api: Api, resale: Company, kind: str) -> None:
    content, boss = picture(kind), resale.administrator
    assert (await logo_put(api, resale, content)).status_code == 404
    await api.put("/account/brand", HORIZON, by=boss)
    # Named as a PNG whatever it is: what it contains decides.
    answer = await logo_put(api, resale, content)
    assert answer.status_code == 200
    address = answer.json()["logo"]
    assert address.startswith(f"http://localhost:8000/brands/{resale.account_id}/logo?v=")
    shown = await api.client.get(address)
    assert (shown.status_code, shown.content, shown.headers["content-type"]) == (200, content, TYPES[kind])
    headers = shown.headers
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "set-cookie" not in headers
    again = await api.client.get(address, headers={"If-None-Match": headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await api.client.head(address)
    assert (head.status_code, head.content) == (200, b"")
    assert (await api.client.get(address.partition("?")[0])).headers["cache-control"] == "public, no-cache"

    assert (await api.put("/account/brand", {"name": "Horizon"}, by=boss)).json()["logo"] != address
    assert (await api.client.get(address, headers={"If-None-Match": headers["etag"]})).status_code == 200
    assert (await api.delete("/account/brand/logo", by=boss)).status_code == 204
    assert (await api.client.get(address)).status_code == 404


async def test_a_brand_that_comes_back_does_not_meet_what_caches_kept(api: Api, resale: Company, servers: Addresses) -> None:
    boss, addresses = resale.administrator, []
    for _ in range(2):
        await api.put("/account/brand", HORIZON, by=boss)
        addresses.append((await logo_put(api, resale, picture())).json()["logo"])
        await api.delete("/account/brand", by=boss)
        await asyncio.sleep(1.1)
    assert addresses[0] != addresses[1]


async def test_accounts_without_a_brand_and_ids_of_nobody_are_not_found_alike(api: Api, resale: Company) -> None:
    for name in ("logo", "style.css"):
        answers = [await api.client.get(f"/brands/{each}/{name}") for each in (resale.account_id, uuid4(), uuid4())]
        assert {answer.status_code for answer in answers} == {404}
        assert (await api.client.get(f"/brands/x/{name}")).status_code == 404


def hostile() -> dict[str, tuple[bytes, str]]:
    png, jpeg, webp = (picture(kind) for kind in TYPES)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><script>alert(1)</script></svg>'
    return {
        "empty": (b"", "not_an_image"),
        "text": (b"hello", "not_an_image"),
        "svg": (svg, "not_an_image"),
        "svg after a png": (png + svg, "not_an_image"),
        "zip after a png": (png + b"PK\x05\x06" + bytes(18), "not_an_image"),
        "a byte after a jpeg": (jpeg + b"\0", "not_an_image"),
        "a jpeg after a jpeg": (jpeg + jpeg, "not_an_image"),
        "script after a webp": (webp + b"<script>", "not_an_image"),
        "text before a png": (b"GIF89a" + png, "not_an_image"),
        "gif": (picture("GIF"), "not_an_image"),
        "bmp": (picture("BMP"), "not_an_image"),
        "tiff": (picture("TIFF"), "not_an_image"),
        "half a png": (png[: len(png) // 2], "not_an_image"),
        "a png without its end": (png[:-12], "not_an_image"),
        "half a jpeg": (jpeg[: len(jpeg) // 2], "not_an_image"),
        "a jpeg without its end": (jpeg[:-2], "not_an_image"),
        "half a webp": (webp[: len(webp) // 2], "not_an_image"),
        "signature alone": (png[:8], "not_an_image"),
        "moving png": (moving("PNG"), "not_still"),
        "moving webp": (moving("WEBP"), "not_still"),
        "several jpegs": (moving("MPO"), "not_still"),
        "a bomb": (claiming(60_000, 60_000), "wrong_size"),
        "a claim": (claiming(2000, 2000), "not_an_image"),
        "15 wide": (picture(width=15, height=16), "wrong_size"),
        "15 high": (picture(width=16, height=15), "wrong_size"),
        "2001 wide": (picture(width=2001, height=16), "wrong_size"),
        "2001 high": (picture(width=16, height=2001), "wrong_size"),
    }


async def test_what_is_not_one_small_still_picture_is_refused(api: Api, resale: Company, servers: Addresses) -> None:
    await api.put("/account/brand", HORIZON, by=resale.administrator)
    for name, (content, problem) in hostile().items():
        for kind in TYPES.values():
            answer = await logo_put(api, resale, content, kind)
            assert answer.status_code == 422, f"{name}: {answer.text}"
            assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [("logo", problem)], name
    assert [tuple(row) for row in await sql(servers, "SELECT logo, logo_type FROM brands")] == [(None, None)]


async def test_both_edges_of_the_sizes_are_taken(api: Api, resale: Company) -> None:
    await api.put("/account/brand", HORIZON, by=resale.administrator)
    for width, height in ((16, 16), (2000, 2000), (16, 2000)):
        assert (await logo_put(api, resale, picture(width=width, height=height))).status_code == 200
    assert (await logo_put(api, resale, of_bytes(200_000))).status_code == 200
    refused = await logo_put(api, resale, of_bytes(200_001))
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


async def test_pictures_of_every_make_are_taken(api: Api, resale: Company) -> None:
    await api.put("/account/brand", HORIZON, by=resale.administrator)
    for content in (
        picture("JPEG", progressive=True, width=900, height=700),
        picture("JPEG", quality=100, subsampling=0, restart_marker_rows=1, comment=b"made with care"),
        picture("PNG", optimize=True),
        picture("WEBP", lossless=True, width=33, height=17),
    ):
        assert (await logo_put(api, resale, content)).status_code == 200


async def test_a_body_of_another_type_is_refused(api: Api, resale: Company) -> None:
    await api.put("/account/brand", HORIZON, by=resale.administrator)
    for kind in ("application/json", "image/svg+xml", "image/gif", "text/html", "application/octet-stream"):
        answer = await logo_put(api, resale, picture(), kind)
        assert (answer.status_code, answer.json()["code"]) == (415, "not_a_picture"), kind


async def test_a_damaged_picture_is_taken_or_refused_and_never_breaks_anything(api: Api, resale: Company) -> None:
    await api.put("/account/brand", HORIZON, by=resale.administrator)
    chance = random.Random(7)
    for kind in TYPES:
        whole = picture(kind)
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            assert (await logo_put(api, resale, bytes(damaged))).status_code in {200, 422}


async def test_the_stylesheet_is_readable_for_any_colour(api: Api, resale: Company) -> None:
    for colour, ink in (("#ffee00", "#000000"), ("#7a2e8e", "#ffffff"), ("#ffffff", "#000000"), ("#000000", "#ffffff")):
        await api.put("/account/brand", {"name": "Horizon", "colour": colour}, by=resale.administrator)
        style = await api.client.get(f"/brands/{resale.account_id}/style.css")
        assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
        assert f"--accent: {colour}; " in style.text
        assert f"--on-accent: {ink}; " in style.text
        assert style.text.count(":root") == 2
    await api.put("/account/brand", {"name": "Horizon"}, by=resale.administrator)
    assert (await api.client.get(f"/brands/{resale.account_id}/style.css")).status_code == 404
