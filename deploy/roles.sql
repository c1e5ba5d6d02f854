-- The three roles and the database of Portillon. Run it as a superuser with psql 15 or newer, as often as you like:
-- what exists is brought to what is written here, passwords included.
--
--     psql -X -f deploy/roles.sql "postgresql://postgres@db.example.com/postgres"
--
-- Passwords come from files named by OWNER_PASSWORD_FILE, APP_PASSWORD_FILE and BACKUP_PASSWORD_FILE in the environment, or
-- from psql variables (-v owner_password=... -v app_password=... -v backup_password=...; other people on the machine can see
-- those in the list of processes). -v database=... names the database; `portillon` without it. PostgreSQL 17 or newer.

\set ON_ERROR_STOP on

\if :{?database}
\else
    \set database portillon
\endif
\if :{?owner_password}
\else
    \set owner_password `cat "$OWNER_PASSWORD_FILE"`
\endif
\if :{?app_password}
\else
    \set app_password `cat "$APP_PASSWORD_FILE"`
\endif
\if :{?backup_password}
\else
    \set backup_password `cat "$BACKUP_PASSWORD_FILE"`
\endif

SELECT '' IN (:'owner_password', :'app_password', :'backup_password') AS password_missing \gset
\if :password_missing
    DO $$ BEGIN RAISE EXCEPTION 'roles.sql: a password is missing; its first lines say how to give the three of them'; END $$;
\endif

-- Passwords must not end up in the server's log.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['portillon_owner', 'portillon_app', 'portillon_backup']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- Owns the database and every table; only `portillon migrate` signs in with it.
ALTER ROLE portillon_owner
    LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';

-- What `serve` and `worker` sign in with. It owns nothing and the wall between accounts holds for it; migrations grant it,
-- by this name, what each table allows.
ALTER ROLE portillon_app
    LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'app_password';

-- Reads everything and changes nothing. Without BYPASSRLS pg_dump would meet the wall: it would stop with an error, or,
-- with --enable-row-security, write a dump without the rows and say nothing.
ALTER ROLE portillon_backup
    LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS PASSWORD :'backup_password';
ALTER ROLE portillon_backup SET default_transaction_read_only = on;
GRANT pg_read_all_data TO portillon_backup;

-- From template0, and with the locale that is built into PostgreSQL: sorting never changes with the operating system's
-- libraries, so no index ever breaks after their upgrade.
SELECT format(
    'CREATE DATABASE %I OWNER portillon_owner TEMPLATE template0 ENCODING ''UTF8'' LOCALE_PROVIDER builtin BUILTIN_LOCALE ''C.UTF-8''',
    :'database')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec

SELECT datlocprovider <> 'b' OR pg_encoding_to_char(encoding) <> 'UTF8' AS other_locale
FROM pg_database WHERE datname = :'database' \gset
\if :other_locale
    DO $$ BEGIN RAISE EXCEPTION 'roles.sql: the database exists already, and not with the builtin locale C.UTF-8; drop it or name another one'; END $$;
\endif

ALTER DATABASE :"database" OWNER TO portillon_owner;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO portillon_app, portillon_backup;

\connect :"database"
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
