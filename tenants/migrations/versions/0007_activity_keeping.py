"""What keeps the history: seals that are owed with every line, and the few things that may happen to a line."""

from alembic import op

from tenants.migrations.wall import statements

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# A seal that is owed is written with the line itself, whoever writes it: nothing that was committed can stay outside of the chain.
# A head only ever moves on: whoever cuts the history's tail cannot do it as the application.
TRIGGERS = [
    """
CREATE FUNCTION activity_owe_seals() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO activity_unsealed (account_id, id) SELECT account_id, id FROM fresh;
    RETURN NULL;
END $$
""",
    """
CREATE TRIGGER owe_seals AFTER INSERT ON activity REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION activity_owe_seals()
""",
    """
CREATE FUNCTION activity_heads_move_on() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.number < OLD.number OR NEW.lines < OLD.lines
        OR coalesce(NEW.forgotten_through, '-infinity') < coalesce(OLD.forgotten_through, '-infinity') THEN
        RAISE EXCEPTION 'a head of the history never moves back' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER move_on BEFORE UPDATE ON activity_heads FOR EACH ROW EXECUTE FUNCTION activity_heads_move_on()
""",
    # Whoever deletes a user owes the erasure, the release before as well while this one is being deployed. Names are known here alone.
    """
CREATE FUNCTION activity_owe_erasure() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO activity_erasures (account_id, id, identity_id, known_as) VALUES (NEW.account_id, NEW.id, NEW.identity_id,
        ARRAY(SELECT DISTINCT word FROM unnest(ARRAY[OLD.name, OLD.email]) AS word WHERE word <> '' ORDER BY word));
    RETURN NULL;
END $$
""",
    """
CREATE TRIGGER owe_erasure AFTER UPDATE OF status ON users FOR EACH ROW
    WHEN (NEW.status = 'deleted' AND OLD.status <> 'deleted') EXECUTE FUNCTION activity_owe_erasure()
""",
]

