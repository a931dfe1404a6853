-- Who may read what. Idempotent: run by `citydw migrate`.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'citydw_analyst') THEN
        CREATE ROLE citydw_analyst NOLOGIN;
    END IF;
END
$$;
-- Analysts read marts and reference data. Histories hold personal data: access to them is granted person by person.
GRANT USAGE ON SCHEMA mart, ref TO citydw_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA ref TO citydw_analyst;
