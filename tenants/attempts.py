"""Throttling of guesses, in Redis: so many wrong passwords per identity and per network address, and then a pause.

Taken before the hash is computed and given back when the password was right, so that no number of parallel tries passes the limit.
"""

import ipaddress
from asyncio import gather
from time import time

from limits import RateLimitItemPerSecond
from limits.aio.strategies import FixedWindowRateLimiter

from tenants.errors import TooManyAttempts
from tenants.settings import Settings
from tenants.tokens import Purpose, Signer
from tenants.valkey import Valkey
from tenants.windows import PipelinedStorage

KNOWN_FOR = 30 * 24 * 3600
# Mails that anyone may cause to one address: so many an hour.
MAILS_AN_HOUR = 5


class Attempts:
    """Windows over guesses. Addresses of people never reach Redis: keys hold keyed digests. All raise Unavailable without Redis."""

    def __init__(self, settings: Settings, signer: Signer, valkey: Valkey) -> None:
        """Count over the process's own connection."""
        self._valkey = valkey
        self._windows = FixedWindowRateLimiter(PipelinedStorage(valkey))
        self._per_identity = RateLimitItemPerSecond(settings.attempts_per_identity, settings.attempts_window, namespace="guess")
        self._per_address = RateLimitItemPerSecond(settings.attempts_per_address, settings.attempts_window, namespace="guess")
        self._mails = RateLimitItemPerSecond(MAILS_AN_HOUR, 3600, namespace="mails")
        self._signer = signer

    async def take(self, email: str, ip: str | None) -> "Guess":
        """Count one guess before its hash. Raises TooManyAttempts with the seconds to wait.

        An address from which the identity signed in before has a window of its own: others cannot lock the person out.
        """
        person, place = self._key(email), self._key(_network(ip))
        known, here = await gather(
            self._valkey.call(b"EXISTS", f"known:{person}:{place}"), self._windows.hit(self._per_address, place)
        )
        guess = Guess(self, (person, place) if known else (person,), place)
        if not here:
            raise await self._too_many(self._per_address, place)
        if not await self._windows.hit(self._per_identity, *guess.person):
            await self._windows.hit(self._per_address, place, cost=-1)
            raise await self._too_many(self._per_identity, *guess.person)
        return guess

    async def may_mail(self, email: str) -> bool:
        """Whether one more unasked-for mail may go to the address."""
        return await self._windows.hit(self._mails, self._key(email))

    async def give_back(self, guess: "Guess") -> None:
        """The password was right: the guess does not count, and this place is known from now on."""
        await gather(
            self._windows.hit(self._per_address, guess.place, cost=-1),
            self._windows.hit(self._per_identity, *guess.person, cost=-1),
            self._valkey.call(b"SET", f"known:{guess.person[0]}:{guess.place}", 1, b"EX", KNOWN_FOR),
        )

    async def _too_many(self, window: RateLimitItemPerSecond, *key: str) -> TooManyAttempts:
        stats = await self._windows.get_window_stats(window, *key)
        return TooManyAttempts(retry_after=max(1, int(stats.reset_time - time()) + 1))

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
