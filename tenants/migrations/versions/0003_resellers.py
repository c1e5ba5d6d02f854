"""Resellers: the tree's standing, pools, boosts, seat requests, visits, usage, figures, brands, and mail that is held back."""

from alembic import op

from tenants.migrations.wall import statements, walls

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE accounts ADD COLUMN above TEXT DEFAULT 'active' NOT NULL, ADD COLUMN closed_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE accounts ADD COLUMN standing TEXT GENERATED ALWAYS AS (CASE
    WHEN status = 'closed' OR above = 'closed' THEN 'closed'
    WHEN status = 'suspended' OR above = 'suspended' THEN 'suspended'
    ELSE 'active' END) STORED NOT NULL;
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_above CHECK (above IN ('active', 'suspended', 'closed'));
UPDATE accounts SET closed_at = now() WHERE status = 'closed';
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_closed CHECK ((closed_at IS NOT NULL) = (status = 'closed'));
CREATE INDEX ix_accounts_listed ON accounts (parent_id, name, id);
COMMENT ON COLUMN accounts.above IS 'the worst status of the accounts above';
COMMENT ON COLUMN accounts.standing IS 'what counts: its own status, or a worse one above';

ALTER TABLE licences ADD COLUMN pool_users INTEGER, ADD COLUMN overselling TEXT DEFAULT 'refuse' NOT NULL;
ALTER TABLE licences ADD CONSTRAINT ck_licences_pool_users CHECK (pool_users >= 0);
ALTER TABLE licences ADD CONSTRAINT ck_licences_overselling CHECK (overselling IN ('refuse', 'warn', 'allow'));
COMMENT ON COLUMN licences.pool_users IS 'users a reseller may give; none = no limit';
COMMENT ON COLUMN licences.overselling IS 'what becomes of a sale beyond the pool';

ALTER TABLE outbox DROP CONSTRAINT ck_outbox_state;
ALTER TABLE outbox ADD CONSTRAINT ck_outbox_state CHECK (state IN ('owed', 'held', 'sent', 'refused', 'cancelled'));

ALTER TABLE activity ADD COLUMN actor_account_name TEXT;
COMMENT ON COLUMN activity.actor_kind IS 'user, visitor, person or system';
COMMENT ON COLUMN activity.actor_account_name IS 'name of that account, as it was';

ALTER TABLE idempotency_keys DROP CONSTRAINT fk_idempotency_keys_account_id_user_id;
COMMENT ON COLUMN idempotency_keys.user_id IS 'whose key; a visitor is a user of another account';
"""

TABLES = """
CREATE TABLE boosts (
    seats INTEGER NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE,
    days INTEGER[],
    from_minute INTEGER,
    to_minute INTEGER,
    reason TEXT,
    by_account_id UUID,
    by_name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_boosts PRIMARY KEY (account_id, id),
    CONSTRAINT fk_boosts_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT ck_boosts_seats CHECK (seats >= 1),
    CONSTRAINT ck_boosts_dates CHECK (ends_at > starts_at),
    CONSTRAINT ck_boosts_weekly CHECK (num_nonnulls(days, from_minute, to_minute) IN (0, 3) AND (days IS NOT NULL OR ends_at IS NOT NULL)),
    CONSTRAINT ck_boosts_minutes CHECK (from_minute >= 0 AND to_minute > from_minute AND to_minute <= 1440)
);
COMMENT ON COLUMN boosts.days IS 'of a weekly pattern: 1 Monday to 7 Sunday';
COMMENT ON COLUMN boosts.from_minute IS 'of the account''s day';
COMMENT ON COLUMN boosts.ended_at IS 'ended before its time';

