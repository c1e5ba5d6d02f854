"""Passwords: which are good enough, and argon2id in a bounded pool of threads that a flood of sign-ins cannot overrun."""

import asyncio
import os
import secrets
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from zxcvbn_rs_py import Suggestion, zxcvbn
from zxcvbn_rs_py import Warning as Finding

from tenants.errors import Busy, Invalid
from tenants.settings import Settings

LONGEST = 128
# An online guesser is throttled long before this; a stolen hash costs years (zxcvbn's "safely unguessable" is 10^8).
FEWEST_GUESSES_LOG10 = 8.0
# Of the threads that hash: what is left over by requests is theirs, and on an idle machine that is everything.
HASH_NICENESS = 19
# zxcvbn's own matching is quadratic; what lies beyond adds strength only.
_LOOKED_AT = 72

T = TypeVar("T")


class Hasher:
    """As many argon2 computations at once as the settings permit, a short queue behind them, then Busy."""

    def __init__(self, settings: Settings) -> None:
        """Start no thread yet."""
        self._argon2 = PasswordHasher(time_cost=settings.argon2_time_cost, memory_cost=settings.argon2_memory_kib, parallelism=1)
        self._permits = settings.hash_permits
        self._queue = settings.hash_queue * self._permits
        self._shortest = settings.password_min_length
        self._threads = ThreadPoolExecutor(self._permits, thread_name_prefix="argon2", initializer=_step_aside)
        self._inside = 0
        # Nobody knows its password; verified against when there is no identity, so that the answer takes as long.
        self._nobody = self._argon2.hash("nobody")

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; takes the same time when there is no hash. Raises Busy."""
        return await self._run(lambda: self._matches(password_hash or self._nobody, password)) and password_hash is not None

    async def hash(self, password: str) -> str:
        """An argon2id hash. Raises Busy."""
        return await self._run(lambda: self._argon2.hash(password))

    def unknowable(self) -> str:
        """A hash that nobody has a password for: drawn, not computed. Verifying against it takes as long as against any other."""
        made, parameters = self._argon2, f"m={self._argon2.memory_cost},t={self._argon2.time_cost},p={self._argon2.parallelism}"
        salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (made.salt_len, made.hash_len))
        return f"$argon2id$v={ARGON2_VERSION}${parameters}${salt}${digest}"

    def outdated(self, password_hash: str) -> bool:
        """Whether the settings ask for other parameters than this hash was made with."""
        return self._argon2.check_needs_rehash(password_hash)

    def check(self, password: str, *, context: Iterable[str]) -> None:
        """Raise Invalid unless a new password is good enough: length, and not guessable from common words and `context`."""
        known = sorted(
            {
                word.casefold()
                for text in context
                for word in (text, *text.replace("@", " ").replace(".", " ").split())
                if len(word) > 2
            }
        )
        if len(password) < self._shortest:
            raise Invalid("password", "too_short", min=self._shortest)
        must_fit(password)
        found = zxcvbn(password[:_LOOKED_AT], [*known, "portillon"])
        if (found.guesses_log10 or 0) < FEWEST_GUESSES_LOG10:
            feedback = found.feedback
            raise Invalid(
                "password",
                "guessable",
                warning=_name(feedback.warning, Finding) if feedback and feedback.warning is not None else None,
                advice=[_name(s, Suggestion) for s in feedback.suggestions] if feedback else [],
            )

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= self._permits + self._queue:
            raise Busy(retry_after=2)
        self._inside += 1
        try:
            # Shielded: a caller that disconnects does not give its permit back before the thread is done with it.
            task = asyncio.get_running_loop().run_in_executor(self._threads, work)
            task.add_done_callback(self._leave)
        except BaseException:
            self._inside -= 1
            raise
        return await asyncio.shield(task)

    def _leave(self, _: object) -> None:
        self._inside -= 1


def _step_aside() -> None:
    # On Linux priorities belong to threads: whoever is at work goes before whoever is signing in.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), HASH_NICENESS)


def must_fit(password: str) -> None:
    """Raise Invalid for a password that is longer than any of ours, before anything is computed with it."""
    if len(password) > LONGEST:
        raise Invalid("password", "too_long", max=LONGEST)


def _name(value: object, kind: type) -> str:
    return next((name for name in dir(kind) if not name.startswith("_") and getattr(kind, name) == value), "Weak")
