"""The connection that hears channels ring."""

import asyncio

from service.embedded import Addresses
from tenants.bells import _Line
from tenants.valkey import open_wire


async def test_a_line_without_a_channel_is_asked_whether_it_lives_and_stays(servers: Addresses) -> None:
    rung: list[tuple[bytes, bool]] = []
    line = await open_wire(servers.redis_url, lambda: _Line(lambda channel, new: rung.append((channel, new))))
    try:
        line.ask(b"PING")
        line.ask(b"SUBSCRIBE", [b"e:one"])
        line.ask(b"PING")
        line.ask(b"UNSUBSCRIBE", [b"e:one"])
        line.ask(b"PING")
        async with asyncio.timeout(5):
            while not rung:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert (rung, line.broken, line.lost.done()) == ([(b"e:one", True)], False, False)
    finally:
        line.drop()
