"""Names of what Redis keeps of an account, and the scripts that alone may change it: all keys of one share a hash tag."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from tenants.valkey import Script

_LUA = Path(__file__).with_name("lua")
# In the order in which `shared.lua` names them.
_KINDS = tuple(letter.encode() + b":" for letter in "pchndwvbloiqzakjmer")
# As many as the script of every request needs.
_TO_KEEP = 11
#: Where the waiting line is among them.
LINE = 11
#: Where the places are that are kept for people who come first.
OFFERS = 13


def script(name: str, *, seats: bool = True) -> Script:
    """A script of this room; `seats` for one that seats somebody or looks at who waits."""
    parts = ("shared", "seating", "waiting", name) if seats else ("shared", name)
    return Script.of_files(*(_LUA / f"{part}.lua" for part in parts))


@lru_cache(maxsize=4096)
def account_keys(account_id: UUID) -> tuple[bytes, ...]:
    """Every key that an account has one of."""
    tag = b"{" + account_id.hex.encode() + b"}"
    return tuple(kind + tag for kind in _KINDS)


def copy_key(account_id: UUID, session_id: UUID) -> bytes:
    """The hot copy of a session."""
    return b"s:{%b}:%b" % (account_id.hex.encode(), session_id.hex.encode())


def user_key(account_id: UUID, user_id: UUID) -> bytes:
    """The live sessions of a user."""
    return b"u:{%b}:%b" % (account_id.hex.encode(), user_id.hex.encode())


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Where a session's token leads: prepared once, used at every request."""

    account_id: UUID
    session_id: UUID
    digest: bytes
    keys: tuple[bytes, ...]
    arguments: tuple[bytes, ...]

    @property
    def all_keys(self) -> tuple[bytes, ...]:
        """For the scripts that are run more seldom."""
        return (*account_keys(self.account_id), copy_key(self.account_id, self.session_id))


def session_key(account_id: UUID, session_id: UUID, digest: bytes) -> SessionKey:
    """The keys and arguments of the script that every request runs."""
    keys = (*account_keys(account_id)[:_TO_KEEP], copy_key(account_id, session_id))
    return SessionKey(account_id, session_id, digest, keys, (session_id.hex.encode(), digest))
