"""Taking the history away: downloaded at once as a table or for a program, or, for what is larger, as a file that is prepared."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from service.activity_files import begin_export, file_name, streamed
from service.console.history_filters import Asked, read_choices
from service.console.history_words import EXPORTS, FORMATS, refusal_in_words
from service.console.routes import form, page
from service.console.sent_once import FIELD, find_outcome, is_first, keep, mark_of
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from service.paging import read_page
from tenants import brands
from tenants.accounts import get_account
from tenants.activity_exports import Export, ask_for, search_exports
from tenants.activity_files import Format
from tenants.actors import Actor as ActorOf
from tenants.errors import DomainError, Forbidden, Invalid, Unavailable
from tenants.house import House as HouseOf

RIGHT = "activity.export"
PATH = "/activity/exports"
_ROWS = 10


@page(PATH, right=RIGHT)
async def exports_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """What would be taken away, by the filters of the address; and the reader's own files."""
    return await _show(view, session, house, actor, Asked.of(view.request.query_params.get))


@form("/activity/export", right=RIGHT, media_type="application/octet-stream")
async def download(view: ViewOf, work: Work, actor: Actor, house: House) -> Stream | Answer:
    """The lines that fit, as a file to save; that it was taken is a line of the history itself, so no link can do it."""
    fields = await view.fields()
    asked = Asked.of(fields.text)
    try:
        async with work() as session:
            extract = await begin_export(
                session,
                house.catalogue,
                actor,
                filters=await asked.filters(session),
                format=_format(fields.text("format")),
                language=view.language,
                most=house.settings.activity_export_lines,
            )
            name = file_name(await get_account(session, actor.account_id), datetime.now(UTC))
        return await streamed(house.database, extract, name=name)
    except Unavailable:
        raise
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, house, actor, asked, error=error)


@form(PATH, right=RIGHT)
async def prepare(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Have a file written, however many lines it has; sent twice, it is the same file."""
    fields = await view.fields()
    asked = Asked.of(fields.text)
    mark = mark_of(house, PATH, fields, ("format", *asked.words))
    try:
        async with work() as session:
            if await is_first(session, actor, mark):
                filters, kind = await asked.filters(session), _format(fields.text("format"))
                export = await ask_for(session, actor, filters=filters, format=kind, language=view.language)
                await keep(session, actor, mark, outcome=str(export.id).encode())
    except (Forbidden, Unavailable):
        raise
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, house, actor, asked, error=error)
    async with work() as session:
        made = await find_outcome(session, actor.user_id, mark)
    return view.go(f"{PATH}/{made.decode()}" if made else PATH)


async def _show(
    view: View, session: AsyncSession, house: HouseOf, actor: ActorOf, asked: Asked, *, error: DomainError | None = None
) -> Answer:
    choices = await read_choices(view, session, actor, asked)
    rows, more = await read_page(
        session,
        search_exports(actor),
        columns={"created_at": Export.created_at},
        key=Export.id,
        sort="-created_at",
        limit=_ROWS,
        cursor=asked.cursor,
        signer=house.signer,
        of=f"activity_exports|{actor.account_id}|{actor.user_id}",
    )
    return view.show(
        "history_export.html",
        here=asked.address(PATH),
        brand=await brands.find_brand(session),
        zone=(await get_account(session, actor.account_id)).time_zone,
        asked=asked,
        filters=choices.said(view, asked),
        formats=FORMATS,
        once_field=FIELD,
        once=str(uuid4()),
        files=[_file(view, row) for row in rows],
        more=asked.address(PATH, cursor=more) if more else None,
        **_refusal(view, error),
    )


def _refusal(view: View, error: DomainError | None) -> dict[str, Any]:
    # The filters are shown here and chosen elsewhere: there is no field to stand beside.
    known = refusal_in_words(view, error)
    for complaint in known["complaints"]:
        known |= {"complaints": [], "notice": {"title": view.say("Please correct this"), "text": complaint["text"]}}
    return known


def _file(view: View, export: Export) -> dict[str, Any]:
    shape, words = EXPORTS[export.standing]
    return {
        "id": export.id,
        "format": view.say(FORMATS[export.format]),
        "created_at": export.created_at,
        "expires_at": export.expires_at if export.standing == "ready" else None,
        "written": export.written if export.standing == "ready" else None,
        "shape": shape,
        "words": view.say(words),
    }


def _format(text: str) -> Format:
    match text:
        case "csv" | "json":
            return text
    raise Invalid("format", "unknown")


routes = [exports_page, download, prepare]
