"""The account's brand: its name and looks on the mails and pages of its clients."""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.params import JSONBody

from service.dependencies import Actor, House, Session, Work
from service.etags import etag
from service.routes import delete, get, put
from tenants import brands, logos
from tenants.brand_fields import LONGEST_NAME, LONGEST_SUPPORT
from tenants.brands import Brand
from tenants.house import House as HouseOf

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
Address = Annotated[str, msgspec.Meta(max_length=254)]
Colour = Annotated[str, msgspec.Meta(max_length=20)]
Support = Annotated[str, msgspec.Meta(max_length=LONGEST_SUPPORT)]


class NewBrand(msgspec.Struct, forbid_unknown_fields=True):
    """A whole brand but for its logo; what is absent or null is taken away.

    `sender` stands in `From`: it is in the domain of an address of an active administrator of the account, and that domain's SPF or DKIM
    should know the installation's mail server, or such mail may be taken for junk. Without it mail comes from the installation's address.
    `colour` is `#rrggbb`; `support` an e-mail address, a telephone number or an `https://` address.
    """

    name: Name
    sender: Address | None = None
    reply_to: Address | None = None
    colour: Colour | None = None
    support: Support | None = None


class BrandCard(msgspec.Struct):
    """The brand. `logo` is its address, open to anyone. `shown` is false while the licence lacks the option `branding`."""

    name: str
    sender: str | None
    reply_to: str | None
    colour: str | None
    support: str | None
    logo: str | None
    shown: bool


@get("/account/brand", right="account.view", refuses=(404,))
async def read_brand(session: Session, house: House) -> Response[BrandCard]:
    """The brand of the caller's account."""
    card = _card(house, await brands.get_brand(session))
    return Response(card, headers={"etag": etag(card)})


@put("/account/brand", right="account.manage")
async def replace_brand(data: JSONBody[NewBrand], session: Session, actor: Actor, house: House) -> BrandCard:
    """Give the account a brand, or other looks; for resellers and the operator. It works on the next mail and page of their clients."""
    return _card(house, await brands.set_brand(session, actor, wanted=msgspec.structs.asdict(data)))


@delete("/account/brand", right="account.manage", refuses=(404,))
async def remove_brand(session: Session, actor: Actor) -> None:
    """Remove the brand and its logo."""
    await brands.remove_brand(session, actor)


@put(
    "/account/brand/logo",
    right="account.manage",
    takes=logos.TYPES,
    request_max_body_size=logos.LARGEST,
    refuses=(404, 413),
)
async def replace_logo(request: Request[Any, Any, Any], actor: Actor, house: House, work: Work) -> BrandCard:
    """Give the brand a logo: one still picture as PNG, JPEG or WebP of at most 200,000 bytes, each side 16 to 2,000 pixels."""
    content = await request.body()
    # In a thread, and before a connection is taken: decoding takes as long as it takes.
    logo = await asyncio.to_thread(logos.checked_logo, content)
    async with work() as session:
        return _card(house, await brands.set_logo(session, actor, logo))


@delete("/account/brand/logo", right="account.manage", refuses=(404,))
async def remove_logo(session: Session, actor: Actor) -> None:
    """Remove the logo alone."""
    await brands.set_logo(session, actor, None)


def _card(house: HouseOf, brand: Brand) -> BrandCard:
    look = brands.look_of(brand)
    return BrandCard(
        name=brand.name,
        sender=brand.sender,
        reply_to=brand.reply_to,
        colour=brand.colour,
        support=brand.support,
        logo=f"{house.settings.public_url}{look.logo}" if look.logo else None,
        shown=brand.in_licence,
    )


routes = [read_brand, replace_brand, remove_brand, replace_logo, remove_logo]
