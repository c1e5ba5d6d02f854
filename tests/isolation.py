"""How each operation of the API is called with sense, for the tests that put another account's identifiers into it (X1)."""

from dataclasses import dataclass, field
from typing import Any

from tests.make import PASSWORD

FREE_TEXT = frozenset({"name", "message", "reason", "password", "current", "new"})
A_ROLES = ("administrator", "simple_administrator", "user", "accountant")


@dataclass(frozen=True)
class Row:
    """How an operation is called with sense; identifiers are then put into its places one by one.

    `path` says whose object stands in the path when another place is tried. `writes` are the tables in which a stranger's
    call may rightly leave something about B, such as the failed sign-in in its history. `query` is asked for unless it is the place.
    """

    body: dict[str, Any] | None = None
    path: str = ""
    signs_out: bool = False
    writes: frozenset[str] = frozenset()
    query: dict[str, str] = field(default_factory=dict)


# A new operation without a row here fails the test below.
ROWS: dict[str, Row] = {
    # Before everything that leaves in the history of company A what was tried.
    "GET /activity": Row(),
    "GET /activity/{line_id}": Row(path="nobody"),
    "GET /me/activity": Row(),
    "GET /session": Row(),
    "GET /session/events": Row(),
    "GET /gate/check": Row(),
    "GET /sessions": Row(),
    "DELETE /sessions/{session_id}": Row(path="nobody"),
    "DELETE /users/{user_id}/sessions": Row(path="nobody"),
    "GET /users": Row(),
    # Tried only: each time that it is carried out the account has one user more, and says so. Before POST /departments, which gives
    # company A a department with whatever code is tried.
    "POST /users/batch": Row(body={"users": [{"email": "new@nowhere.example.com"}], "role": "user", "dry_run": True}),
    "GET /users/{user_id}": Row(path="spare"),
    "PATCH /users/{user_id}": Row(path="spare", body={"role": "user"}),
    "POST /users/{user_id}/invitation": Row(path="nobody"),
    "DELETE /users/{user_id}/invitation": Row(path="nobody"),
    "POST /users/{user_id}/password-reset": Row(path="nobody"),
    "DELETE /users/{user_id}": Row(path="nobody"),
    "GET /users/{user_id}/rights": Row(path="spare"),
    "GET /rights/{right}/holders": Row(path="nobody"),
    "GET /roles": Row(),
    "POST /roles": Row(body={"name": "new@nowhere", "rights": []}),
    "GET /roles/{role_id}": Row(path="nobody"),
    "PATCH /roles/{role_id}": Row(path="nobody", body={"restrictions": []}),
    "DELETE /roles/{role_id}": Row(path="nobody"),
    "GET /departments": Row(),
    "POST /departments": Row(body={"name": "new@nowhere"}),
    "GET /departments/{department_id}": Row(path="nobody"),
    "PATCH /departments/{department_id}": Row(path="nobody", body={"archived": False}),
    "DELETE /departments/{department_id}": Row(path="nobody"),
    "GET /account": Row(),
    "PATCH /account": Row(body={"idle_timeout": 30}),
    "GET /account/brand": Row(),
    "PUT /account/brand": Row(body={"name": "new@nowhere"}),
    "DELETE /account/brand": Row(),
    "PUT /account/brand/logo": Row(),
    "DELETE /account/brand/logo": Row(),
    "GET /account/licence": Row(),
    # Tried only: one that is carried out stays open, and the next one is refused.
    "POST /account/seat-requests": Row(body={"seats": 1, "until": "2020-01-01T00:00:00Z"}),
    "GET /account/seat-requests": Row(),
    "DELETE /account/seat-requests/{request_id}": Row(path="nobody"),
    "GET /seat-requests": Row(),
    "POST /seat-requests/{request_id}/approve": Row(path="nobody", body={"seats": 1}),
    "POST /seat-requests/{request_id}/refuse": Row(path="nobody", body={}),
    "POST /seat-requests/by-ticket": Row(body={"ticket": "x", "seats": 1}),
    "POST /seats/queue": Row(body={"ticket": "x"}),
    "GET /seats/queue": Row(),
    "DELETE /seats/queue": Row(),
    "GET /account/queue": Row(),
    "DELETE /account/queue": Row(),
    "DELETE /account/queue/{user_id}": Row(path="nobody"),
    "POST /seats/handovers": Row(body={}),
    "GET /seats/handovers": Row(),
    "GET /seats/handovers/{handover_id}": Row(path="nobody"),
    "DELETE /seats/handovers/{handover_id}": Row(path="nobody"),
    "POST /seats/handovers/{handover_id}/answer": Row(path="nobody", body={"answer": "no"}),
    "GET /account/visits": Row(),
    # Tried only: the operator's account has nobody to let in, and no other account lets in somebody without a right.
    "POST /account/visits": Row(body={"visitor": "reseller", "once": True, "rights": []}),
    "DELETE /account/visits/{permission_id}": Row(path="nobody"),
    # Tried only: each key that is made has a text of its own.
    "POST /api-keys": Row(body={"name": "new@nowhere", "scopes": ["sessions.introspect"], "expires_at": "2020-01-01T00:00:00Z"}),
    "GET /api-keys": Row(),
    "DELETE /api-keys/{key_id}": Row(path="nobody"),
    # Refused to every session; tests/service/test_introspection.py asks about the tokens of other accounts with a key.
    "POST /oauth/introspect": Row(),
    # Likewise; tests/service/test_activity_intake.py names people of other accounts with a key.
    "POST /activity": Row(),
    # Of days without a line: each export that is made is one line more.
    "GET /activity/export": Row(query={"to": "2000-01-02"}),
    # Tried only: one that is carried out stays open, and the fourth one is refused.
    "POST /activity/exports": Row(body={"from": "yesterday"}),
    "GET /activity/exports": Row(),
    "GET /activity/exports/{export_id}": Row(path="nobody"),
    "GET /activity/exports/{export_id}/file": Row(path="nobody"),
    "DELETE /activity/exports/{export_id}": Row(path="nobody"),
    # Without the history: each one that is taken is one line more.
    "GET /me/data": Row(query={"activity": "false"}),
    "GET /account/seats": Row(),
    "GET /account/seats/export": Row(),
    "GET /catalogue": Row(),
    "GET /accounts": Row(),
    "GET /accounts/export": Row(),
    "GET /usage": Row(),
    "GET /usage/export": Row(),
    "GET /accounts/{account_id}/usage": Row(path="child"),
    "GET /accounts/slug": Row(),
    "GET /accounts/{account_id}": Row(path="child"),
    "PATCH /accounts/{account_id}": Row(path="child", body={"status": "active"}),
    "GET /accounts/{account_id}/licence": Row(path="child"),
    "PUT /accounts/{account_id}/licence": Row(path="child", body={"plan": "pro"}),
    "POST /accounts/{account_id}/visits": Row(path="child", body={"reason": "new@nowhere", "minutes": 1}),
    "GET /accounts/{account_id}/boosts": Row(path="child"),
    "POST /accounts/{account_id}/boosts": Row(path="child", body={"seats": 1}),
    "DELETE /accounts/{account_id}/boosts/{boost_id}": Row(path="child"),
    "PUT /password": Row(body={"current": "not the password", "new": "a brand new horse battery"}),
    # With the right password: whether an address is somebody's is what must not be told.
    "POST /email-changes": Row(body={"email": "nobody@nowhere.example.com", "password": PASSWORD}),
    "POST /email-changes/confirm": Row(body={"token": "x"}),
    "POST /email-changes/revoke": Row(body={"token": "x"}),
    "POST /session/heartbeat": Row(body={"closing": False}),
    "POST /session/switch": Row(body={"account": "nowhere"}),
    "POST /login": Row(
        body={"email": "nobody@nowhere.example.com", "password": "no such password"},
        writes=frozenset({"activity", "activity_unsealed"}),
    ),
    "POST /password-resets": Row(
        body={"email": "nobody@nowhere.example.com"},
        writes=frozenset({"activity", "activity_unsealed", "outbox", "password_resets"}),
    ),
    "POST /password-resets/confirm": Row(body={"token": "x", "password": "a brand new horse battery"}),
    "POST /invitations/lookup": Row(body={"token": "x"}),
    "POST /invitations/accept": Row(body={"token": "x", "password": "a brand new horse battery"}),
    "POST /invitations/renew": Row(body={"token": "x"}),
    "POST /accounts": Row(body={"name": "New", "plan": "basic", "administrator": {"email": "new@nowhere.example.com"}}),
    "POST /users": Row(body={"email": "new@nowhere.example.com", "role": "user"}),
    "DELETE /session": Row(signs_out=True),
}
# Places that no operation asks for, tried all the same.
NOT_ASKED_FOR = (("query", "account_id"), ("header", "X-Account"))
# A slug is one for the whole installation, so a taken one is told: that is all that a creation may learn.
UNIQUE_EVERYWHERE = {("POST /accounts", "slug", "slug")}
# Which kind of identifier belongs into a place: the one that every role tries; the administrator tries all kinds everywhere.
FITTING = {
    "user_id": ("user", "user_invited"),
    "account_id": ("account",),
    "boost_id": ("boost",),
    "session_id": ("session",),
    "request_id": ("seat_request",),
    "permission_id": ("visit_permission",),
    "key_id": ("api_key",),
    "handover_id": ("handover",),
    "replace_session": ("session",),
    "email": ("email",),
    "account": ("slug",),
    "slug": ("slug",),
    "cursor": ("cursor",),
    "q": ("email",),
    "ticket": ("ticket",),
    "token": ("invitation_token", "reset_token"),
    "departments": ("department",),
    "department": ("department",),
    "department_id": ("department",),
    "role_id": ("role",),
    "role": ("role",),
    "copy_of": ("role",),
    "replacement": ("role",),
    "right": ("role",),
    "line_id": ("activity",),
    "export_id": ("activity_export",),
    "actor": ("user", "api_key"),
    "target": ("user",),
    "text": ("email",),
}
