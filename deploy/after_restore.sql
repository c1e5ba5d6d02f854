-- Run once on a database that was just restored, as a superuser, before anything of Portillon starts.
--
--     psql -X -v ON_ERROR_STOP=1 --single-transaction -f deploy/after_restore.sql "postgresql://postgres@db.example.com/portillon"
--
-- A backup is a picture of the past: sessions that were ended since, links that were used since and mails that were sent
-- since are all in it as if that had not happened. None of them may come back to life.

\set ON_ERROR_STOP on

SELECT NOT rolbypassrls AND NOT rolsuper AS walled FROM pg_roles WHERE rolname = current_user \gset
\if :walled
    DO $$ BEGIN RAISE EXCEPTION 'after_restore.sql: run it as a superuser; this role sees no row, and would change nothing without saying so'; END $$;
\endif

-- Everybody signs in again.
UPDATE sessions SET ended_at = now(), ended_reason = 'expired' WHERE ended_at IS NULL;

-- Every link in every mail that is out there stops working. Administrators send open invitations again.
UPDATE invitations SET nonce = uuid_send(gen_random_uuid()) WHERE accepted_at IS NULL;
UPDATE password_resets SET nonce = uuid_send(gen_random_uuid()), used_at = now() WHERE used_at IS NULL;

-- What was owed then was sent since, or its link just died. The higher fence keeps a forgotten worker from settling it.
UPDATE outbox SET state = 'cancelled', settled_at = now(), leased_until = NULL, fence = fence + 1 WHERE state = 'owed';

-- Files that were fetched, deleted or done with since: whoever still needs one asks for it again. A worker takes away what they hold.
UPDATE activity_exports SET state = 'cancelled', filters = '{}', leased_until = NULL, fence = fence + 1 WHERE state IN ('waiting', 'running', 'ready');
