"""Imports every table once, for migrations and tests."""

from tenants.accounts import Account
from tenants.activity import Activity
from tenants.activity_exports import Export, ExportPart
from tenants.activity_intake import EventKey
from tenants.activity_seals import Head, PersonKey, Seal, Unsealed
from tenants.api_keys import ApiKey
from tenants.boosts import Boost
from tenants.brands import Brand
from tenants.client_figures import ClientFigures
from tenants.database import AccountOwned, Base
from tenants.departments import Department
from tenants.email_changes import EmailChange
from tenants.erasures import Erasure
from tenants.idempotency import IdempotencyKey
from tenants.identities import Identity
from tenants.invitations import Invitation
from tenants.licence_notices import LicenceNotice
from tenants.licences import Licence, LicenceChange
from tenants.outbox import OwedMail
from tenants.password_resets import PasswordReset
from tenants.restrictions import Restriction
from tenants.roles import Role
from tenants.seat_requests import SeatRequest
from tenants.sessions import SignedInSession
from tenants.turns import Turn
from tenants.usage import UsageDay
from tenants.users import DirectoryEntry, User
from tenants.visit_permissions import VisitPermission
from tenants.visits import Visit

__all__ = [
    "Account",
    "AccountOwned",
    "Activity",
    "ApiKey",
    "Base",
    "Boost",
    "Brand",
    "ClientFigures",
    "Department",
    "DirectoryEntry",
    "EmailChange",
    "Erasure",
    "EventKey",
    "Export",
    "ExportPart",
    "Head",
    "IdempotencyKey",
    "Identity",
    "Invitation",
    "Licence",
    "LicenceChange",
    "LicenceNotice",
    "OwedMail",
    "PasswordReset",
    "PersonKey",
    "Restriction",
    "Role",
    "Seal",
    "SeatRequest",
    "SignedInSession",
    "Turn",
    "Unsealed",
    "UsageDay",
    "User",
    "Visit",
    "VisitPermission",
]
