"""What a new company does first: each step until it is done, and the list until all are, or the company is new no more."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.account_use import Pool
from tenants.actors import Actor
from tenants.first_steps import NEW_FOR, FirstSteps, read_first_steps


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


#: Whoever has one of these can take a step.
_RIGHTS = frozenset({"clients.manage", "users.manage", "departments.manage", "account.manage"})


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the list: what to do, why, and where."""

    done: bool
    words: str
    why: str
    path: str


async def read_checklist(session: AsyncSession, actor: Actor, pool: Pool) -> list[Step]:
    """The steps that the reader can take, done or not; none when all are done."""
    if pool.now - pool.account.created_at > NEW_FOR or actor.visit or actor.management or not actor.rights & _RIGHTS:
        return []
    steps = _steps(actor, pool, await read_first_steps(session))
    return [] if all(step.done for step in steps) else steps


def _steps(actor: Actor, pool: Pool, done: FirstSteps) -> list[Step]:
    found, licence = [], pool.licence
    if actor.may("clients.manage"):
        found.append(
            Step(done.client, _("Create a first client"), _("With its licence, and whoever looks after it there."), "/clients/new")
        )
    if actor.may("users.manage") and licence.users != 1:
        found += [
            Step(done.colleague, _("Invite a colleague"), _("They get a mail with a link, and choose a password."), "/invite"),
            Step(
                done.second_administrator,
                _("Name a second administrator"),
                _("So that somebody is there when you are not."),
                "/invite",
            ),
        ]
    if actor.may("departments.manage") and licence.departments != 1:
        found.append(Step(done.department, _("Make your departments"), _("If not everybody may see everything."), "/departments"))
    if actor.may("account.manage"):
        found.append(
            Step(
                done.settings, _("Choose how places are shared"), _("When a place comes free, and who sees who works."), "/settings"
            )
        )
    return found
