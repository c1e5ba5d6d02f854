"""Who somebody is, as headers that a proxy hands on to the vendor's application."""

from functools import cache
from urllib.parse import quote

from tenants.seat_verdicts import SeatKind
from tenants.session_facts import Blob

Header = tuple[bytes, bytes]

#: What `X-Portillon-Departments` says of somebody who is in all of them, and of somebody who is in none.
ALL, NONE = "*", "none"
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


def identities(blob: Blob) -> dict[SeatKind, list[Header]]:
    """The headers of a 200 of the gate, by the seat that is held: whoever manages without one is let through nowhere."""
    kinds: tuple[SeatKind, ...] = ("visit",) if blob.visit else ("pool", "allowance")
    shared = _headers(blob)
    return {kind: [*shared, (b"x-portillon-seat", kind.encode()), (b"content-length", b"0")] for kind in kinds}


def _headers(blob: Blob) -> list[Header]:
    # None is ever empty: proxies pass an empty one on as if there were none.
    departments = ALL if blob.departments is None else ",".join(str(each) for each in blob.departments) or NONE
    said = {
        "user": str(blob.caller_id),
        "email": blob.email,
        "name": blob.name or blob.email,
        "account": str(blob.account_id),
        "account-slug": blob.account_slug,
        "role": blob.role,
        "departments": departments,
        "session": str(blob.session_id),
    }
    if blob.visit is not None:
        said["visit"] = f"{blob.name or blob.email}, {blob.visit.account_name}"
    return [(_name(name), visible(text).encode()) for name, text in said.items()]


@cache
def _name(name: str) -> bytes:
    return f"x-portillon-{name}".encode()


def visible(text: str) -> str:
    """Percent-encoded (RFC 3986, UTF-8), but for visible ASCII other than `%`: nothing in it can end a header or begin another."""
    return quote(text, safe=_VISIBLE)
