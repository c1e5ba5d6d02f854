"""What a new account has done of what most accounts do first: read from what there is, and stored nowhere."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account
from tenants.activity import Activity, Event
from tenants.catalogue import ADMINISTRATOR
from tenants.database import entered
from tenants.departments import Department
from tenants.users import User

#: An account is new for so long: afterwards whatever it has not done is its own choice.
NEW_FOR = timedelta(days=30)
_HERE = ("invited", "active", "suspended")


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What is done. `second_administrator` counts whoever is invited; `settings` are those of the account, changed at least once."""

    colleague: bool
    second_administrator: bool
    department: bool
    settings: bool
    client: bool


async def read_first_steps(session: AsyncSession) -> FirstSteps:
    """Of the account entered, in one statement. Looks through its history: for new accounts alone, whose history is short."""
    account_id = entered(session)
    people = select(func.count()).select_from(User).where(User.account_id == account_id, User.status.in_(_HERE))
    departments = select(Department.id).where(Department.account_id == account_id)
    changes = select(Activity.id).where(Activity.account_id == account_id, Activity.event == Event.ACCOUNT_CHANGED.value)
    clients = select(Account.id).where(Account.parent_id == account_id)
    row = (
        await session.execute(
            select(
                people.scalar_subquery().label("people"),
                people.where(User.role == ADMINISTRATOR).scalar_subquery().label("administrators"),
                departments.exists().label("department"),
                changes.exists().label("settings"),
                clients.exists().label("client"),
            )
        )
    ).one()
    return FirstSteps(row.people > 1, row.administrators > 1, row.department, row.settings, row.client)
