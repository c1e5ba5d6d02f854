"""What a brand may say of itself: checked before it is printed on mails and pages of others."""

import re
import unicodedata

from email_validator import validate_email
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.colours import known_colour
from tenants.errors import Invalid
from tenants.identities import normal_email
from tenants.texts import one_line
from tenants.users import active_administrators

LONGEST_NAME, LONGEST_SUPPORT = 80, 200
# A host with a dot, without anybody's name or password before it.
_HTTPS = "https://"
_WEB_ADDRESS = re.compile(_HTTPS + r"[\w-]+(?:\.[\w-]+)+(?::[0-9]{1,5})?(?:[/?#][^\s<>\"'\\]*)?")
_PHONE = re.compile(r"\+?[0-9](?:[ ().-]{0,2}[0-9]){4,18}")


async def checked_brand(session: AsyncSession, wanted: dict[str, str | None]) -> dict[str, str | None]:
    """The fields of a brand of the account entered, in the form in which they are kept; what is absent is None.

    Raises Invalid. A `sender` must be in the domain of an active administrator of the account: accepting the invitation proved it.
    """
    name = one_line("name", wanted["name"] or "", longest=LONGEST_NAME)
    # Mail programs show the name alone: it must not pass for somebody's address, in wide or small letters either.
    if re.search(r"\S@\S", unicodedata.normalize("NFKC", name)):
        raise Invalid("name", "like_an_address")
    colour = wanted.get("colour")
    if colour is not None and (colour := known_colour(colour)) is None:
        raise Invalid("colour", "malformed")
    support = wanted.get("support")
    sender, reply_to = (_address(field, wanted.get(field)) for field in ("sender", "reply_to"))
    if sender is not None:
        await _must_be_proven(session, sender)
    return {
        "name": name,
        "sender": sender,
        "reply_to": reply_to,
        "colour": colour,
        "support": None if support is None else _support(support),
    }


def _address(field: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        address = normal_email(text)
    except Invalid as error:
        raise Invalid(field, error.problem, **error.facts) from error
    # Not every mail server passes on headers with accents before the @ (RFC 6532), and these stand on mail to everybody.
    if validate_email(address, check_deliverability=False, test_environment=True).ascii_email is None:
        raise Invalid(field, "malformed")
    return address


async def _must_be_proven(session: AsyncSession, sender: str) -> None:
    domains = {user.email.rpartition("@")[2] for user in await active_administrators(session)}
    if sender.rpartition("@")[2] not in domains:
        raise Invalid("sender", "domain_unproven", domains=", ".join(sorted(domains)))


def _support(text: str) -> str | None:
    clean = one_line("support", text, longest=LONGEST_SUPPORT)
    if _WEB_ADDRESS.fullmatch(clean) or _PHONE.fullmatch(clean):
        return clean
    return _address("support", clean)
