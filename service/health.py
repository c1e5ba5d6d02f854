"""Whether the process lives, and whether it can serve."""

from typing import Any

import msgspec
from litestar import Response

from service.dependencies import House
from service.routes import Open, get
from tenants import outbox
from tenants.errors import Unavailable
from tenants.house import House as HouseOf
from tenants.schema import newest_revision, present_revision, serves

# Mail that has waited this long means that no worker works.
LATE_MAIL_SECONDS = 300


class Readiness(msgspec.Struct):
    """Each part is `ok` or says what is wrong. `oldest_owed_mail` in seconds; late mail warns and does not stop serving."""

    status: str
    database: str
    redis: str
    schema: str
    oldest_owed_mail: float | None
    mail: str


@get("/livez", right=Open.TO_ANYONE, include_in_schema=False, sync_to_thread=False)
def live() -> dict[str, str]:
    """The event loop answers."""
    return {"status": "ok"}


@get("/readyz", right=Open.TO_ANYONE, include_in_schema=False)
async def ready(house: House) -> Response[Readiness]:
    """200 when requests can be served, 503 otherwise."""
    found = await readiness(house)
    works = found.status == "ok"
    return Response(found, status_code=200 if works else 503, headers={} if works else {"retry-after": "5"})


async def readiness(house: HouseOf) -> Readiness:
    """What this process finds of its parts at this moment."""
    found: dict[str, Any] = await _database(house)
    found["redis"] = await _redis(house)
    works = found["database"] == found["redis"] == found["schema"] == "ok"
    return Readiness(status="ok" if works else "unavailable", **found)


async def _database(house: HouseOf) -> dict[str, Any]:
    try:
        async with house.database.transaction() as session:
            revision = await present_revision(session)
            await outbox.step_into_sorting_room(session)
            age = await outbox.oldest_owed_seconds(session)
    except Unavailable:
        return {"database": "away", "schema": "unknown", "oldest_owed_mail": None, "mail": "unknown"}
    schema = "ok" if serves(revision) else f"is {revision}, needs {newest_revision()}: run portillon migrate"
    return {"database": "ok", "schema": schema, "oldest_owed_mail": age, "mail": "late" if age > LATE_MAIL_SECONDS else "ok"}


async def _redis(house: HouseOf) -> str:
    try:
        await house.valkey.call(b"PING")
    except Unavailable:
        return "away"
    return "ok"
