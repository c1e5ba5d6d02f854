"""Whether a request brings an API key that is good for its route. A session's token opens none of these routes, and a key no other."""

from base64 import b64decode
from binascii import Error as NotBase64

from litestar.types import Scope

from tenants.api_keys import KeyScope
from tenants.bearer_tokens import Bearer
from tenants.errors import InvalidKey
from tenants.house import House


class KeyCheck:
    """The check of one process."""

    def __init__(self, house: House) -> None:
        """Share what is known of keys among all routes."""
        self._house = house

    async def admit(self, scope: Scope, bearer: str | None, needed: KeyScope) -> Bearer:
        """The key of the request, in the bearer header or as the password of the basic one. Raises as `Keyring.admit` does."""
        text = _basic_password(scope) if bearer is None else bearer
        if text is None:
            raise InvalidKey
        key = await self._house.keyring.admit(text, needed)
        if self._house.keyring.wants_note(key):
            # After the answer: that somebody will want to know of it is no reason to be late, or to fail.
            self._house.later(self._house.keyring.note(key))
        return key


def _basic_password(scope: Scope) -> str | None:
    # RFC 7617, as many clients of RFC 7662 send it. The name is theirs to choose: the key says whose it is.
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:6].lower() == b"basic ":
            try:
                given = b64decode(value[6:].strip(), validate=True).decode()
            except (NotBase64, ValueError):
                return None
            return given.partition(":")[2]
    return None
