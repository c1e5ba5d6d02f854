"""The pipelining connection: order, broken connections, callers that go away."""

import asyncio
from asyncio import gather

import pytest

from service.embedded import Addresses
from tenants.errors import Unavailable
from tenants.house import House
from tenants.valkey import Script, Valkey


async def test_every_caller_gets_their_own_answer(house: House) -> None:
    answers = await gather(*(house.valkey.call(b"ECHO", str(n)) for n in range(2_000)))
    assert answers == [str(n).encode() for n in range(2_000)]


async def test_f10_callers_that_go_away_take_nobody_elses_answer(house: House) -> None:
    async def ask(number: int, patience: float) -> bytes | None:
        try:
            async with asyncio.timeout(patience):
                answer: bytes = await house.valkey.call(b"ECHO", str(number))
                return answer
        except TimeoutError:
            return None

    answers = await gather(*(ask(n, 0 if n % 3 == 0 else 5) for n in range(3_000)))
    assert all(answer == str(n).encode() for n, answer in enumerate(answers) if n % 3)
    assert await house.valkey.call(b"ECHO", b"after") == b"after"


async def test_calls_share_writes(house: House) -> None:
    await house.valkey.call(b"PING")
    before = await _reads(house.valkey)
    await gather(*(house.valkey.call(b"PING") for _ in range(500)))
    assert await _reads(house.valkey) - before < 50


async def test_an_error_of_the_server_is_the_callers_alone(house: House) -> None:
    answers: list[object] = await gather(
        house.valkey.call(b"ECHO", b"one"),
        house.valkey.call(b"NO-SUCH-COMMAND"),
        house.valkey.call(b"ECHO", b"two"),
        return_exceptions=True,
    )
    assert (answers[0], answers[2]) == (b"one", b"two")
    assert isinstance(answers[1], Exception)


async def test_a_script_is_loaded_again_after_the_server_forgot_it(house: House) -> None:
    script = Script("return ARGV[1]")
    assert await house.valkey.run(script, (), ("a",)) == b"a"
    await house.valkey.call(b"SCRIPT", b"FLUSH")
    assert await gather(*(house.valkey.run(script, (), (str(n),)) for n in range(20))) == [str(n).encode() for n in range(20)]


async def test_a_broken_connection_fails_what_is_in_flight_and_comes_back(house: House, servers: Addresses) -> None:
    other = Valkey(servers.redis_url)
    await other.call(b"PING")
    waiting = asyncio.ensure_future(other.call(b"BLPOP", b"nothing", b"0"))
    await asyncio.sleep(0.05)
    await house.valkey.call(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes")
    with pytest.raises(Unavailable):
        await waiting
    assert await other.call(b"PING") == b"PONG"
    await other.close()


async def test_a_server_that_is_not_there_is_unavailable_at_once() -> None:
    nowhere = Valkey("redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable):
        await nowhere.call(b"PING")


async def test_a_server_that_does_not_answer_is_unavailable(house: House, servers: Addresses) -> None:
    stuck = Valkey(servers.redis_url)
    with pytest.raises(Unavailable):
        await stuck.call(b"BLPOP", b"nothing", b"0")
    await stuck.close()


async def test_a_wrong_password_is_unavailable_and_not_a_crash(servers: Addresses) -> None:
    wrong = Valkey(servers.redis_url.replace("redis://:", "redis://:x"))
    with pytest.raises(Unavailable):
        await wrong.call(b"PING")


async def _reads(valkey: Valkey) -> int:
    found: bytes = await valkey.call(b"INFO", b"stats")
    line = next(line for line in found.decode().splitlines() if line.startswith("total_reads_processed:"))
    return int(line.split(":")[1])
