"""The worker process: arq is its bell, a sweep finds what no bell announced, and neither can stop the other."""

import asyncio
import json
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from arq import Worker, func
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from tenants.house import open_house
from tenants.outbox import BELL_JOB, BELL_QUEUE
from tenants.settings import Settings
from workers.housekeeping import keep_house
from workers.mail import MailRoom
from workers.smtp import PostOffice

log = logging.getLogger("portillon.worker")

FINISH_WITHIN = 20.0  # seconds for the mails in hand after SIGTERM; with the rest of the leave-taking it stays under 30
_LISTEN_EVERY = 0.1
_HANG_AGAIN_AFTER = 2.0
_REDIS_ANSWERS_WITHIN = 5.0
_WORKED_AFTER = 15.0


def run_worker(settings: Settings) -> None:
    """Send mail until SIGTERM or SIGINT; mails in hand are finished and nothing stays leased."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("arq").setLevel(logging.ERROR)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    house = open_house(settings)
    room = MailRoom(house, PostOffice(settings))
    ears = [asyncio.create_task(each) for each in (_sweep(settings, room.wake), _listen(settings, room.wake), keep_house(house))]
    log.info("worker is ready")
    try:
        await stop.wait()
    finally:
        for ear in ears:
            ear.cancel()
        await asyncio.gather(*ears, return_exceptions=True)
        await room.close(within=FINISH_WITHIN)
        await house.close()
        log.info("worker is done")


async def _sweep(settings: Settings, wake: Callable[[], None]) -> None:
    while True:
        wake()
        await asyncio.sleep(settings.mail_sweep)


async def _listen(settings: Settings, wake: Callable[[], None]) -> None:
    # arq's worker ends with the first error of its Redis. The sweep goes on meanwhile, and the bell is hung again.
    told = False
    while True:
        began = monotonic()
        try:
            await _hang_bell(settings, wake)
        except Exception as error:  # noqa: BLE001 - whatever ends arq, the worker stays
            told = told and monotonic() - began < _WORKED_AFTER
            if not told:
                log.warning("the queue's Redis is away (%s): mail leaves by the sweep until it is back", type(error).__name__)
            told = True
        await asyncio.sleep(_HANG_AGAIN_AFTER)


async def _hang_bell(settings: Settings, wake: Callable[[], None]) -> None:
    async def deliver(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:
        wake()

    async def rung(ctx: dict[Any, Any]) -> None:
        # A ring while `deliver` ran was taken for the same ring: the job is forgotten only now, so look once more.
        wake()

    redis = _queue(settings.queue_url)
    bell = Worker(
        functions=[func(deliver, name=BELL_JOB)],
        queue_name=BELL_QUEUE,
        redis_pool=redis,
        handle_signals=False,
        after_job_end=rung,
        poll_delay=_LISTEN_EVERY,
        max_jobs=1,
        # A killed worker's job comes back after this and ten seconds; the sweep is there sooner.
        job_timeout=1,
        max_tries=10,
        keep_result=0,
        log_results=False,
        job_serializer=_to_json,
        job_deserializer=json.loads,
    )
    try:
        await bell.async_run()
    finally:
        for job in bell.tasks.values():
            job.cancel()
        await asyncio.gather(*bell.tasks.values(), return_exceptions=True)
        with suppress(Exception):
            await redis.aclose(close_connection_pool=True)


def _queue(url: str) -> ArqRedis:
    secure = {"ssl_check_hostname": True} if url.startswith("rediss://") else {}
    timeouts = {"socket_connect_timeout": _REDIS_ANSWERS_WITHIN, "socket_timeout": _REDIS_ANSWERS_WITHIN}
    return ArqRedis(ConnectionPool.from_url(url, **timeouts, **secure), job_serializer=_to_json, job_deserializer=json.loads)


def _to_json(job: dict[str, Any]) -> bytes:
    return json.dumps(job).encode()