CREATE TABLE licence_notices (
    account_id UUID NOT NULL,
    ends_on DATE NOT NULL,
    days INTEGER NOT NULL,
    posted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_licence_notices PRIMARY KEY (account_id, ends_on, days),
    CONSTRAINT fk_licence_notices_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
COMMENT ON COLUMN licence_notices.days IS 'how many before the end the notice is for';

CREATE TABLE seat_requests (
    seats INTEGER NOT NULL,
    until TIMESTAMP WITH TIME ZONE,
    reason TEXT,
    user_id UUID NOT NULL,
    asked_by TEXT NOT NULL,
    nonce BYTEA NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reminded_at TIMESTAMP WITH TIME ZONE,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    granted_seats INTEGER,
    granted_until TIMESTAMP WITH TIME ZONE,
    message TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_seat_requests PRIMARY KEY (account_id, id),
    CONSTRAINT fk_seat_requests_account_id_user_id FOREIGN KEY(account_id, user_id) REFERENCES users (account_id, id),
    CONSTRAINT ck_seat_requests_seats CHECK (seats >= 1 AND granted_seats >= 1),
    CONSTRAINT ck_seat_requests_state CHECK (state IN ('open', 'approved', 'refused', 'withdrawn', 'expired')),
    CONSTRAINT ck_seat_requests_decided CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX uq_seat_requests_open ON seat_requests (account_id) WHERE state = 'open';
CREATE INDEX ix_seat_requests_due ON seat_requests (expires_at) WHERE state = 'open';
COMMENT ON COLUMN seat_requests.seats IS 'how many more';
COMMENT ON COLUMN seat_requests.until IS 'none = for good';
COMMENT ON COLUMN seat_requests.asked_by IS 'name, as it was';

CREATE TABLE visit_permissions (
    visitor_account_id UUID NOT NULL,
    once BOOLEAN NOT NULL,
    rights TEXT[] NOT NULL,
    reason TEXT,
    given_by TEXT NOT NULL,
    given_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_by TEXT,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_visit_permissions PRIMARY KEY (account_id, id),
    CONSTRAINT fk_visit_permissions_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT fk_visit_permissions_visitor_account_id FOREIGN KEY(visitor_account_id) REFERENCES accounts (id)
);
CREATE UNIQUE INDEX uq_visit_permissions_open ON visit_permissions (account_id, visitor_account_id) WHERE revoked_at IS NULL;
COMMENT ON COLUMN visit_permissions.given_by IS 'name, as it was';

CREATE TABLE visits (
    permission_id UUID NOT NULL,
    visitor_account_id UUID NOT NULL,
    visitor_account_name TEXT NOT NULL,
    visitor_user_id UUID NOT NULL,
    visitor_identity_id UUID NOT NULL,
    visitor_name TEXT NOT NULL,
    visitor_email TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    account_id UUID NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_visits PRIMARY KEY (account_id, id),
    CONSTRAINT fk_visits_account_id_permission_id FOREIGN KEY(account_id, permission_id) REFERENCES visit_permissions (account_id, id),
    CONSTRAINT fk_visits_visitor_identity_id FOREIGN KEY(visitor_identity_id) REFERENCES identities (id),
    CONSTRAINT ck_visits_length CHECK (ends_at > started_at AND ends_at <= started_at + interval '8 hours')
);
CREATE INDEX ix_visits_visitor ON visits (visitor_account_id, visitor_user_id, ends_at);

ALTER TABLE sessions ALTER COLUMN user_id DROP NOT NULL, ADD COLUMN visit_id UUID;
ALTER TABLE sessions ADD CONSTRAINT fk_sessions_account_id_visit_id FOREIGN KEY(account_id, visit_id) REFERENCES visits (account_id, id);
ALTER TABLE sessions ADD CONSTRAINT ck_sessions_whose CHECK (num_nonnulls(user_id, visit_id) = 1);
COMMENT ON COLUMN sessions.visit_id IS 'of a visitor: no user of the account';

CREATE TABLE usage_days (
    account_id UUID NOT NULL,
    day DATE NOT NULL,
    part TEXT NOT NULL,
    peak INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    sign_ins INTEGER NOT NULL,
    waited_ms BIGINT NOT NULL,
    idle_ms BIGINT NOT NULL,
    taken JSONB NOT NULL,
    avoided JSONB NOT NULL,
    CONSTRAINT pk_usage_days PRIMARY KEY (account_id, day, part),
    CONSTRAINT fk_usage_days_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
COMMENT ON COLUMN usage_days.part IS 'one per life of the counters: Redis may forget them during a day';
COMMENT ON COLUMN usage_days.taken IS 'seats taken, by how many were held then';
COMMENT ON COLUMN usage_days.avoided IS 'refusals that so many seats would have avoided, by seats';

CREATE TABLE client_figures (
    account_id UUID NOT NULL,
    parent_id UUID NOT NULL,
    peak INTEGER DEFAULT '0' NOT NULL,
    refused INTEGER DEFAULT '0' NOT NULL,
    last_sign_in_at TIMESTAMP WITH TIME ZONE,
    attention TEXT[] DEFAULT '{}' NOT NULL,
    urgency INTEGER DEFAULT '0' NOT NULL,
    reckoned_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_client_figures PRIMARY KEY (account_id),
    CONSTRAINT fk_client_figures_account_id FOREIGN KEY(account_id) REFERENCES accounts (id)
);
CREATE INDEX ix_client_figures_urgency ON client_figures (parent_id, urgency, account_id);
COMMENT ON COLUMN client_figures.peak IS 'of 30 days';
COMMENT ON COLUMN client_figures.refused IS 'in 30 days';
COMMENT ON COLUMN client_figures.attention IS 'why it needs some, most urgent first';
INSERT INTO client_figures (account_id, parent_id) SELECT id, parent_id FROM accounts WHERE parent_id IS NOT NULL;

CREATE TABLE brands (
    account_id UUID NOT NULL,
    name TEXT NOT NULL,
    sender TEXT,
    reply_to TEXT,
    colour TEXT,
    support TEXT,
    logo BYTEA,
    logo_type TEXT,
    in_licence BOOLEAN DEFAULT 'true' NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_brands PRIMARY KEY (account_id),
    CONSTRAINT fk_brands_account_id FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT ck_brands_logo CHECK ((logo IS NULL) = (logo_type IS NULL))
);
COMMENT ON COLUMN brands.in_licence IS 'whether the licence has the option; kept when it lapses';

CREATE TABLE turns (
    task TEXT NOT NULL,
    taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_turns PRIMARY KEY (task)
);
"""

WALLED = (
    "boosts",
    "brands",
    "client_figures",
    "licence_notices",
    "seat_requests",
    "usage_days",
    "visit_permissions",
    "visits",
)

# What a parent reads of those it sells to, what a client reads of its seller, what visitors read of where they may go, and what
# housekeeping looks through.
CHILDREN = """
CREATE POLICY children ON {table} FOR SELECT
    USING (account_id IN (
        SELECT id FROM accounts WHERE parent_id = nullif(current_setting('app.account_id', true), '')::uuid
    ));
"""
# A page of clients reads one licence each: looked up one by one, a seller's thousands of other children cost nothing.
DOORS = """
DROP POLICY children ON licences;
CREATE POLICY children ON licences FOR SELECT USING (EXISTS (
    SELECT 1 FROM accounts a
     WHERE a.id = licences.account_id AND a.parent_id = nullif(current_setting('app.account_id', true), '')::uuid
));
CREATE POLICY children ON client_figures FOR SELECT
    USING (parent_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY offered ON brands FOR SELECT
    USING (account_id = (SELECT parent_id FROM accounts WHERE id = nullif(current_setting('app.account_id', true), '')::uuid));
CREATE POLICY visitors ON visit_permissions FOR SELECT
    USING (visitor_account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY visitors ON visits FOR SELECT
    USING (visitor_account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY sorting_room ON licences FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
CREATE POLICY sorting_room ON seat_requests FOR SELECT USING (current_setting('app.sorting_room', true) = 'on');
"""

# How many users count in the quotas of a parent's children: a number, without a look at anybody.
COUNTING = """
CREATE FUNCTION users_of_children(asked UUID[]) RETURNS TABLE (child UUID, used BIGINT) LANGUAGE plpgsql AS $$
DECLARE
    parent TEXT := current_setting('app.account_id', true);
BEGIN
    FOR child IN SELECT a.id FROM accounts a WHERE a.id = ANY(asked) AND a.parent_id = nullif(parent, '')::uuid LOOP
        PERFORM set_config('app.account_id', child::text, true);
        SELECT count(*) INTO used FROM users u WHERE u.account_id = child
           AND (u.status IN ('active', 'suspended') OR (u.status = 'invited' AND u.invited_until > now()));
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('app.account_id', parent, true);
END $$
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON boosts, client_figures, licence_notices, seat_requests, turns, visit_permissions, visits TO portillon_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON brands, usage_days TO portillon_app;
"""


def upgrade() -> None:
    """Add them all; the release before runs on."""
    children = [CHILDREN.format(table=table) for table in ("boosts", "seat_requests", "usage_days")]
    for statement in statements(COLUMNS, TABLES, *walls(WALLED), DOORS, *children, GRANTS):
        op.execute(statement)
    op.execute(COUNTING)
