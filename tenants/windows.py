"""A storage for the `limits` library over the process's own connection: its windows, without a second client and its cost."""

from limits.aio.storage import Storage

from tenants.valkey import Script, Valkey

_INCR = Script("""
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
""")


class PipelinedStorage(Storage):
    """Counters for fixed windows. Errors of the connection come through as they are."""

    STORAGE_SCHEME = None

    def __init__(self, valkey: Valkey) -> None:
        """Use the process's pipelining connection."""
        super().__init__()
        self._valkey = valkey

    @property
    def base_exceptions(self) -> type[Exception]:
        """Errors that the library may wrap; it is not asked to."""
        return Exception

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter that ends `expiry` seconds after its first addition; atomic."""
        count: int = await self._valkey.run(_INCR, (key.encode(),), (amount, expiry))
        return count

    async def get(self, key: str) -> int:
        """The counter; 0 without one."""
        return int(await self._valkey.call(b"GET", key) or 0)

    async def get_expiry(self, key: str) -> float:
        """When the counter ends, in seconds since the epoch of the server's clock."""
        ends: int = await self._valkey.call(b"PEXPIRETIME", key)
        return max(0, ends) / 1000

    async def check(self) -> bool:
        """Whether the server answers."""
        return bool(await self._valkey.call(b"PING") == b"PONG")

    async def reset(self) -> int | None:
        """Forget nothing: the database holds more than counters."""
        return None

    async def clear(self, key: str) -> None:
        """Forget one counter."""
        await self._valkey.call(b"DEL", key)
