"""Custom roles, departments, restrictions, dated suspensions, first passwords, changes of address, and mail in bulk."""

from alembic import op

from tenants.migrations.wall import statements, walls

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE roles (
    name TEXT NOT NULL,
    rights TEXT[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_roles PRIMARY KEY (account_id, id),
    CONSTRAINT fk_roles_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
CREATE UNIQUE INDEX uq_roles_name ON roles (account_id, lower(name));

CREATE TABLE departments (
    name TEXT NOT NULL,
    code TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_departments PRIMARY KEY (account_id, id),
    CONSTRAINT fk_departments_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
CREATE UNIQUE INDEX uq_departments_name ON departments (account_id, lower(name)) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX uq_departments_code ON departments (account_id, lower(code)) WHERE archived_at IS NULL;

CREATE TABLE restrictions (
    account_id UUID NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT DEFAULT '' NOT NULL,
    sections TEXT[] NOT NULL,
    CONSTRAINT pk_restrictions PRIMARY KEY (account_id, scope, subject),
    CONSTRAINT fk_restrictions_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT ck_restrictions_scope CHECK (scope IN ('account', 'role', 'user'))
);
COMMENT ON COLUMN restrictions.subject IS 'the role''s key or id, the user''s id, nothing for the account';
COMMENT ON COLUMN restrictions.sections IS 'hidden from whoever is no administrator';

CREATE TABLE email_changes (
    id UUID NOT NULL,
    identity_id UUID NOT NULL,
    old_email TEXT NOT NULL,
    new_email TEXT NOT NULL,
    nonce BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    revocable_until TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_email_changes PRIMARY KEY (id),
    CONSTRAINT fk_email_changes_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id)
);
CREATE INDEX ix_email_changes_identity_id ON email_changes (identity_id);
COMMENT ON COLUMN email_changes.nonce IS 'a new one makes every link of this change worthless';
"""

COLUMNS = """
ALTER TABLE accounts ADD COLUMN admin_sets_password BOOLEAN DEFAULT 'false' NOT NULL;
COMMENT ON COLUMN accounts.admin_sets_password IS 'whether administrators may set first passwords';

ALTER TABLE identities ADD COLUMN first_password_hash TEXT, ADD COLUMN first_password_account_id UUID;
ALTER TABLE identities ADD CONSTRAINT ck_identities_first_password CHECK ((first_password_hash IS NULL) = (first_password_account_id IS NULL));
COMMENT ON COLUMN identities.first_password_hash IS 'set by the account that made the identity; good for nothing but choosing an own one';

ALTER TABLE outbox ADD COLUMN bulk BOOLEAN DEFAULT 'false' NOT NULL;
COMMENT ON COLUMN outbox.bulk IS 'one of many: whatever is not goes first';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'keyed digest of path, query and body';
DROP INDEX ix_outbox_owed;
CREATE INDEX ix_outbox_owed ON outbox (bulk, next_try_at) WHERE state = 'owed';
CREATE INDEX ix_outbox_owed_in_turn ON outbox (account_id, next_try_at) WHERE state = 'owed' AND bulk;

CREATE FUNCTION folded(given TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN replace(replace(lower(regexp_replace(normalize(given, NFKD), '[\\u0300-\\u036F]', '', 'g')), 'œ', 'oe'), 'æ', 'ae');

ALTER TABLE users
    ADD COLUMN suspended_from TIMESTAMP WITH TIME ZONE,
    ADD COLUMN last_login_order TIMESTAMP WITH TIME ZONE GENERATED ALWAYS AS (coalesce(last_login_at, to_timestamp(0))) STORED NOT NULL,
    ADD COLUMN custom_role_id UUID GENERATED ALWAYS AS (
        CASE WHEN status <> 'deleted' AND role LIKE '________-____-____-____-____________' THEN role::uuid END
    ) STORED,
    ADD COLUMN search TEXT GENERATED ALWAYS AS (left(folded(name), 240) || chr(9) || folded(email)) STORED NOT NULL;
ALTER TABLE users DROP CONSTRAINT ck_users_suspension;
ALTER TABLE users ADD CONSTRAINT ck_users_suspension CHECK (
    status = 'suspended' OR (suspended_from IS NULL AND suspended_until IS NULL AND suspended_reason IS NULL)
);
ALTER TABLE users ADD CONSTRAINT ck_users_suspension_dates CHECK (suspended_from < suspended_until);
ALTER TABLE users ADD CONSTRAINT fk_users_account_id_custom_role_id
    FOREIGN KEY (account_id, custom_role_id) REFERENCES roles (account_id, id);
COMMENT ON COLUMN users.role IS 'the key of a built-in role, or the id of one of the account''s own';
COMMENT ON COLUMN users.suspended_from IS 'none = since it was suspended';
COMMENT ON COLUMN users.last_login_order IS 'whoever never signed in comes before everybody who did';
COMMENT ON COLUMN users.search IS 'name and address, folded';
CREATE INDEX ix_users_custom_role_id ON users (account_id, custom_role_id) WHERE custom_role_id IS NOT NULL;
ALTER TABLE users ADD CONSTRAINT ck_users_departments CHECK (cardinality(departments) <= 64);
CREATE INDEX ix_users_email ON users (account_id, email, id);
CREATE INDEX ix_users_created ON users (account_id, created_at, id);
CREATE INDEX ix_users_last_login ON users (account_id, last_login_order, id);
CREATE INDEX ix_users_listed ON users (account_id, search, id)
    INCLUDE (status, suspended_from, suspended_until, role, departments, email, created_at);
"""

# Lists are read from an index alone where PostgreSQL knows that a page's rows are visible to all. A sign-in changes its user's row
# and makes that unknown; vacuum notes it again, here after every 500th of the users instead of every fifth. Room in each page
# keeps the new row beside the old one, so that indexes need not change.
UPKEEP = """
ALTER TABLE users SET (autovacuum_vacuum_scale_factor = 0.002, autovacuum_vacuum_threshold = 500, fillfactor = 85);
"""

WALLED = ("departments", "restrictions", "roles")

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON departments, email_changes TO portillon_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON restrictions, roles TO portillon_app;
"""


def upgrade() -> None:
    """Add them all; the release before runs on."""
    for statement in statements(TABLES, COLUMNS, UPKEEP, *walls(WALLED), GRANTS):
        op.execute(statement)
