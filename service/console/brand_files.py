"""What a brand looks like, open to anyone: its logo, and a stylesheet that puts its colour on the pages."""

from typing import Annotated
from uuid import UUID

from litestar import Response
from litestar.params import FromPath, QueryParameter

from service.console.browser import AnyRequest
from service.console.routes import page
from service.dependencies import House
from service.etags import version_etag
from service.routes import Open
from tenants import brands
from tenants.brands import Look
from tenants.colours import Accent, accent
from tenants.errors import NotFound

#: The backgrounds of static/portillon.css that text and buttons stand on.
LIGHT = ("#f6f7f8", "#ffffff", "#eef5f7")
DARK = ("#14191c", "#1c2327", "#1d2d33")
_FOREVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "public, no-cache"

Version = Annotated[
    int | None, QueryParameter(name="v", required=False, description="Of the brand: this address may be kept forever")
]


@page("/brands/{account_id:uuid}/logo", right=Open.TO_ANYONE)
async def logo(account_id: FromPath[UUID], request: AnyRequest, house: House, version: Version = None) -> Response[bytes]:
    """The logo of a brand that is shown; anything else is not found."""
    async with house.database.transaction() as session:
        look = await brands.find_shown(session, account_id)
        if look is None or look.logo_type is None:
            raise NotFound
        if _known(request, look):
            return _file(b"", look.logo_type, look, version, status=304)
        content = await brands.find_logo(session)
    if content is None:
        raise NotFound
    return _file(content, look.logo_type, look, version)


@page("/brands/{account_id:uuid}/style.css", right=Open.TO_ANYONE)
async def stylesheet(account_id: FromPath[UUID], request: AnyRequest, house: House, version: Version = None) -> Response[bytes]:
    """The colour of a brand that is shown, as the custom properties of portillon.css; WCAG 2.2 AA on light and dark pages."""
    async with house.database.transaction() as session:
        look = await brands.find_shown(session, account_id)
    if look is None or look.colour is None:
        raise NotFound
    if _known(request, look):
        return _file(b"", "text/css", look, version, status=304)
    light, dark = properties(accent(look.colour, on=LIGHT)), properties(accent(look.colour, on=DARK))
    rules = f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    return _file(rules.encode(), "text/css", look, version)


def _known(request: AnyRequest, look: Look) -> bool:
    return request.headers.get("if-none-match") == version_etag(look.version)


def properties(shades: Accent, of: str = ":root") -> str:
    """A rule that gives the custom properties of portillon.css these colours, for the whole page or a part of it."""
    return (
        f"{of} {{ --accent: {shades.fill}; --accent-strong: {shades.strong}; --on-accent: {shades.on_fill}; "
        f"--accent-edge: {shades.edge}; --link: {shades.link}; --band: {shades.edge}; }}"
    )


def _file(content: bytes, media_type: str, look: Look, version: int | None, *, status: int = 200) -> Response[bytes]:
    headers = {
        "etag": version_etag(look.version),
        "cache-control": _FOREVER if version == look.version else _ASK_AGAIN,
        # Opened by itself it is nothing but what it is; programs that show mail on their own origin may show it too.
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "cross-origin",
    }
    return Response(content, media_type=media_type, status_code=status, headers=headers)


routes = [logo, stylesheet]
