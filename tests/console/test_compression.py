"""Pages travel compressed, but for requests that another site may have sent; files always, to whoever can read them."""

import re

import httpx
import pytest

from tenants.house import House
from tests import make
from tests.console.tab import Tab


@pytest.mark.parametrize(
    ("site", "accepts", "compressed"),
    [
        ("same-origin", "gzip, deflate, br, zstd", True),
        ("none", "br;q=1.0, gzip;q=0.8", True),
        # Whoever listens to the line could guess at the page's words with their own, which another site would send along.
        ("cross-site", "gzip", False),
        ("same-site", "gzip", False),
        (None, "gzip", False),
        ("same-origin", "identity", False),
        ("same-origin", "gzip;q=0, br", False),
        ("same-origin", "notgzip", False),
    ],
)
async def test_a_page_is_compressed_for_this_site_alone(
    client: httpx.AsyncClient, emptied: object, site: str | None, accepts: str, compressed: bool
) -> None:
    headers = {"accept-encoding": accepts} | ({"sec-fetch-site": site} if site else {})
    answer = await client.get("/login", headers=headers)
    assert answer.headers.get("content-encoding") == ("gzip" if compressed else None)
    assert answer.headers["vary"] == "accept-encoding"
    assert "<h1" in answer.text
    assert (int(answer.headers["content-length"]) < len(answer.content)) == compressed


async def test_what_was_typed_comes_back_uncompressed_to_another_site(tab: Tab, house: House) -> None:
    acme = await make.company(house, staff=0)
    await tab.sign_in(acme.administrator)
    for site, encoding in (("cross-site", None), ("same-origin", "gzip")):
        page = await tab.open("/users?q=guess", sec_fetch_site=site)
        assert 'value="guess"' in page.text
        assert 'name="form_token"' in page.text
        assert page.headers.get("content-encoding") == encoding


async def test_files_are_compressed_for_whoever_can_read_them(client: httpx.AsyncClient, emptied: object) -> None:
    for name in ("portillon.css", "seat.js", "icons.svg"):
        plain = await client.get(f"/static/{name}", headers={"accept-encoding": "identity"})
        smaller = await client.get(f"/static/{name}", headers={"accept-encoding": "gzip"})
        assert (plain.headers.get("content-encoding"), smaller.headers["content-encoding"]) == (None, "gzip")
        assert plain.content == smaller.content
        assert smaller.headers["content-type"] == plain.headers["content-type"]
        assert int(smaller.headers["content-length"]) * 2 < len(plain.content)


async def test_files_are_kept_for_good_under_the_address_of_their_content(client: httpx.AsyncClient, emptied: object) -> None:
    page = (await client.get("/login")).text
    addresses = re.findall(r'"(/static/[^"#]+)', page)
    assert len(addresses) >= 2
    for address in addresses:
        kept = await client.get(address)
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "frame-ancestors 'none'" in kept.headers["content-security-policy"]
        assert kept.headers["x-content-type-options"] == "nosniff"
        for other in (address.partition("?")[0], address[:-1] + ("0" if address[-1] != "0" else "1")):
            answer = await client.get(other)
            assert (answer.content, answer.headers["cache-control"]) == (kept.content, "no-store")
