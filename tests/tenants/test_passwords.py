"""Passwords: lengths at their edges, words that anyone would guess, and a queue that ends."""

import asyncio

import pytest

from tenants.errors import Busy, Invalid
from tenants.passwords import Hasher, must_fit
from tenants.settings import Settings, load_settings


def settings(**given: object) -> Settings:
    """Settings that reach no server."""
    return load_settings(**{
        "environment": "development", "database_url": "postgresql://x@localhost/x", "redis_url": "redis://localhost:6379",
        "smtp_url": "smtp+plain://localhost", "public_url": "http://localhost", "secret_key": "k" * 32,
        "argon2_time_cost": 1, "argon2_memory_kib": 8, "hash_threads": 1, "hash_queue": 1, **given,
    })  # fmt: skip


@pytest.fixture
def hasher() -> Hasher:
    """Cheap, one at a time, one in the queue."""
    return Hasher(settings())


LONG = "Vq7-kestrel-9Lm-umber" * 7


def test_lengths(hasher: Hasher) -> None:
    hasher.check(LONG[:12], context=[])
    hasher.check(LONG[:128], context=[])
    for text, problem in ((LONG[:11], "too_short"), (LONG[:129], "too_long")):
        with pytest.raises(Invalid) as told:
            hasher.check(text, context=[])
        assert told.value.problem == problem
    must_fit("x" * 128)
    with pytest.raises(Invalid):
        must_fit("x" * 129)


def test_the_operator_sets_the_shortest() -> None:
    hasher = Hasher(settings(password_min_length=16))
    with pytest.raises(Invalid) as told:
        hasher.check(LONG[:15], context=[])
    assert told.value.facts == {"min": 16}
    hasher.check(LONG[:16], context=[])


@pytest.mark.parametrize(
    "text",
    [
        "password1234",
        "motdepasse12",
        "aaaaaaaaaaaaaaaa",
        "123456789012",
        "qwertyuiop12",
        "azertyuiop12",
        "abcabcabcabc",
        "portillon1234",
        "iloveyou2024",
    ],
)
def test_what_anyone_would_guess_is_refused_with_advice(hasher: Hasher, text: str) -> None:
    with pytest.raises(Invalid) as told:
        hasher.check(text, context=[])
    assert told.value.problem == "guessable"


def test_words_of_the_context_are_guessed_first(hasher: Hasher) -> None:
    hasher.check("zephyrinedumontet", context=[])
    with pytest.raises(Invalid) as told:
        hasher.check("zephyrinedumontet", context=["zephyrine@dumontet.fr", "Dumontet"])
    assert told.value.problem == "guessable"


def test_no_rules_of_composition(hasher: Hasher) -> None:
    for text in (
        "correct horse battery staple",
        "cheval agrafe pile juste",
        "\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341\u767e\u5343\u4e07",
    ):
        hasher.check(text, context=[])


async def test_a_hash_verifies_and_nobodys_never_does(hasher: Hasher) -> None:
    made = await hasher.hash(LONG[:20])
    assert made.startswith("$argon2id$")
    assert await hasher.verify(made, LONG[:20])
    assert not await hasher.verify(made, LONG[:19])
    assert not await hasher.verify(None, "nobody")
    assert not await hasher.verify("not a hash", "nobody")
    assert hasher.outdated(made) is False
    assert Hasher(settings(argon2_time_cost=2)).outdated(made) is True


async def test_beyond_the_queue_is_busy_and_then_not() -> None:
    hasher = Hasher(settings(argon2_memory_kib=20_000, argon2_time_cost=3))
    answers = await asyncio.gather(*(hasher.hash("x" * 12) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in answers) == 2, "one at work and one in the queue"
    busy = [answer for answer in answers if isinstance(answer, Busy)]
    assert len(busy) == 6
    assert busy[0].facts["retry_after"] > 0
    assert (await hasher.hash("x" * 12)).startswith("$argon2id$")


async def test_a_caller_who_leaves_gives_no_permit_back_early() -> None:
    hasher = Hasher(settings(argon2_memory_kib=20_000, argon2_time_cost=5))
    leaving = asyncio.create_task(hasher.hash("x" * 12))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    second = asyncio.create_task(hasher.hash("x" * 12))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await hasher.hash("x" * 12)
    await second
