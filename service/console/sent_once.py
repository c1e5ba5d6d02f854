"""Forms that may be sent twice and act once: what the first came to is kept for a day, and the second is told the same."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.forms import Fields
from tenants import idempotency
from tenants.actors import Actor
from tenants.house import House
from tenants.tokens import Purpose, encoded

FIELD = "once"
# Of whoever uses pages, in a table where programs name keys as they like.
_PREFIX = "form "
_ANSWERED = 200


def mark_of(house: House, path: str, fields: Fields, names: Iterable[str]) -> str:
    """Names what a form asks for: the same only for a form that is sent again with the same words in it.

    The page puts a fresh UUID into the field `once`. Another word in any of the `names` makes it another form.
    """
    words = [word for name in (FIELD, *names) for word in (name, *fields.several(name), "")]
    return encoded(house.signer.tag(Purpose.IDEMPOTENCY, path.encode(), *(word.encode() for word in words)))


async def is_first(session: AsyncSession, actor: Actor, mark: str) -> bool:
    """Whether the form has not acted yet. Ask in the transaction that acts: whoever sends it at the same moment waits for its end."""
    return await idempotency.claim(session, user_id=actor.user_id, key=_PREFIX + mark, fingerprint=mark.encode()) is None


async def keep(session: AsyncSession, actor: Actor, mark: str, *, outcome: bytes = b"") -> None:
    """What the form came to, in the transaction that acted; a refusal leaves nothing behind."""
    await idempotency.keep_answer(
        session, user_id=actor.user_id, key=_PREFIX + mark, status=_ANSWERED, content_type="application/msgpack", body=outcome
    )


async def find_outcome(session: AsyncSession, user_id: UUID, mark: str) -> bytes | None:
    """What a form of this person came to; None after a day."""
    return await idempotency.find_answer(session, user_id=user_id, key=_PREFIX + mark)
