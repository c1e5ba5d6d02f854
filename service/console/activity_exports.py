"""The page of one export of the history: how far it is, the file once it is ready, and the way to be rid of it."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from babel.numbers import format_decimal
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from service.activity_files import fetched, file_name
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from tenants import activity_exports
from tenants.accounts import get_account
from tenants.activity_exports import Export, get_export, get_ready
from tenants.brands import find_brand

RIGHT = "activity.export"
# Seconds between two looks of a script, which the server waits out.
_SLOWLY = 3
_MEGABYTE = 1_000_000
Slowly = Annotated[bool, QueryParameter(name="slowly", required=False, description="Answer in a few seconds")]


@page("/activity/exports/{export_id:uuid}", right=RIGHT)
async def export_page(export_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, slowly: Slowly = False) -> Answer:
    """One of the reader's own. The mail that says that it is ready leads here."""
    if slowly:
        await asyncio.sleep(_SLOWLY)
    async with work() as session:
        export = await get_export(session, actor, export_id)
        zone, brand = (await get_account(session, actor.account_id)).time_zone, await find_brand(session)
    path = f"/activity/exports/{export.id}"
    return view.show("activity_export.html", here=path, path=path, export=export, zone=zone, brand=brand, **_numbers(view, export))


@page("/activity/exports/{export_id:uuid}/file", right=RIGHT, media_type="application/gzip")
async def export_file(export_id: FromPath[UUID], work: Work, actor: Actor, house: House) -> Stream:
    """The file. It can be fetched again as long as it is kept."""
    async with work() as session:
        export = await get_ready(session, actor, export_id)
        name = file_name(await get_account(session, actor.account_id), export.created_at)
    return fetched(house.database, export, name=name)


@form("/activity/exports/{export_id:uuid}/delete", right=RIGHT)
async def delete_export(export_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor) -> Answer:
    """Stop writing it, or delete its file."""
    await activity_exports.cancel(session, actor, export_id)
    return view.go(f"/activity/exports/{export_id}")


def _numbers(view: View, export: Export) -> dict[str, Any]:
    # As the reader writes them, and the part that is done in hundredths.
    def written(number: float) -> str:
        return format_decimal(number, locale=view.language)

    lines = export.lines or 0
    return {
        "written": written(export.written),
        "lines": None if export.lines is None else written(lines),
        # Lines that happened meanwhile never count; whole hundredths are enough to see that it goes on.
        "percent": min(100, 100 * export.written // lines) if lines else 0,
        "size": _size(view, export.bytes, written),
    }


def _size(view: View, size: int, written: Callable[[float], str]) -> str:
    # A small file is not one of zero megabytes.
    if size < _MEGABYTE:
        return view.say("%(size)s kB", size=written(-(-size // 1000)))
    return view.say("%(size)s MB", size=written(round(size / _MEGABYTE, 1)))


routes = [export_page, export_file, delete_export]
