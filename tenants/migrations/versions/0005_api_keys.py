"""API keys: with one, an application asks on behalf of an account."""

from alembic import op

from tenants.migrations.wall import statements, walls

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE api_keys (
    name TEXT NOT NULL,
    scopes TEXT[] NOT NULL,
    key_digest BYTEA NOT NULL,
    prefix TEXT NOT NULL,
    ending TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_by TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (account_id, id),
    CONSTRAINT fk_api_keys_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT ck_api_keys_revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
    CONSTRAINT ck_api_keys_scopes CHECK (cardinality(scopes) > 0)
);
COMMENT ON COLUMN api_keys.prefix IS 'first characters of the key';
COMMENT ON COLUMN api_keys.ending IS 'last characters of the key';
COMMENT ON COLUMN api_keys.created_by IS 'name, as it was';
COMMENT ON COLUMN api_keys.expires_at IS 'none = never';
COMMENT ON COLUMN api_keys.last_used_at IS 'to the minute';
COMMENT ON COLUMN api_keys.revoked_by IS 'name, as it was';
"""
GRANTS = """
GRANT SELECT, INSERT, UPDATE ON api_keys TO portillon_app;
"""


def upgrade() -> None:
    """Add the table."""
    for statement in statements(TABLE, *walls(("api_keys",)), GRANTS):
        op.execute(statement)
