"""What a list of invitations comes to, line by line: kept small, and told in the reader's language."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.batch_words import reason_of
from service.console.user_words import INVITATION
from service.console.view import View
from tenants import invitations
from tenants.batches import Batch, Line, Refusal, Report
from tenants.database import entered
from tenants.invitees import any_of
from tenants.roles import Palette
from tenants.users import User

#: Lines of each kind that a page shows, and that are kept: those refused, and those that hold.
SHOWN = 200


class Told(msgspec.Struct, array_like=True):
    """One line; `code` is why nobody is invited for it."""

    number: int
    email: str
    name: str = ""
    role: str = ""
    departments: list[str] | None = None
    code: str | None = None
    field: str | None = None
    facts: dict[str, Any] = {}


class Outcome(msgspec.Struct, array_like=True):
    """A whole list: how many hold and how many do not, what it leaves of the licence, and the first lines of each kind."""

    accepted: int
    refused: int
    after: int
    limit: int | None
    lines: list[Told]

    @property
    def unseen(self) -> int:
        """Lines that are not shown."""
        return self.accepted + self.refused - len(self.lines)

    @property
    def free(self) -> int | None:
        """Places for users that are left, None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.after)


def outcome_of(batch: Batch, report: Report, palette: Palette) -> Outcome:
    """Of a list that was judged, or carried out."""
    refused = {refusal.line for refusal in report.refused}
    holding = [line for line in batch.lines if line.number not in refused]
    told = [_holds(line, palette) for line in holding[:SHOWN]] + [_refused(refusal) for refusal in report.refused[:SHOWN]]
    told.sort(key=lambda line: line.number)
    return Outcome(report.accepted, len(report.refused), report.users_after, report.users_limit, told)


def packed(outcome: Outcome) -> bytes:
    """To be kept."""
    return msgspec.msgpack.encode(outcome, enc_hook=str)


def unpacked(kept: bytes | None) -> Outcome | None:
    """What was kept; None for nothing, or something else."""
    if not kept:
        return None
    try:
        return msgspec.msgpack.decode(kept, type=Outcome)
    except msgspec.DecodeError:
        return None


def preview_rows(view: View, outcome: Outcome, palette: Palette) -> list[dict[str, Any]]:
    """What would happen, for each line that is shown."""
    return [
        {
            "line": line,
            "why": _why(view, line),
            "role": palette.name_of(line.role, view.language),
            "departments": None if line.departments is None else _names(palette, line.departments),
        }
        for line in outcome.lines
    ]


async def result_rows(view: View, session: AsyncSession, outcome: Outcome) -> list[dict[str, Any]]:
    """What happened, for each line that is shown; how far the mail is by now, while the person is still to come."""
    found = await _find(session, [line.email for line in outcome.lines if line.code is None])
    states = await invitations.states(session, list(found.values()))
    rows = []
    for line in outcome.lines:
        user = found.get(line.email) if line.code is None else None
        state = states.get(user.id) if user else None
        rows.append(
            {
                "line": line,
                "why": _why(view, line),
                "user": user.id if user else None,
                "state": INVITATION[state["state"]] if state else None,
            }
        )
    return rows


async def _find(session: AsyncSession, emails: list[str]) -> Mapping[str, User]:
    query = select(User).where(User.account_id == entered(session), User.status != "deleted", User.email == any_of(emails))
    return {user.email: user for user in await session.scalars(query)}


def _holds(line: Line, palette: Palette) -> Told:
    departments = None
    if line.departments is not None:
        departments = [str(found) for word in line.departments if (found := palette.find_department(word))]
    return Told(line.number, line.email, line.name or "", palette.find_role(line.role or "") or "", departments)


def _refused(refusal: Refusal) -> Told:
    return Told(refusal.line, refusal.email, code=refusal.code, field=refusal.field, facts=dict(refusal.facts))


def _why(view: View, line: Told) -> str | None:
    if line.code is None:
        return None
    return reason_of(view.language, Refusal(line.number, line.email, line.code, line.field, line.facts))


def _names(palette: Palette, ids: list[str]) -> str:
    known = [palette.departments.get(UUID(each)) for each in ids]
    return ", ".join(each.name for each in known if each is not None)
