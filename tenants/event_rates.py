"""How many events one API key may send in a minute: counted in Redis, for all processes together."""

from time import time
from uuid import UUID

from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter

from tenants.errors import TooManyEvents
from tenants.valkey import Valkey
from tenants.windows import PipelinedStorage


class EventRate:
    """A window of one minute for each key; it begins with the key's first event."""

    def __init__(self, valkey: Valkey, *, a_minute: int) -> None:
        """Count over the process's own connection."""
        self._windows = FixedWindowRateLimiter(PipelinedStorage(valkey))
        self._window = RateLimitItemPerMinute(a_minute, namespace="events")

    async def take(self, key_id: UUID, count: int) -> None:
        """Count so many events of the key, or none of them: raises TooManyEvents beyond the limit, and Unavailable without Redis."""
        if await self._windows.hit(self._window, key_id.hex, cost=count):
            return
        # A smaller batch may still find room in this minute.
        await self._windows.hit(self._window, key_id.hex, cost=-count)
        stats = await self._windows.get_window_stats(self._window, key_id.hex)
        raise TooManyEvents(limit=self._window.amount, retry_after=max(1, int(stats.reset_time - time()) + 1))
