"""ETags and `If-Match` (RFC 9110, 8.8.3 and 13.1.1)."""

import hashlib
from typing import Annotated

import msgspec
from litestar.params import HeaderParameter

from tenants.errors import VersionConflict, VersionMissing

IfMatch = Annotated[str | None, HeaderParameter(name="If-Match", max_length=100, description="The ETag that was read, or *")]


def etag(card: msgspec.Struct) -> str:
    """A strong ETag of an object's whole representation."""
    return f'"{hashlib.sha256(msgspec.json.encode(card)).hexdigest()[:24]}"'


def version_etag(version: int) -> str:
    """The ETag of a row that counts its versions."""
    return f'"v{version}"'


def must_match(if_match: str | None, current: str) -> None:
    """Raise VersionMissing without the header, and VersionConflict when it names another version; `*` is any."""
    if if_match is None:
        raise VersionMissing
    named = {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
    if not named & {"*", current}:
        raise VersionConflict


def wanted_version(if_match: str | None) -> int | None:
    """The version that the caller read; None for `*`. Raises VersionMissing without the header, VersionConflict for a foreign tag."""
    if if_match is None:
        raise VersionMissing
    if if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not tag.startswith("v") or not tag[1:].isdecimal() or not tag.isascii():
        raise VersionConflict
    return int(tag[1:])
