"""The first schema: tables, the wall around them, and what the application role may do."""

from alembic import op

from tenants.migrations.wall import statements, walls

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE accounts (
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    parent_id UUID,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    status TEXT DEFAULT 'active' NOT NULL,
    language TEXT DEFAULT 'fr' NOT NULL,
    time_zone TEXT DEFAULT 'Europe/Paris' NOT NULL,
    seat_unit TEXT DEFAULT 'user' NOT NULL,
    sessions_per_user INTEGER DEFAULT '1' NOT NULL,
    idle_timeout INTEGER DEFAULT '30' NOT NULL,
    show_holders BOOLEAN DEFAULT 'true' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (id),
    CONSTRAINT ck_accounts_kind CHECK (kind IN ('operator', 'reseller', 'client')),
    CONSTRAINT ck_accounts_status CHECK (status IN ('active', 'suspended', 'closed')),
    CONSTRAINT ck_accounts_parent CHECK ((kind = 'operator') = (parent_id IS NULL)),
    CONSTRAINT ck_accounts_idle_timeout CHECK (idle_timeout BETWEEN 5 AND 240),
    CONSTRAINT ck_accounts_sessions_per_user CHECK (sessions_per_user BETWEEN 1 AND 10),
    CONSTRAINT ck_accounts_seat_unit CHECK (seat_unit IN ('user', 'session')),
    CONSTRAINT fk_accounts_parent_id FOREIGN KEY(parent_id) REFERENCES accounts (id),
    CONSTRAINT uq_accounts_slug UNIQUE (slug)
);
CREATE INDEX ix_accounts_parent_id ON accounts (parent_id);
CREATE UNIQUE INDEX uq_accounts_operator ON accounts (kind) WHERE kind = 'operator';
COMMENT ON COLUMN accounts.idle_timeout IS 'minutes';

CREATE TABLE identities (
    id UUID NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT,
    credentials_version INTEGER DEFAULT '1' NOT NULL,
    language TEXT DEFAULT 'fr' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_identities PRIMARY KEY (id),
    CONSTRAINT uq_identities_email UNIQUE (email)
);
COMMENT ON COLUMN identities.email IS 'normal form';
COMMENT ON COLUMN identities.credentials_version IS 'raised by every new password';

CREATE TABLE activity (
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    event TEXT NOT NULL,
    result TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_user_id UUID,
    actor_identity_id UUID,
    actor_account_id UUID,
    actor_name TEXT,
    actor_email TEXT,
    target_type TEXT,
    target_id UUID,
    target_label TEXT,
    facts JSONB NOT NULL,
    ip TEXT,
    device TEXT,
    request_id TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity PRIMARY KEY (account_id, id),
    CONSTRAINT fk_activity_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
COMMENT ON COLUMN activity.actor_kind IS 'user, person or system';
COMMENT ON COLUMN activity.actor_account_id IS 'where the actor works, when it is not here';

CREATE TABLE licence_changes (
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    by_account_id UUID,
    by_name TEXT NOT NULL,
    before JSONB,
    after JSONB NOT NULL,
    reason TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_licence_changes PRIMARY KEY (account_id, id),
    CONSTRAINT fk_licence_changes_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE TABLE licences (
    account_id UUID NOT NULL,
    plan TEXT NOT NULL,
    users INTEGER,
    departments INTEGER,
    seats INTEGER NOT NULL,
    accountant_seats INTEGER NOT NULL,
    pool_seats INTEGER,
    options TEXT[] NOT NULL,
    starts_on DATE DEFAULT CURRENT_DATE NOT NULL,
    ends_on DATE,
    version INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_licences PRIMARY KEY (account_id),
    CONSTRAINT fk_licences_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT ck_licences_limits CHECK (seats >= 1 AND accountant_seats >= 0 AND users >= 1 AND departments >= 1 AND pool_seats >= 0),
    CONSTRAINT ck_licences_dates CHECK (ends_on >= starts_on)
);
COMMENT ON COLUMN licences.users IS 'most users; none = no limit';
COMMENT ON COLUMN licences.departments IS 'most departments; none = no limit';
COMMENT ON COLUMN licences.pool_seats IS 'seats a reseller may give; none = no limit';
COMMENT ON COLUMN licences.ends_on IS 'last day';

CREATE TABLE password_resets (
    id UUID NOT NULL,
    identity_id UUID NOT NULL,
    nonce BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_password_resets PRIMARY KEY (id),
    CONSTRAINT fk_password_resets_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id)
);
CREATE INDEX ix_password_resets_identity_id ON password_resets (identity_id);

CREATE TABLE users (
    identity_id UUID NOT NULL,
    email TEXT NOT NULL,
    name TEXT DEFAULT '' NOT NULL,
    role TEXT NOT NULL,
    departments UUID[],
    status TEXT NOT NULL,
    suspended_until TIMESTAMP WITH TIME ZONE,
    suspended_reason TEXT,
    invited_until TIMESTAMP WITH TIME ZONE,
    last_login_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (account_id, id),
    CONSTRAINT fk_users_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT uq_users_account_id_id_status UNIQUE (account_id, id, status),
    CONSTRAINT ck_users_status CHECK (status IN ('invited', 'active', 'suspended', 'struck_off', 'deleted')),
    CONSTRAINT ck_users_suspension CHECK (status = 'suspended' OR (suspended_until IS NULL AND suspended_reason IS NULL)),
    CONSTRAINT fk_users_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id)
);
CREATE UNIQUE INDEX uq_users_person ON users (account_id, identity_id) WHERE status <> 'deleted';
COMMENT ON COLUMN users.email IS 'the identity''s, copied: inside the wall it can be searched';
COMMENT ON COLUMN users.name IS 'what this account calls the person';
COMMENT ON COLUMN users.departments IS 'none = all';
COMMENT ON COLUMN users.invited_until IS 'an invited user counts in the quota until then';

