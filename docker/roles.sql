-- Roles and databases, run once by the superuser when the server's volume is new. Nothing else ever logs in as that one.
-- On a server of your own: psql --file=docker/roles.sql, with the three passwords in the environment.
\set ON_ERROR_STOP on
\getenv owner_password CITYDW_OWNER_PASSWORD
\getenv reader_password CITYDW_READER_PASSWORD
\getenv airflow_password CITYDW_AIRFLOW_DATABASE_PASSWORD

-- The pipeline: owns the warehouse and nothing else. It makes no roles: sql/grants.sql finds those below.
CREATE ROLE citydw LOGIN PASSWORD :'owner_password' CONNECTION LIMIT 60;
-- `citydw query`: reads all, can change, lock or run nothing; sql/grants.sql says the same for a server without this file.
CREATE ROLE citydw_reader LOGIN PASSWORD :'reader_password' CONNECTION LIMIT 10;
ALTER ROLE citydw_reader SET default_transaction_read_only = on;
ALTER ROLE citydw_reader SET statement_timeout = '10min';
ALTER ROLE citydw_reader SET lock_timeout = '10s';
ALTER ROLE citydw_reader SET idle_in_transaction_session_timeout = '1min';
-- Analysts: a group; each person gets a role of her own (docs/how-to/operate.md).
CREATE ROLE citydw_analyst NOLOGIN;
-- Who may see which records of all agencies are of one person: a group too.
CREATE ROLE citydw_linkage NOLOGIN;
-- Airflow's metadata: who may read it may not read the warehouse, and the other way round.
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password' CONNECTION LIMIT 80;

CREATE DATABASE citydw OWNER citydw;
CREATE DATABASE airflow OWNER airflow;
REVOKE CONNECT, TEMPORARY ON DATABASE citydw, airflow, postgres, template1 FROM PUBLIC;
