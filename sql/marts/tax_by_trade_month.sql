CREATE MATERIALIZED VIEW tax_by_trade_month AS
SELECT
    coalesce(d.vsic_code, t.vsic_code) AS vsic_code,
    c.name_vi AS trade_vi,
    c.name_en AS trade_en,
    date_trunc('month', d.declared_on)::date AS month,
    count(*) AS declarations,
    count(DISTINCT d.tax_code) AS taxpayers,
    sum(d.revenue) AS revenue_vnd,
    sum(d.tax_due) AS tax_due_vnd,
    sum(d.tax_paid) AS tax_paid_vnd,
    sum(d.tax_due - d.tax_paid) AS tax_owed_vnd
FROM business.declarations_current d
LEFT JOIN business.taxpayers_current t ON t.tax_code = d.tax_code
LEFT JOIN ref.code c ON c.list = 'vsic' AND c.code = coalesce(d.vsic_code, t.vsic_code)
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
