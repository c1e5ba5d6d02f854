"""The history in partitions, and tables for its seals, for what the vendor's application adds, for exports, and for the erasure of people."""

from alembic import op

from tenants.migrations.wall import statements, walls

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Until now nothing was ever forgotten: an account that is there already keeps as much as can be kept, until it says otherwise.
SETTINGS = """
ALTER TABLE accounts ADD COLUMN activity_documents TEXT DEFAULT 'dropped' NOT NULL, ADD COLUMN activity_months INTEGER DEFAULT 12 NOT NULL;
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_activity_documents CHECK (activity_documents IN ('kept', 'dropped', 'refused'));
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_activity_months CHECK (activity_months BETWEEN 6 AND 36);
UPDATE accounts SET activity_months = 36;
COMMENT ON COLUMN accounts.activity_documents IS 'what becomes of events about documents';
COMMENT ON COLUMN accounts.activity_months IS 'full months that the history is kept';
"""

# No foreign key to the account: the wall says that a line's account is the one entered, accounts are never deleted, and every line would pay.
ACTIVITY = """
ALTER TABLE activity RENAME TO activity_before;
ALTER TABLE activity_before RENAME CONSTRAINT pk_activity TO pk_activity_before;
ALTER TABLE activity_before NO FORCE ROW LEVEL SECURITY;
CREATE TABLE activity (
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    event TEXT NOT NULL,
    result TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_user_id UUID,
    actor_identity_id UUID,
    actor_key_id UUID,
    actor_account_id UUID,
    actor_account_name TEXT,
    actor_name TEXT,
    actor_email TEXT,
    target_type TEXT,
    target_id TEXT,
    target_label TEXT,
    facts JSONB NOT NULL,
    ip TEXT,
    device TEXT,
    request_id TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity PRIMARY KEY (account_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX ix_activity_at ON activity (account_id, at, id);
CREATE INDEX ix_activity_actor ON activity (account_id, actor_user_id, at, id);
CREATE INDEX ix_activity_target ON activity (account_id, target_id, at, id);
CREATE INDEX ix_activity_event ON activity (account_id, event, at, id);
COMMENT ON COLUMN activity.at IS 'when it happened';
COMMENT ON COLUMN activity.recorded_at IS 'when the line was written; the id begins with the same moment';
COMMENT ON COLUMN activity.actor_kind IS 'user, visitor, person, api_key or system';
COMMENT ON COLUMN activity.actor_key_id IS 'the API key through which the line came';
COMMENT ON COLUMN activity.actor_account_id IS 'where the actor works, when it is not here';
COMMENT ON COLUMN activity.actor_account_name IS 'name of that account, as it was';
COMMENT ON COLUMN activity.target_id IS 'of an object of ours, or the vendor application''s own';

CREATE SCHEMA activity_months;
CREATE TABLE activity_months.other PARTITION OF activity DEFAULT;
"""