# What the application may have done to the history though it can change no line of it. Each runs as the owner, inside the account that
# the caller entered, and does one thing that the design allows, whoever asks.
# `pg_temp` stands last in every path: where it is not named it comes first, and anybody may put types and tables there.
FUNCTIONS = [
    """
CREATE FUNCTION activity_first_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$
""",
    # A month is made beside the table and then attached. Whoever writes a line waits meanwhile, a second at most: a line on its way to the
    # partition for all others would be refused there once its month has one. What lies there of this month moves over, so a month that
    # nobody made in time loses nothing; where that is too much to move in a second, it stays there for good, and later months are made.
    """
CREATE FUNCTION activity_make_month(month date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '1s' SET TimeZone = 'UTC' AS $$
DECLARE
    begins date := date_trunc('month', month)::date;
    ends date := begins + interval '1 month';
    name text := to_char(begins, '"y"YYYY"m"MM');
    low uuid := activity_first_id(begins::timestamptz);
    high uuid := activity_first_id(ends::timestamptz);
BEGIN
    IF begins < date '2020-01-01' OR begins > now() + interval '13 months' THEN
        RAISE EXCEPTION 'no month of the history: %', month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('activity_months'));
    IF to_regclass(format('activity_months.%I', name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF (SELECT count(*) FROM (SELECT FROM activity_months.other WHERE id >= low AND id < high LIMIT 50001) AS many) > 50000 THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE activity_months.%I (LIKE activity INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)', name);
    LOCK TABLE activity IN SHARE ROW EXCLUSIVE MODE;
    LOCK TABLE activity_months.other IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH moved AS (DELETE FROM activity_months.other WHERE id >= %L AND id < %L RETURNING *)'
        ' INSERT INTO activity_months.%I SELECT * FROM moved', low, high, name);
    EXECUTE format('ALTER TABLE activity ATTACH PARTITION activity_months.%I FOR VALUES FROM (%L) TO (%L)', name, low, high);
    RETURN true;
END $$
""",
    # Lines of the account entered, of one whole month that it need not keep any longer and of which its history says so; at most so many
    # at once, for a statement's time is limited.
    """
CREATE FUNCTION activity_forget_month(month date, at_most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
    here uuid := nullif(current_setting('app.account_id', true), '')::uuid;
    begins date := date_trunc('month', month)::date;
    ends date := begins + interval '1 month';
    low uuid := activity_first_id(begins::timestamptz);
    high uuid := activity_first_id(ends::timestamptz);
    gone integer;
BEGIN
    IF NOT EXISTS (SELECT FROM accounts WHERE id = here AND ends + make_interval(months => activity_months) <= now()) THEN
        RAISE EXCEPTION 'this month of the history is still kept: %', month USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT EXISTS (SELECT FROM activity_heads WHERE account_id = here AND forgotten_through >= begins) THEN
        RAISE EXCEPTION 'the history does not say yet that this month goes: %', month USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM activity WHERE account_id = here AND id >= low AND id < high AND id IN (
        SELECT id FROM activity WHERE account_id = here AND id >= low AND id < high LIMIT at_most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone < at_most THEN
        UPDATE activity_seals SET lines = '{}', digests = '', actors = '', targets = ''
         WHERE account_id = here AND activity_seals.month = begins AND lines <> '{}';
    END IF;
    RETURN gone;
END $$
""",
    # A whole month of every account: when none has to keep it any longer, or when nothing is left in it; and when every line of it was
    # sealed and its account's history says that it goes.
    """
CREATE FUNCTION activity_drop_month(month date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '500ms' SET TimeZone = 'UTC' AS $$
DECLARE
    begins date := date_trunc('month', month)::date;
    ends date := begins + interval '1 month';
    name text := to_char(begins, '"y"YYYY"m"MM');
    room text := coalesce(current_setting('app.sorting_room', true), '');
    told boolean;
    empty boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('activity_months'));
    IF to_regclass(format('activity_months.%I', name)) IS NULL OR ends + interval '6 months' > now() THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM activity_months.%I)', name) INTO empty;
    IF NOT empty AND EXISTS (SELECT FROM accounts WHERE ends + make_interval(months => activity_months) > now()) THEN
        RETURN false;
    END IF;
    PERFORM set_config('app.sorting_room', 'on', true);
    told := NOT EXISTS (SELECT FROM activity_unsealed
            WHERE id >= activity_first_id(begins::timestamptz) AND id < activity_first_id(ends::timestamptz))
        AND NOT EXISTS (SELECT FROM accounts a
            WHERE EXISTS (SELECT FROM activity_seals s WHERE s.account_id = a.id AND s.month = begins AND s.lines <> '{}')
              AND NOT EXISTS (SELECT FROM activity_heads h WHERE h.account_id = a.id AND h.forgotten_through >= begins));
    PERFORM set_config('app.sorting_room', room, true);
    IF NOT told THEN
        RETURN false;
    END IF;
    LOCK TABLE activity IN ACCESS EXCLUSIVE MODE;
    IF empty THEN
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM activity_months.%I)', name) INTO empty;
        IF NOT empty THEN
            RETURN false;
        END IF;
    END IF;
    EXECUTE format('DROP TABLE activity_months.%I', name);
    RETURN true;
END $$
""",
    # First days of the months there are.
    """
CREATE FUNCTION activity_months_made() RETURNS SETOF date LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT to_date(substr(relname, 2, 4) || substr(relname, 7, 2), 'YYYYMM') FROM pg_class
     WHERE relnamespace = 'activity_months'::regnamespace AND relkind = 'r' AND relname ~ '^y[0-9]{4}m[0-9]{2}$' ORDER BY 1
$$
""",
    # What is personal of somebody in a line's facts: names and addresses become the pseudonym, words about the person go.
    """
CREATE FUNCTION activity_facts_without(facts jsonb, pseudonym text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place text[];
BEGIN
    FOREACH place SLICE 1 IN ARRAY ARRAY[['before', 'name'], ['before', 'email'], ['after', 'name'], ['after', 'email']] LOOP
        IF jsonb_typeof(facts #> place) = 'string' THEN
            facts := jsonb_set(facts, place, to_jsonb(pseudonym));
        END IF;
    END LOOP;
    FOREACH place SLICE 1 IN ARRAY ARRAY[['name'], ['email']] LOOP
        IF jsonb_typeof(facts #> place) = 'string' THEN
            facts := jsonb_set(facts, place, to_jsonb(pseudonym));
        END IF;
    END LOOP;
    FOREACH place SLICE 1 IN ARRAY ARRAY[['reason'], ['message'], ['reply']] LOOP
        IF jsonb_typeof(facts #> place) = 'string' THEN
            facts := jsonb_set(facts, place, 'null');
        END IF;
    END LOOP;
    RETURN facts;
END $$
""",
    # What somebody was called whose erasure was asked for where they worked; whoever was not deleted there is refused.
    """
CREATE FUNCTION erasure_asked(person uuid, identity uuid, home uuid) RETURNS text[] LANGUAGE plpgsql
    SET search_path = public, pg_temp AS $$
DECLARE
    here text := current_setting('app.account_id', true);
    names text[];
BEGIN
    PERFORM set_config('app.account_id', home::text, true);
    SELECT e.known_as INTO names FROM activity_erasures e JOIN users u ON u.account_id = e.account_id AND u.id = e.id
     WHERE e.account_id = home AND e.id = person AND e.identity_id = identity AND u.status = 'deleted';
    PERFORM set_config('app.account_id', here, true);
    IF names IS NULL THEN
        RAISE EXCEPTION 'nobody asked for the erasure of %', person USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN names;
END $$
""",
    # The history of licences is added to and never changed, but for the name of somebody who is erased. Rows that were written before
    # they held an id are told by that name and the account that it worked in.
    """
CREATE FUNCTION licence_changes_erase(person uuid, identity uuid, home uuid) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    here uuid := nullif(current_setting('app.account_id', true), '')::uuid;
    names text[] := erasure_asked(person, identity, home);
    pseudonym text := 'deleted-' || right(replace(person::text, '-', ''), 12);
    changed integer;
BEGIN
    UPDATE licence_changes SET by_name = pseudonym
     WHERE account_id = here AND by_name <> pseudonym
       AND (by_user_id = person OR (by_user_id IS NULL AND by_account_id = home AND by_name = ANY(names)));
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$
""",
    # A person in the lines of the account entered; the same words for a user whenever it runs. At most so many lines at once; 0 when
    # none is left, and then the keys of the person's digests are destroyed. Only for somebody whose erasure was asked for where they worked.
    """
CREATE FUNCTION activity_erase(person uuid, identity uuid, home uuid, at_most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    here uuid := nullif(current_setting('app.account_id', true), '')::uuid;
    pseudonym text := 'deleted-' || right(replace(person::text, '-', ''), 12);
    changed integer;
BEGIN
    PERFORM erasure_asked(person, identity, home);
    -- A seal is being made of these lines, or none is: nothing is sealed with a key that is being destroyed.
    PERFORM FROM activity_heads WHERE account_id = here FOR UPDATE;
    WITH theirs AS (
        SELECT id FROM activity WHERE account_id = here AND actor_user_id = person
           AND (actor_name IS DISTINCT FROM pseudonym OR actor_email IS DISTINCT FROM pseudonym OR ip IS NOT NULL OR device IS NOT NULL)
        UNION
        SELECT id FROM activity WHERE account_id = here AND target_type = 'user' AND target_id = person::text
           AND (target_label IS DISTINCT FROM pseudonym OR facts IS DISTINCT FROM activity_facts_without(facts, pseudonym))
        LIMIT at_most
    )
    UPDATE activity SET
        actor_name = CASE WHEN actor_user_id = person THEN pseudonym ELSE actor_name END,
        actor_email = CASE WHEN actor_user_id = person THEN pseudonym ELSE actor_email END,
        ip = CASE WHEN actor_user_id = person THEN NULL ELSE ip END,
        device = CASE WHEN actor_user_id = person THEN NULL ELSE device END,
        target_label = CASE WHEN target_type = 'user' AND target_id = person::text THEN pseudonym ELSE target_label END,
        facts = CASE WHEN target_type = 'user' AND target_id = person::text THEN activity_facts_without(facts, pseudonym) ELSE facts END
     WHERE account_id = here AND id IN (SELECT id FROM theirs);
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed = 0 THEN
        DELETE FROM activity_people WHERE account_id = here AND id = person;
    END IF;
    RETURN changed;
END $$
""",
]

