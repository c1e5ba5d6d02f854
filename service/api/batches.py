"""Many invitations in one request, as JSON or as a CSV file: tried first or carried out, with a report on every line refused."""

from typing import Annotated, Any, Literal

import msgspec
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from service.batch_words import reason_of
from service.csv_users import departments_in, read_users
from service.dependencies import Actor, House, Language, Work
from service.routes import post
from tenants import batches
from tenants.batches import Line, Refusal

LARGEST_BATCH = 5 * 1024 * 1024  # bytes


class PersonToInvite(msgspec.Struct, forbid_unknown_fields=True):
    """One person. Role and departments by id, key, code or name; `departments` null is all of them. What is absent takes the default."""

    email: str
    name: str | None = None
    role: str | None = None
    departments: list[str] | UnsetType | None = UNSET
    language: str | None = None
    message: str | None = None


class FiledPerson(PersonToInvite):
    """One person of a file: knows the line, and what is wrong with it."""

    line: int = 0
    fault: str | None = None


class PeopleToInvite(msgspec.Struct, forbid_unknown_fields=True):
    """1 to 5,000 people. `role` is for those who have none of their own; with `dry_run` nothing is changed."""

    users: list[PersonToInvite]
    role: str | None = None
    dry_run: bool = False


class RefusedLine(msgspec.Struct):
    """Why nobody is invited for a line of the file, or for the person at this position from 1. `field` null: for the line as a whole."""

    line: int
    email: str
    field: str | None
    code: str
    message: str


class BatchReport(msgspec.Struct):
    """What a batch came to, or would. `fits`: whether `users_after` is within `users_limit`, where null is no limit."""

    accepted: int
    refused: list[RefusedLine]
    users_after: int
    users_limit: int | None
    fits: bool
    dry_run: bool


def _of_csv(content: bytes) -> PeopleToInvite:
    return PeopleToInvite(users=[_filed(line) for line in read_users(content)])


@post(
    "/users/batch",
    right="users.manage",
    status_code=200,
    reads={"text/csv": _of_csv},
    request_max_body_size=LARGEST_BATCH,
    refuses=(413,),
)
async def invite_many(
    data: JSONBody[PeopleToInvite],
    actor: Actor,
    house: House,
    work: Work,
    language: Language,
    dry_run: Annotated[bool, QueryParameter(description="Report what would happen, and change nothing")] = False,
    role: Annotated[str | None, QueryParameter(max_length=120, description="Of those who have none of their own")] = None,
    departments: Annotated[
        str | None, QueryParameter(max_length=2000, description="Of those who have none of their own, separated by |; absent: all")
    ] = None,
    written_in: Annotated[
        Literal["fr", "en"] | None,
        QueryParameter(name="language", description="Of those who have none of their own; absent: the account's"),
    ] = None,
) -> BatchReport:
    """Invite many people by mail, everybody whose line holds. Nobody is invited when the licence has no room for all of them.

    A CSV file has its columns in any order under a header (email, name, role, departments, language, message, or the same in French),
    or no header and the address first; separated by commas, semicolons or tabs; in UTF-8 or Windows-1252; departments separated by |.
    """
    given = {"role": data.role or role, "departments": departments_in(departments), "language": written_in}
    batch = await batches.check_lines([_line(person, number, given) for number, person in enumerate(data.users, 1)])
    rehearsal = dry_run or data.dry_run
    # Only now: while thousands of lines are read and judged, no connection and no lock is held.
    async with work() as session:
        carry_out = batches.preview if rehearsal else batches.invite_many
        report = await carry_out(session, house.catalogue, actor, batch)
    return BatchReport(
        accepted=report.accepted,
        refused=[_refused(refusal, language) for refusal in report.refused],
        users_after=report.users_after,
        users_limit=report.users_limit,
        fits=report.fits,
        dry_run=rehearsal,
    )


def _filed(line: Line) -> FiledPerson:
    return FiledPerson(
        email=line.email,
        name=line.name,
        role=line.role,
        departments=UNSET if line.departments is None else list(line.departments),
        language=line.language,
        message=line.message,
        line=line.number,
        fault=line.fault,
    )


def _line(person: PersonToInvite, position: int, given: dict[str, Any]) -> Line:
    named = (
        None
        if person.departments is None
        else tuple(person.departments)
        if person.departments is not UNSET
        else given["departments"]
    )
    return Line(
        number=person.line if isinstance(person, FiledPerson) else position,
        email=person.email,
        name=person.name,
        role=person.role or given["role"],
        departments=named,
        language=person.language or given["language"],
        message=person.message,
        fault=person.fault if isinstance(person, FiledPerson) else None,
    )


def _refused(refusal: Refusal, language: str) -> RefusedLine:
    return RefusedLine(refusal.line, refusal.email, refusal.field, refusal.code, reason_of(language, refusal))


routes = [invite_many]
