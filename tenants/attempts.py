"""Throttling of guesses, in Redis: so many wrong passwords per identity and per network address, and then a pause.

Taken before the hash is computed and given back when the password was right, so that no number of parallel tries passes the limit.
"""

import ipaddress
from time import time
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

from tenants.errors import TooManyAttempts, Unavailable
from tenants.settings import Settings
from tenants.tokens import Purpose, Signer
from tenants.valkey import Valkey

KNOWN_FOR = 30 * 24 * 3600


class Attempts:
    """Windows over guesses. Addresses of people never reach Redis: keys hold keyed digests."""

    def __init__(self, settings: Settings, signer: Signer, valkey: Valkey) -> None:
        """Connect lazily: the windows through the library's own client, known places through the process's connection."""
        self._valkey = valkey
        self._storage = RedisStorage(f"async+{settings.redis_url.get_secret_value()}", implementation="redispy", key_prefix="guess")
        self._windows = FixedWindowRateLimiter(self._storage)
        self._per_identity = RateLimitItemPerSecond(settings.attempts_per_identity, settings.attempts_window)
        self._per_address = RateLimitItemPerSecond(settings.attempts_per_address, settings.attempts_window)
        self._mails = RateLimitItemPerSecond(5, 3600)
        self._signer = signer

    async def take(self, email_key: str, ip: str | None) -> "Guess":
        """Count one guess before its hash. Raises TooManyAttempts with the seconds to wait, Unavailable when Redis is away.

        An address from which the identity signed in before has a window of its own: others cannot lock the person out.
        """
        network = _network(ip)
        person, place = self._key(email_key), self._key(network)
        try:
            known = bool(await self._valkey.call(b"EXISTS", f"known:{person}:{place}"))
            guess = Guess(self, (person, place) if known else (person,), place)
            for window, key in ((self._per_address, (place,)), (self._per_identity, guess.person)):
                if not await self._windows.hit(window, *key):
                    stats = await self._windows.get_window_stats(window, *key)
                    if window is self._per_identity:
                        await self._windows.hit(self._per_address, place, cost=-1)
                    raise TooManyAttempts(retry_after=max(1, int(stats.reset_time - time()) + 1))
        except (RedisError, OSError) as error:
            raise Unavailable from error
        return guess

    async def may_mail(self, email_key: str) -> bool:
        """Whether one more unasked-for mail may go to the address: five an hour."""
        try:
            return await self._windows.hit(self._mails, self._key(email_key))
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def give_back(self, guess: "Guess") -> None:
        """The password was right: the guess does not count, and this place is known from now on."""
        try:
            await self._windows.hit(self._per_address, guess.place, cost=-1)
            await self._windows.hit(self._per_identity, *guess.person, cost=-1)
            await self._valkey.call(b"SET", f"known:{guess.person[0]}:{guess.place}", 1, b"EX", KNOWN_FOR)
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def close(self) -> None:
        """Close the connections."""
        client: Any = self._storage.bridge
        await client.storage.aclose()

    def _key(self, text: str) -> str:
        return self._signer.tag(Purpose.DEVICE, text.encode())[:12].hex()


class Guess:
    """One counted guess."""

    def __init__(self, attempts: Attempts, person: tuple[str, ...], place: str) -> None:
        """Remember where it was counted."""
        self._attempts = attempts
        self.person = person
        self.place = place

    async def was_right(self) -> None:
        """Give it back."""
        await self._attempts.give_back(self)


def _network(ip: str | None) -> str:
    # One household or server holds a whole IPv6 /64.
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if address.version == 6 else str(address)
