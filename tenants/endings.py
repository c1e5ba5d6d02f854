"""Why a session ended, signed: so that the sign-in page can say it to a browser that has nothing else to show for itself."""

from datetime import UTC, datetime, timedelta

import msgspec

from tenants.tokens import Purpose, Signer, decoded, encoded

# After this the end of a session is no news.
WORTH_TELLING = timedelta(days=1)
# As `seating.lua` has it.
RETURNS_WITHIN = timedelta(minutes=2)
_TAG = 24


class Ending(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The end of a session, as far as its holder may know. `by` is a name, as it was. Nothing in it is secret."""

    reason: str
    by: str | None
    at: datetime

    @property
    def is_news(self) -> bool:
        """Whether it is worth telling still: for a day."""
        return datetime.now(UTC) - self.at <= WORTH_TELLING

    @property
    def may_return_first(self) -> bool:
        """Whether the next free seat is its person's before anybody else's (seat rule 11): they were put out just now, to make room."""
        return self.reason == "ended_for_room" and datetime.now(UTC) - self.at < RETURNS_WITHIN


def sign_ending(signer: Signer, ending: Ending) -> str:
    """A token that says it, for an address."""
    body = msgspec.msgpack.encode(ending)
    return encoded(signer.tag(Purpose.ENDED, body) + body)


def read_ending(signer: Signer, token: str) -> Ending | None:
    """What a token of ours says, for a day after the session's end; None for anything else."""
    raw = decoded(token)
    if raw is None or not signer.matches(raw[:_TAG], Purpose.ENDED, raw[_TAG:]):
        return None
    found = msgspec.msgpack.decode(raw[_TAG:], type=Ending)
    return found if found.is_news else None