# For lines and people that were there before. What people deleted before were called is not known any more. The owner is behind the wall as well, but for this moment.
BEFORE = [
    "ALTER TABLE users NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE activity_erasures NO FORCE ROW LEVEL SECURITY",
    "INSERT INTO activity_erasures (account_id, id, identity_id) SELECT account_id, id, identity_id FROM users WHERE status = 'deleted'",
    "ALTER TABLE activity_erasures FORCE ROW LEVEL SECURITY",
    "ALTER TABLE users FORCE ROW LEVEL SECURITY",
    "ALTER TABLE activity NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE activity_unsealed NO FORCE ROW LEVEL SECURITY",
    "INSERT INTO activity_unsealed (account_id, id) SELECT account_id, id FROM activity",
    """
DO $$
DECLARE
    month date;
BEGIN
    FOR month IN SELECT generate_series(
        date_trunc('month', least(now(), (SELECT min(at) FROM activity)), 'UTC'), now() + interval '3 months', interval '1 month') LOOP
        PERFORM activity_make_month(month);
    END LOOP;
END $$
""",
    "ALTER TABLE activity_unsealed FORCE ROW LEVEL SECURITY",
    "ALTER TABLE activity FORCE ROW LEVEL SECURITY",
]

GRANTS = """
REVOKE ALL ON FUNCTION activity_make_month(date), activity_forget_month(date, integer), activity_drop_month(date), activity_months_made(), activity_erase(uuid, uuid, uuid, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION erasure_asked(uuid, uuid, uuid), licence_changes_erase(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION licence_changes_erase(uuid, uuid, uuid) TO portillon_app;
GRANT EXECUTE ON FUNCTION activity_make_month(date), activity_forget_month(date, integer), activity_drop_month(date), activity_months_made(), activity_erase(uuid, uuid, uuid, integer) TO portillon_app;
"""


def upgrade() -> None:
    """Make triggers and functions, then months, owed seals and owed erasures for what is there."""
    for statement in (*TRIGGERS, *FUNCTIONS, *BEFORE, *statements(GRANTS)):
        op.execute(statement)
