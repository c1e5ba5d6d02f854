"""The bell that tells the worker that mail is owed: one job without arguments, never worth waiting for."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from tenants.errors import Unavailable
from tenants.house import Bell
from tenants.outbox import BELL_JOB, BELL_JOB_ID, BELL_QUEUE
from tenants.settings import Settings

RING_WITHIN = 1.0  # seconds
# While the queue's Redis is away, requests do not each wait for it: the worker's sweep finds the mail.
_LEAVE_ALONE_FOR = 5.0


def open_bell(settings: Settings) -> tuple[Bell, Callable[[], Awaitable[None]]]:
    """The bell for `open_house`, and what closes it. Connects at the first ring; raises Unavailable when it cannot be heard."""
    redis = _queue(settings.queue_url)
    deaf_until = 0.0

    async def ring() -> None:
        nonlocal deaf_until
        if monotonic() < deaf_until:
            raise Unavailable
        try:
            async with asyncio.timeout(RING_WITHIN):
                # One id for every ring: while one is queued, another is the same.
                await redis.enqueue_job(BELL_JOB, _job_id=BELL_JOB_ID, _queue_name=BELL_QUEUE)
        except Exception as error:
            deaf_until = monotonic() + _LEAVE_ALONE_FOR
            raise Unavailable from error

    async def close() -> None:
        await redis.aclose(close_connection_pool=True)

    return ring, close


def _queue(url: str) -> ArqRedis:
    secure = {"ssl_check_hostname": True} if url.startswith("rediss://") else {}
    timeouts = {"socket_connect_timeout": RING_WITHIN, "socket_timeout": RING_WITHIN}
    return ArqRedis(ConnectionPool.from_url(url, **timeouts, **secure), job_serializer=_to_json, job_deserializer=json.loads)


def _to_json(job: dict[str, Any]) -> bytes:
    return json.dumps(job).encode()
