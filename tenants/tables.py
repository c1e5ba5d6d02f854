"""Imports every table once, for migrations and tests."""

from tenants.accounts import Account
from tenants.activity import Activity
from tenants.database import AccountOwned, Base
from tenants.idempotency import IdempotencyKey
from tenants.identities import Identity
from tenants.invitations import Invitation
from tenants.licences import Licence, LicenceChange
from tenants.outbox import OwedMail
from tenants.password_resets import PasswordReset
from tenants.sessions import SignedInSession
from tenants.users import DirectoryEntry, User

__all__ = [
    "Account",
    "AccountOwned",
    "Activity",
    "Base",
    "DirectoryEntry",
    "IdempotencyKey",
    "Identity",
    "Invitation",
    "Licence",
    "LicenceChange",
    "OwedMail",
    "PasswordReset",
    "SignedInSession",
    "User",
]
