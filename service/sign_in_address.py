"""Where somebody who was put out is sent: the sign-in page, with the reason in its address, signed."""

from datetime import datetime
from functools import lru_cache
from typing import TypedDict

from tenants.endings import Ending, sign_ending
from tenants.settings import Settings
from tenants.tokens import Signer


class Ended(TypedDict):
    """The fact `ended` of a refusal: why a session is over, who ended it, and when."""

    reason: str
    by: str | None
    at: datetime


def sign_in_address(settings: Settings, ended: Ended | None = None) -> str:
    """The sign-in page's address, which says there why the session ended, if it is known; for a day."""
    page = f"{settings.public_url}/login"
    if ended is None:
        return page
    return f"{page}?ended={sign_ending(_signer(settings.secret_key.get_secret_value()), Ending(**ended))}"


@lru_cache(maxsize=8)
def _signer(secret: str) -> Signer:
    return Signer(secret)