CREATE TABLE directory (
    identity_id UUID NOT NULL,
    account_id UUID NOT NULL,
    user_id UUID NOT NULL,
    status TEXT NOT NULL,
    CONSTRAINT pk_directory PRIMARY KEY (identity_id, account_id),
    CONSTRAINT fk_directory_account_id_user_id_status FOREIGN KEY(account_id, user_id, status) REFERENCES users (account_id, id, status) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT fk_directory_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id)
);

CREATE TABLE invitations (
    user_id UUID NOT NULL,
    nonce BYTEA NOT NULL,
    language TEXT NOT NULL,
    message TEXT,
    invited_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE,
    accepted_at TIMESTAMP WITH TIME ZONE,
    withdrawn_at TIMESTAMP WITH TIME ZONE,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (account_id, id),
    CONSTRAINT fk_invitations_account_id_user_id FOREIGN KEY(account_id, user_id) REFERENCES users (account_id, id)
);
CREATE UNIQUE INDEX uq_invitations_user ON invitations (account_id, user_id);
COMMENT ON COLUMN invitations.invited_by IS 'name, as it was';

CREATE TABLE idempotency_keys (
    account_id UUID NOT NULL,
    user_id UUID NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    state TEXT DEFAULT 'running' NOT NULL,
    status INTEGER,
    content_type TEXT,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (account_id, user_id, key),
    CONSTRAINT fk_idempotency_keys_account_id_user_id FOREIGN KEY(account_id, user_id) REFERENCES users (account_id, id),
    CONSTRAINT ck_idempotency_keys_state CHECK (state IN ('running', 'done', 'answered'))
);
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'digest of method, path, query and body';

CREATE TABLE outbox (
    letter TEXT NOT NULL,
    user_id UUID NOT NULL,
    about UUID,
    state TEXT DEFAULT 'owed' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE,
    fence INTEGER DEFAULT '0' NOT NULL,
    last_reply TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_outbox PRIMARY KEY (account_id, id),
    CONSTRAINT fk_outbox_account_id_user_id FOREIGN KEY(account_id, user_id) REFERENCES users (account_id, id),
    CONSTRAINT ck_outbox_state CHECK (state IN ('owed', 'sent', 'refused', 'cancelled'))
);
CREATE INDEX ix_outbox_about ON outbox (account_id, about);
CREATE INDEX ix_outbox_owed ON outbox (next_try_at) WHERE state = 'owed';
COMMENT ON COLUMN outbox.user_id IS 'to whom';
COMMENT ON COLUMN outbox.fence IS 'raised by every lease; an older holder cannot settle';
COMMENT ON COLUMN outbox.last_reply IS 'of the mail server';

CREATE TABLE sessions (
    user_id UUID NOT NULL,
    token_digest BYTEA NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_reason TEXT,
    ended_by TEXT,
    ip TEXT,
    device TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (account_id, id),
    CONSTRAINT fk_sessions_account_id_user_id FOREIGN KEY(account_id, user_id) REFERENCES users (account_id, id),
    CONSTRAINT ck_sessions_ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
CREATE INDEX ix_sessions_alive ON sessions (account_id, user_id) WHERE ended_at IS NULL;
COMMENT ON COLUMN sessions.ended_by IS 'name, as it was';
"""

# Rows of these tables are visible only inside their account. FORCE: the owner is walled in as well.
WALLED = ("activity", "idempotency_keys", "invitations", "licence_changes", "licences", "outbox", "sessions", "users")

# Two doors in the wall, for reading what a parent sells and for delivering what is owed.
DOORS = """
CREATE POLICY children ON licences FOR SELECT
    USING (account_id IN (
        SELECT id FROM accounts WHERE parent_id = nullif(current_setting('app.account_id', true), '')::uuid
    ));
CREATE POLICY sorting_room ON outbox FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room_leases ON outbox FOR UPDATE USING (current_setting('app.sorting_room', true) = 'on');
"""

# The application role owns nothing. History can be added to, never changed.
GRANTS = """
GRANT USAGE ON SCHEMA public TO portillon_app;
GRANT SELECT, INSERT, UPDATE ON accounts, identities, invitations, licences, outbox, password_resets, sessions, users TO portillon_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON directory, idempotency_keys TO portillon_app;
GRANT SELECT, INSERT ON activity, licence_changes TO portillon_app;
GRANT SELECT ON alembic_version TO portillon_app;
"""


def upgrade() -> None:
    """Create everything."""
    for statement in statements(TABLES, *walls(WALLED), DOORS, GRANTS):
        op.execute(statement)