TABLES = """
CREATE TABLE activity_unsealed (
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity_unsealed PRIMARY KEY (account_id, id)
);

CREATE TABLE activity_heads (
    account_id UUID NOT NULL,
    number BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    forgotten_through DATE,
    CONSTRAINT pk_activity_heads PRIMARY KEY (account_id),
    CONSTRAINT fk_activity_heads_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
COMMENT ON COLUMN activity_heads.number IS 'of the last seal';
COMMENT ON COLUMN activity_heads.lines IS 'sealed so far';
COMMENT ON COLUMN activity_heads.forgotten_through IS 'first day of the last month whose lines are gone';

CREATE TABLE activity_seals (
    number BIGINT NOT NULL,
    month DATE NOT NULL,
    lines UUID[] NOT NULL,
    digests BYTEA NOT NULL,
    actors BYTEA NOT NULL,
    targets BYTEA NOT NULL,
    content BYTEA NOT NULL,
    previous BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    key TEXT NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity_seals PRIMARY KEY (account_id, id),
    CONSTRAINT uq_activity_seals_account_id_number UNIQUE (account_id, number)
);
CREATE INDEX ix_activity_seals_month ON activity_seals (account_id, month) WHERE lines <> '{}';
COMMENT ON COLUMN activity_seals.month IS 'of every line in it, first day';
COMMENT ON COLUMN activity_seals.lines IS 'in the order of the chain; empty once they are forgotten';
COMMENT ON COLUMN activity_seals.digests IS '32 bytes for each line';
COMMENT ON COLUMN activity_seals.actors IS '32 bytes for each line: keyed digest of what is personal of the actor';
COMMENT ON COLUMN activity_seals.targets IS '32 bytes for each line: the same of the person acted on';
COMMENT ON COLUMN activity_seals.content IS 'digest of the lines and their digests';
COMMENT ON COLUMN activity_seals.previous IS 'digest of the seal before';
COMMENT ON COLUMN activity_seals.key IS 'which SECRET_KEY it was made with';

CREATE TABLE activity_people (
    key BYTEA NOT NULL,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity_people PRIMARY KEY (account_id, id)
);
COMMENT ON COLUMN activity_people.id IS 'a user, or an identity that is no user here';

CREATE TABLE activity_keys (
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity_keys PRIMARY KEY (account_id, id)
);
CREATE INDEX ix_activity_keys_received_at ON activity_keys (received_at);
COMMENT ON COLUMN activity_keys.id IS 'first half of the SHA-256 of a deduplication key';

CREATE TABLE activity_erasures (
    identity_id UUID NOT NULL,
    known_as TEXT[] DEFAULT '{}' NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    erased_at TIMESTAMP WITH TIME ZONE,
    done_at TIMESTAMP WITH TIME ZONE,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity_erasures PRIMARY KEY (account_id, id),
    CONSTRAINT fk_activity_erasures_account_id_id FOREIGN KEY(account_id, id) REFERENCES users (account_id, id)
);
CREATE INDEX ix_activity_erasures_open ON activity_erasures (asked_at) WHERE done_at IS NULL;
COMMENT ON COLUMN activity_erasures.id IS 'the deleted user';
COMMENT ON COLUMN activity_erasures.known_as IS 'name and address to look for; empty once it is done';
COMMENT ON COLUMN activity_erasures.erased_at IS 'the first time; what was under way then is looked for once more';

CREATE TABLE activity_exports (
    user_id UUID NOT NULL,
    filters JSONB NOT NULL,
    format TEXT NOT NULL,
    language TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    departments UUID[],
    state TEXT DEFAULT 'waiting' NOT NULL,
    lines BIGINT,
    written BIGINT DEFAULT '0' NOT NULL,
    bytes BIGINT DEFAULT '0' NOT NULL,
    parts INTEGER DEFAULT '0' NOT NULL,
    position JSONB,
    attempts INTEGER DEFAULT '0' NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE,
    fence INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ready_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity_exports PRIMARY KEY (account_id, id),
    CONSTRAINT fk_activity_exports_account_id_user_id FOREIGN KEY(account_id, user_id) REFERENCES users (account_id, id),
    CONSTRAINT ck_activity_exports_state CHECK (state IN ('waiting', 'running', 'ready', 'failed', 'cancelled', 'expired')),
    CONSTRAINT ck_activity_exports_format CHECK (format IN ('csv', 'json'))
);
CREATE INDEX ix_activity_exports_open ON activity_exports (created_at) WHERE state IN ('waiting', 'running');
COMMENT ON COLUMN activity_exports.user_id IS 'whose export it is';
COMMENT ON COLUMN activity_exports.departments IS 'the only departments that they saw; none = all';
COMMENT ON COLUMN activity_exports.lines IS 'to write; none until a worker has counted them';
COMMENT ON COLUMN activity_exports.written IS 'lines written so far';
COMMENT ON COLUMN activity_exports.position IS 'the last line written';
COMMENT ON COLUMN activity_exports.fence IS 'raised by every lease; an older holder cannot write';

CREATE TABLE activity_export_parts (
    export_id UUID NOT NULL,
    number INTEGER NOT NULL,
    content BYTEA NOT NULL,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_activity_export_parts PRIMARY KEY (account_id, id),
    CONSTRAINT uq_activity_export_parts_account_id_export_id_number UNIQUE (account_id, export_id, number),
    CONSTRAINT fk_activity_export_parts_account_id_export_id FOREIGN KEY(account_id, export_id) REFERENCES activity_exports (account_id, id)
);
COMMENT ON COLUMN activity_export_parts.content IS 'gzip; parts in order of number are one file';
"""

