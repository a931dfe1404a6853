-- Airflow's metadata beside the warehouse; run once, when the server's volume is new.
CREATE DATABASE airflow;
