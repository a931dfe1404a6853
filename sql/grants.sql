-- Who may read what. Idempotent: run by `citydw migrate`, which puts the names of the warehouse's schemas for :schemas,
-- but for `link`. What somebody may read already is not granted again: that would change the table's entry in the
-- catalog, for which a mart in the making and we would wait for each other.
-- citydw_analyst: a group; a person's own role is made a member, with limits of its own (docs/how-to/operate.md).
-- citydw_linkage: a group; who may see which records of all agencies are of one person. Grant it person by person.
-- citydw_reader: what `citydw query` logs in as; it reads all and can change, lock or run nothing.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'citydw_analyst') THEN
        CREATE ROLE citydw_analyst NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'citydw_linkage') THEN
        CREATE ROLE citydw_linkage NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'citydw_reader') THEN
        CREATE ROLE citydw_reader LOGIN CONNECTION LIMIT 10;  -- without a password: only who owns an embedded server gets in
        ALTER ROLE citydw_reader SET default_transaction_read_only = on;
        ALTER ROLE citydw_reader SET statement_timeout = '10min';
        ALTER ROLE citydw_reader SET lock_timeout = '10s';
        ALTER ROLE citydw_reader SET idle_in_transaction_session_timeout = '1min';
    END IF;
    -- By itself PostgreSQL lets everybody who may log in connect to every database, and fill its disk with temporary tables.
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO citydw_analyst, citydw_linkage, citydw_reader', current_database());
END
$$;
-- Analysts read marts and reference data. Histories hold personal data: access to them is granted person by person.
GRANT USAGE ON SCHEMA mart, ref TO citydw_analyst;
GRANT USAGE ON SCHEMA link TO citydw_linkage;
DO $$
DECLARE
    grants text;
BEGIN
    SELECT string_agg(format('GRANT USAGE ON SCHEMA %I TO citydw_reader', name), ';') INTO grants
    FROM unnest(ARRAY[:schemas]) AS name;
    EXECUTE grants;
    SELECT string_agg(format('GRANT SELECT ON %s TO %I', c.oid::regclass, reader), ';') INTO grants
    FROM pg_class c
    JOIN (
        SELECT 'citydw_reader' AS reader, unnest(ARRAY[:schemas]) AS schema
        UNION ALL
        VALUES ('citydw_analyst', 'ref'), ('citydw_linkage', 'link')
    ) may ON c.relnamespace = to_regnamespace(quote_ident(may.schema))
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT has_table_privilege(reader, c.oid, 'SELECT');
    IF grants IS NOT NULL THEN
        EXECUTE grants;
    END IF;
END
$$;