# Beside each name that is kept as it was, whose it is: so that one of two people of the same name can be erased.
AUTHORS = """
ALTER TABLE licence_changes ADD COLUMN by_user_id UUID;
ALTER TABLE boosts ADD COLUMN by_user_id UUID, ADD COLUMN ended_by_user_id UUID;
ALTER TABLE seat_requests ADD COLUMN decided_by_user_id UUID;
ALTER TABLE visit_permissions ADD COLUMN given_by_user_id UUID, ADD COLUMN revoked_by_user_id UUID;
ALTER TABLE api_keys ADD COLUMN created_by_user_id UUID, ADD COLUMN revoked_by_user_id UUID;
ALTER TABLE invitations ADD COLUMN invited_by_user_id UUID;
ALTER TABLE sessions ADD COLUMN ended_by_user_id UUID;
"""

# Until now these facts were names of people. A name would outlive the erasure of its person.
MOVE = """
INSERT INTO activity (at, recorded_at, event, result, actor_kind, actor_user_id, actor_identity_id, actor_account_id, actor_account_name,
    actor_name, actor_email, target_type, target_id, target_label, facts, ip, device, request_id, account_id, id)
    SELECT at, at, event, result, actor_kind, actor_user_id, actor_identity_id, actor_account_id, actor_account_name,
    actor_name, actor_email, target_type, target_id::text, CASE WHEN target_type = 'visit' THEN '' ELSE target_label END,
    CASE WHEN event LIKE 'seat.%' THEN facts - ARRAY['user', 'users'] ELSE facts END, ip, device, request_id, account_id, id
    FROM activity_before;
DROP TABLE activity_before;
"""

WALLED = (
    "activity",
    "activity_unsealed",
    "activity_heads",
    "activity_seals",
    "activity_people",
    "activity_keys",
    "activity_erasures",
    "activity_exports",
    "activity_export_parts",
)

# The worker looks through every account for what is owed: seals, erasures, exports; and forgets old deduplication keys and exports.
DOORS = """
CREATE POLICY sorting_room ON activity_unsealed FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room ON activity_heads FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room ON activity_seals FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room ON activity_erasures FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room ON activity_exports FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room ON activity_keys FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room_forgets ON activity_keys FOR DELETE USING (current_setting('app.sorting_room', true) = 'on');
"""

# The partitions themselves are granted to nobody: there is no way around the wall of the table.
GRANTS = """
GRANT SELECT, INSERT ON activity, activity_seals, activity_people TO portillon_app;
GRANT SELECT, INSERT, DELETE ON activity_unsealed, activity_keys, activity_export_parts TO portillon_app;
GRANT SELECT, INSERT, UPDATE ON activity_heads, activity_erasures, activity_exports TO portillon_app;
"""


def upgrade() -> None:
    """Make the tables and move every line there is; the next migration makes its months, owes a seal for each, and the erasure of who was deleted."""
    parts = (SETTINGS, ACTIVITY, TABLES, AUTHORS, MOVE)
    for statement in statements(*parts, *walls(WALLED), DOORS, GRANTS):
        op.execute(statement)
