-- reconciliation:
--   mends: investment.disbursements
--   vi: "{found} dự án, tháng có số giải ngân báo cáo lệch quá 1% so với chứng từ kho bạc; hãy đối chiếu với kho bạc."
--   en: "{found} projects and months report over 1% more or less than the treasury's vouchers; compare with the treasury."
CREATE MATERIALIZED VIEW paid_unlike_vouchers AS
WITH reported AS (
    SELECT project_code, report_month, sum(paid_month) AS paid
    FROM business.disbursements_current
    GROUP BY project_code, report_month
), booked AS (
    SELECT project_code, date_trunc('month', posted_on)::date AS report_month, sum(amount) AS booked
    FROM business.budget_vouchers_current
    WHERE project_code IS NOT NULL
    GROUP BY 1, 2
)
SELECT project_code, report_month, paid, coalesce(booked, 0) AS booked
FROM reported
LEFT JOIN booked USING (project_code, report_month)
WHERE report_month >= (SELECT min(b.report_month) FROM booked b)
  AND abs(paid - coalesce(booked, 0)) > 0.01 * greatest(abs(paid), abs(coalesce(booked, 0)));

CREATE UNIQUE INDEX ON paid_unlike_vouchers (project_code, report_month);

COMMENT ON MATERIALIZED VIEW paid_unlike_vouchers IS
'Mỗi dòng: một dự án và một tháng mà giải ngân báo cáo lệch quá 1% so với chứng từ kho bạc. / One row a project and month that reports over 1% more or less than the vouchers of the treasury.';
COMMENT ON COLUMN paid_unlike_vouchers.project_code IS 'Mã dự án / Project';
COMMENT ON COLUMN paid_unlike_vouchers.report_month IS 'Tháng / Month';
COMMENT ON COLUMN paid_unlike_vouchers.paid IS 'Giải ngân báo cáo (đồng) / Paid as reported, VND';
COMMENT ON COLUMN paid_unlike_vouchers.booked IS 'Chứng từ kho bạc (đồng) / Booked by the treasury, VND';
