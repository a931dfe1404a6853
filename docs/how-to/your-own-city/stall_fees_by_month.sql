-- cells:
-- - {columns: [stalls, fees], persons: traders, at_least: 3}
CREATE MATERIALIZED VIEW stall_fees_by_month AS
SELECT date_trunc('month', rented_from)::date AS month, count(DISTINCT trader) AS traders, count(*) AS stalls, sum(fee) AS fees
FROM city.stalls_current
GROUP BY 1;

CREATE UNIQUE INDEX ON stall_fees_by_month (month);

COMMENT ON MATERIALIZED VIEW stall_fees_by_month IS 'One row a month: stalls that were rented in it, and their fees';
COMMENT ON COLUMN stall_fees_by_month.month IS 'First day of the month';
COMMENT ON COLUMN stall_fees_by_month.traders IS 'Traders who rented one';
COMMENT ON COLUMN stall_fees_by_month.stalls IS 'Stalls rented';
COMMENT ON COLUMN stall_fees_by_month.fees IS 'Their fees, in euro';
