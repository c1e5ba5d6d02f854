"""Signed links: derived from a row, its nonce and the installation's key. Nothing secret is stored, queued or logged."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from tenants.errors import LinkInvalid

_TAG = 24
# Says that a link was made here, whatever became of it since: so an old link and a made-up one are told apart without the row.
_MARK = 8
_NOBODY = UUID(int=0)


class Purpose(StrEnum):
    """A tag made for one purpose never fits another."""

    INVITATION = "invitation"
    PASSWORD_RESET = "password-reset"
    EMAIL_CHANGE = "email-change"
    EMAIL_REVOKE = "email-revoke"
    SEAT_REQUEST = "seat-request"
    TICKET = "ticket"
    FORM = "form"
    CURSOR = "cursor"
    SESSION = "session"
    API_KEY = "api-key"
    DEVICE = "device"
    IDEMPOTENCY = "idempotency"
    ENDED = "ended"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a link of ours says of itself before its tag is checked: where to look."""

    account_id: UUID
    row_id: UUID
    tag: bytes


class Signer:
    """Derives keys from the installation's secret, one per purpose."""

    def __init__(self, secret: str) -> None:
        """Keep a digest; the secret itself is not needed again."""
        root = hashlib.sha256(secret.encode()).digest()
        self._keys = {purpose: hmac.digest(root, purpose.encode(), "sha256") for purpose in Purpose}

    def tag(self, purpose: Purpose, *parts: bytes) -> bytes:
        """24 bytes that only this installation can make for these parts."""
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._keys[purpose], message, "sha256")[:_TAG]

    def matches(self, tag: bytes, purpose: Purpose, *parts: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(tag, self.tag(purpose, *parts))

    def link(self, purpose: Purpose, *, account_id: UUID | None, row_id: UUID, nonce: bytes) -> str:
        """The token of a mailed link: the same for every retry until the row gets a new nonce."""
        account = (account_id or _NOBODY).bytes
        place = account + row_id.bytes
        return encoded(place + self.tag(purpose, place)[:_MARK] + self.tag(purpose, account, row_id.bytes, nonce))

    def claim(self, purpose: Purpose, token: str) -> Claim:
        """Take a link's token apart. Raises LinkInvalid for anything that was not made by `link` for this purpose."""
        raw = decoded(token)
        if raw is None or len(raw) != 32 + _MARK + _TAG or not hmac.compare_digest(raw[32:40], self.tag(purpose, raw[:32])[:_MARK]):
            raise LinkInvalid
        return Claim(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32 + _MARK :])

    def opens(self, claim: Claim, purpose: Purpose, *, nonce: bytes) -> bool:
        """Whether the link was made for this row and its present nonce."""
        return self.matches(claim.tag, purpose, claim.account_id.bytes, claim.row_id.bytes, nonce)


def new_nonce() -> bytes:
    """16 random bytes; replacing a row's nonce makes every earlier link to it worthless."""
    return secrets.token_bytes(16)


def encoded(raw: bytes) -> str:
    """URL-safe base64 without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes | None:
    """The inverse; None for anything else, including a second spelling of the same bytes."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, UnicodeEncodeError):
        return None
    return raw if encoded(raw) == text else None
