-- cells:
-- - {columns: [declarations, taxpayers, revenue_vnd, tax_due_vnd, tax_paid_vnd, tax_owed_vnd],
--    persons: taxpayers, at_least: 3, share: _largest_share, margins: [[vsic_code], [month]]}
CREATE MATERIALIZED VIEW tax_by_trade_month AS
WITH of_taxpayer AS (
    SELECT
        coalesce(d.vsic_code, t.vsic_code) AS vsic_code,
        date_trunc('month', d.declared_on)::date AS month,
        d.tax_code,
        count(*) AS declarations,
        sum(d.revenue) AS revenue,
        sum(d.tax_due) AS tax_due,
        sum(d.tax_paid) AS tax_paid
    FROM business.declarations_current d
    LEFT JOIN business.taxpayers_current t ON t.tax_code = d.tax_code
    GROUP BY 1, 2, 3
)
SELECT
    o.vsic_code,
    c.name_vi AS trade_vi,
    c.name_en AS trade_en,
    o.month,
    sum(o.declarations)::bigint AS declarations,
    count(*) AS taxpayers,
    sum(o.revenue) AS revenue_vnd,
    sum(o.tax_due) AS tax_due_vnd,
    sum(o.tax_paid) AS tax_paid_vnd,
    sum(o.tax_due - o.tax_paid) AS tax_owed_vnd,
    greatest(
        max(o.revenue) / nullif(sum(o.revenue), 0),
        max(o.tax_due) / nullif(sum(o.tax_due), 0),
        max(o.tax_paid) / nullif(sum(o.tax_paid), 0)
    )::float AS _largest_share
FROM of_taxpayer o
LEFT JOIN ref.code c ON c.list = 'vsic' AND c.code = o.vsic_code
GROUP BY 1, 2, 3, 4;

CREATE UNIQUE INDEX ON tax_by_trade_month (vsic_code, month) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW tax_by_trade_month IS
'Mỗi dòng: một ngành kinh tế (VSIC) và một tháng nộp tờ khai; ngành ghi trên tờ khai, nếu trống thì theo danh bạ. / One row a trade (VSIC) and month of declaration; the trade is the declaration''s, or else the register''s.';
COMMENT ON COLUMN tax_by_trade_month.vsic_code IS 'Mã ngành / Trade, VSIC, 5 digits';
COMMENT ON COLUMN tax_by_trade_month.trade_vi IS 'Tên ngành / Name of the trade in Vietnamese';
COMMENT ON COLUMN tax_by_trade_month.trade_en IS 'Name of the trade in English';
COMMENT ON COLUMN tax_by_trade_month.month IS 'Tháng nộp tờ khai / First day of the month of declaration';
COMMENT ON COLUMN tax_by_trade_month.declarations IS 'Số tờ khai / Declarations';
COMMENT ON COLUMN tax_by_trade_month.taxpayers IS 'Số người nộp thuế / Different taxpayers';
COMMENT ON COLUMN tax_by_trade_month.revenue_vnd IS 'Doanh thu, đồng / Revenue, VND';
COMMENT ON COLUMN tax_by_trade_month.tax_due_vnd IS 'Thuế phải nộp, đồng / Tax due, VND';
COMMENT ON COLUMN tax_by_trade_month.tax_paid_vnd IS 'Thuế đã nộp, đồng / Tax paid, VND';
COMMENT ON COLUMN tax_by_trade_month.tax_owed_vnd IS 'Thuế còn nợ, đồng / Due less paid, VND';
