-- reconciliation:
--   mends: social.assistance
--   vi: "{found} người hưởng trợ cấp hưu trí xã hội đồng thời có lương hưu; hãy kiểm tra."
--   en: "{found} persons have a social pension and a pension of the insurance at once; check them."
CREATE MATERIALIZED VIEW two_benefits_at_once AS
SELECT
    a.personal_id,
    min(a.case_no) AS assistance_case,
    min(b.case_no) AS insurance_case,
    max(b.pay_month) AS last_month
FROM people.assistance_current a
JOIN people.benefits_current b ON b.personal_id = a.personal_id AND b.pay_month >= a.from_month
WHERE a.benefit_kind = 'HTXH' AND b.regime = 'HT' AND b.line_kind = 'HT'
  AND (a.until_month IS NULL OR b.pay_month < a.until_month)
GROUP BY a.personal_id;

CREATE UNIQUE INDEX ON two_benefits_at_once (personal_id);

COMMENT ON MATERIALIZED VIEW two_benefits_at_once IS
'Mỗi dòng: một người vừa hưởng trợ cấp hưu trí xã hội vừa hưởng lương hưu trong cùng tháng. / One row a person with a social pension and a pension of the insurance in one month.';
COMMENT ON COLUMN two_benefits_at_once.personal_id IS 'Số định danh / Personal id';
COMMENT ON COLUMN two_benefits_at_once.assistance_case IS 'Mã hồ sơ trợ cấp / Assistance case';
COMMENT ON COLUMN two_benefits_at_once.insurance_case IS 'Số hồ sơ hưởng / Insurance case';
COMMENT ON COLUMN two_benefits_at_once.last_month IS 'Tháng gần nhất / Last month';
