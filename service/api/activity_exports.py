"""Taking the history away: as the answer itself, or, for what is larger, as a file that a worker writes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Schema
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from service.activity_files import begin_export, fetched, file_name, streamed
from service.api.activity import Action, ByActor, From, Ip, ResultFilter, Target, To, Words
from service.dependencies import Actor, House, Language, Session, Work
from service.paging import Cursor, Limit, Page, read_page
from service.routes import delete, get, post
from tenants import activity_exports
from tenants.accounts import get_account
from tenants.activity import Result
from tenants.activity_exports import Export, State, get_export, get_ready, search_exports
from tenants.activity_files import Format
from tenants.activity_filters import LONGEST_TARGET, LONGEST_TEXT, read_filters

RIGHT = "activity.export"
_NAMES = {"since": "from", "until": "to"}


class NewExport(msgspec.Struct, forbid_unknown_fields=True):
    """Which lines, as `GET /activity` chooses them, and as what."""

    format: Format = "csv"
    since: Annotated[str, msgspec.Meta(max_length=40)] | None = msgspec.field(default=None, name="from")
    until: Annotated[str, msgspec.Meta(max_length=40)] | None = msgspec.field(default=None, name="to")
    actor: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    action: Annotated[str, msgspec.Meta(max_length=121)] | None = None
    target: Annotated[str, msgspec.Meta(max_length=LONGEST_TARGET)] | None = None
    result: Result | None = None
    ip: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    text: Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)] | None = None


class ExportCard(msgspec.Struct):
    """A file of the caller's. `lines` to write is null until they are counted; `bytes` so far; after `expires_at` it is gone."""

    id: UUID
    format: Format
    filters: dict[str, str]
    state: State
    lines: int | None
    written: int
    bytes: int
    created_at: datetime
    ready_at: datetime | None
    expires_at: datetime


@dataclass
class _TwoTypes(Operation):
    """Describes the JSON lines beside the table."""

    def __post_init__(self) -> None:
        for answer in (self.responses or {}).values():
            content = getattr(answer, "content", None) or {}
            if "text/csv" in content:
                content["application/x-ndjson"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@get(
    "/activity/export",
    right=RIGHT,
    responses={200: ResponseSpec(str, media_type="text/csv", generate_examples=False, description="The lines, newest first")},
    operation_class=_TwoTypes,
)
async def export_activity(
    actor: Actor,
    house: House,
    work: Work,
    language: Language,
    format: Annotated[Format, QueryParameter(description="`csv`, or `json` for a line of JSON each")] = "csv",  # noqa: A002 - the API's word
    since: From = None,
    until: To = None,
    by: ByActor = None,
    action: Action = None,
    target: Target = None,
    result: ResultFilter = None,
    ip: Ip = None,
    text: Words = None,
) -> Stream:
    """The lines that fit, up to 1,000,000 of them, newest first: a table, or what `GET /activity` shows of each, one to a line.

    More are refused with `export_too_large`: `POST /activity/exports` has them written. That an export was made is a line of the history.
    """
    async with work() as session:
        filters = await read_filters(
            session, since=since, until=until, actor=by, action=action, target=target, result=result, ip=ip, text=text
        )
        extract = await begin_export(
            session,
            house.catalogue,
            actor,
            filters=filters,
            format=format,
            language=language,
            most=house.settings.activity_export_lines,
        )
        name = file_name(await get_account(session, actor.account_id), datetime.now(UTC))
    return await streamed(house.database, extract, name=name)


@post("/activity/exports", right=RIGHT, status_code=202, refuses=(409,))
async def ask_for_export(data: JSONBody[NewExport], session: Session, actor: Actor, language: Language) -> ExportCard:
    """Have a file written, however many lines it has. A mail tells the caller when it is ready; it is kept for 7 days."""
    filters = await read_filters(
        session,
        since=data.since,
        until=data.until,
        actor=data.actor,
        action=data.action,
        target=data.target,
        result=data.result,
        ip=data.ip,
        text=data.text,
    )
    return _card(await activity_exports.ask_for(session, actor, filters=filters, format=data.format, language=language))


@get("/activity/exports", right=RIGHT)
async def list_exports(session: Session, actor: Actor, house: House, limit: Limit = 50, cursor: Cursor = None) -> Page[ExportCard]:
    """The caller's own, newest first."""
    rows, next_cursor = await read_page(
        session,
        search_exports(actor),
        columns={"created_at": Export.created_at},
        key=Export.id,
        sort="-created_at",
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"activity_exports|{actor.account_id}|{actor.user_id}",
    )
    return Page([_card(row) for row in rows], next_cursor)


@get("/activity/exports/{export_id:uuid}", right=RIGHT, refuses=(404,))
async def read_export(export_id: FromPath[UUID], session: Session, actor: Actor) -> ExportCard:
    """How far one of the caller's own is."""
    return _card(await get_export(session, actor, export_id))


@get(
    "/activity/exports/{export_id:uuid}/file",
    right=RIGHT,
    refuses=(404,),
    responses={
        200: ResponseSpec(bytes, media_type="application/gzip", generate_examples=False, description="The file, compressed")
    },
)
async def fetch_export(export_id: FromPath[UUID], work: Work, actor: Actor, house: House) -> Stream:
    """The file, once it is `ready`; it can be fetched more than once."""
    async with work() as session:
        export = await get_ready(session, actor, export_id)
        name = file_name(await get_account(session, actor.account_id), export.created_at)
    return fetched(house.database, export, name=name)


@delete("/activity/exports/{export_id:uuid}", right=RIGHT, refuses=(404,))
async def cancel_export(export_id: FromPath[UUID], session: Session, actor: Actor) -> None:
    """Stop writing it, or delete its file. What remains is that it was asked for."""
    await activity_exports.cancel(session, actor, export_id)


def _card(export: Export) -> ExportCard:
    return ExportCard(
        id=export.id,
        format=export.format,
        filters={_NAMES.get(name, name): value for name, value in export.filters.items() if value is not None},
        state=export.standing,
        lines=export.lines,
        written=export.written,
        bytes=export.bytes,
        created_at=export.created_at,
        ready_at=export.ready_at,
        expires_at=export.expires_at,
    )


routes = [export_activity, ask_for_export, list_exports, read_export, fetch_export, cancel_export]
