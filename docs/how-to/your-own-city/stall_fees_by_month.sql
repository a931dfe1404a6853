-- cells: []
CREATE MATERIALIZED VIEW stall_fees_by_month AS
SELECT date_trunc('month', rented_from)::date AS month, market, count(*) AS stalls, sum(fee) AS fees
FROM city.stalls_current
GROUP BY 1, 2;

CREATE UNIQUE INDEX ON stall_fees_by_month (month, market);

COMMENT ON MATERIALIZED VIEW stall_fees_by_month IS 'One row a month and market: stalls that were rented in it, and their fees';
COMMENT ON COLUMN stall_fees_by_month.month IS 'First day of the month';
COMMENT ON COLUMN stall_fees_by_month.market IS 'The market';
COMMENT ON COLUMN stall_fees_by_month.stalls IS 'Stalls rented';
COMMENT ON COLUMN stall_fees_by_month.fees IS 'Their fees, in euro';
