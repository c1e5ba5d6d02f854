"""Imports every table once, for migrations and tests."""

from tenants.accounts import Account
from tenants.activity import Activity
from tenants.database import AccountOwned, Base
from tenants.departments import Department
from tenants.email_changes import EmailChange
from tenants.idempotency import IdempotencyKey
from tenants.identities import Identity
from tenants.invitations import Invitation
from tenants.licences import Licence, LicenceChange
from tenants.outbox import OwedMail
from tenants.password_resets import PasswordReset
from tenants.restrictions import Restriction
from tenants.roles import Role
from tenants.sessions import SignedInSession
from tenants.users import DirectoryEntry, User

__all__ = [
    "Account",
    "AccountOwned",
    "Activity",
    "Base",
    "Department",
    "DirectoryEntry",
    "EmailChange",
    "IdempotencyKey",
    "Identity",
    "Invitation",
    "Licence",
    "LicenceChange",
    "OwedMail",
    "PasswordReset",
    "Restriction",
    "Role",
    "SignedInSession",
    "User",
]
