-- reconciliation:
--   mends: investment.disbursements
--   vi: "{found} dự án có giải ngân nhưng không có trong danh mục dự án; hãy kiểm tra mã dự án."
--   en: "{found} projects have disbursements and are not in the list of projects; check their codes."
CREATE MATERIALIZED VIEW disbursed_without_project AS
SELECT
    d.project_code,
    max(d.report_month) AS last_month,
    sum(d.paid_month) AS paid
FROM business.disbursements_current d
WHERE EXISTS (SELECT FROM business.projects_current)
  AND NOT EXISTS (SELECT FROM business.projects_current p WHERE p.project_code = d.project_code)
GROUP BY d.project_code;

CREATE UNIQUE INDEX ON disbursed_without_project (project_code);

COMMENT ON MATERIALIZED VIEW disbursed_without_project IS
'Mỗi dòng: một mã dự án có giải ngân mà danh mục dự án không có. / One row a project code with disbursements that the list of projects lacks.';
COMMENT ON COLUMN disbursed_without_project.project_code IS 'Mã dự án / Project';
COMMENT ON COLUMN disbursed_without_project.last_month IS 'Tháng gần nhất / Last month';
COMMENT ON COLUMN disbursed_without_project.paid IS 'Đã giải ngân (đồng) / Paid, VND';
