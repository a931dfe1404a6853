-- reconciliation:
--   mends: insurance.benefits
--   vi: "{found} khoản chi hằng tháng cho người đã chết hơn hai tháng trước; hãy kiểm tra và thu hồi."
--   en: "{found} monthly benefits were paid for persons who had died more than two months before; check and recover them."
CREATE MATERIALIZED VIEW benefits_after_death AS
SELECT
    b.case_no,
    b.line_kind,
    b.pay_month,
    b.personal_id,
    min(d.death_at)::date AS died_on
FROM people.benefits_current b
JOIN people.deaths_current d ON d.personal_id = b.personal_id
WHERE b.line_kind = 'HT' AND b.regime <> 'TT' AND b.pay_month > d.death_at::date + 62
GROUP BY b.case_no, b.line_kind, b.pay_month, b.personal_id;

CREATE UNIQUE INDEX ON benefits_after_death (case_no, line_kind, pay_month);

COMMENT ON MATERIALIZED VIEW benefits_after_death IS
'Mỗi dòng: một khoản chi hằng tháng cho người đã chết hơn hai tháng trước tháng chi. / One row a monthly benefit paid for a month more than two months after the death of its person.';
COMMENT ON COLUMN benefits_after_death.case_no IS 'Số hồ sơ / Case';
COMMENT ON COLUMN benefits_after_death.line_kind IS 'Loại dòng chi / Kind of line';
COMMENT ON COLUMN benefits_after_death.pay_month IS 'Tháng chi trả / Month of payment';
COMMENT ON COLUMN benefits_after_death.personal_id IS 'Số định danh / Personal id';
COMMENT ON COLUMN benefits_after_death.died_on IS 'Ngày chết / Day of death';
