"""Slugs: an account's short name in addresses and at sign-in; one for the whole installation, proposed from the account's name."""

import re
import secrets
import unicodedata

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.errors import Invalid

_RESERVED_WORDS = """
account accounts admin administrator api app assets auth billing cdn dev docs ftp gate health help imap invitation livez login logout
mail me metrics mx new nil none null oauth operator password pop portillon public readyz register reset root security session settings
signin signup smtp sso static status support system test undefined user users webmaster webmail www
"""
#: A slug may stand in an address: nobody may be called like a part of the product, of a site, or like nothing at all.
RESERVED = frozenset(_RESERVED_WORDS.split())
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_BASE = 50
_NUMBERED = 20
# Letters that Unicode does not take apart into one of the alphabet and an accent.
_SPELT = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "\u0131": "i"})


def checked_slug(slug: str) -> str:
    """A slug that somebody chose: letters, digits and hyphens inside, 63 at most (RFC 1123). Raises Invalid."""
    # Two hyphens there announce another alphabet in the names of hosts (RFC 5891).
    if not _SLUG.fullmatch(slug) or slug[2:4] == "--":
        raise Invalid("slug", "malformed")
    if slug in RESERVED:
        raise Invalid("slug", "reserved")
    return slug


async def propose_slug(session: AsyncSession, name: str) -> str:
    """A slug like the name that nobody has at this moment; it may be somebody's a moment later."""
    base = _like(name)
    numbered = [base, *(f"{base}-{number}" for number in range(2, _NUMBERED + 1))]
    taken = RESERVED | set(await session.scalars(_TAKEN, {"slugs": numbered}))
    return next((slug for slug in numbered if slug not in taken), f"{base}-{secrets.token_hex(4)}")


_TAKEN = text("SELECT slug FROM accounts WHERE slug = ANY(:slugs)").bindparams(bindparam("slugs", type_=ARRAY(Text)))


def _like(name: str) -> str:
    spelt = unicodedata.normalize("NFKD", name.casefold().translate(_SPELT))
    ascii_name = spelt.encode("ascii", "ignore").decode().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:_LONGEST_BASE].strip("-") or "company"
