-- reconciliation:
--   mends: social.assistance
--   vi: "{found} hồ sơ trợ cấp vẫn đang hưởng dù người hưởng đã chết; hãy kiểm tra và thôi hưởng."
--   en: "{found} assistance cases still run although their person has died; check and end them."
CREATE MATERIALIZED VIEW assistance_after_death AS
SELECT
    a.case_no,
    a.personal_id,
    a.ward,
    a.ward_valid_from,
    min(d.death_at)::date AS died_on
FROM people.assistance_current a
JOIN people.deaths_current d ON d.personal_id = a.personal_id
WHERE a.until_month IS NULL AND d.death_at::date + 62 < (SELECT max(h.valid_from)::date FROM people.assistance h)
GROUP BY a.case_no, a.personal_id, a.ward, a.ward_valid_from;

CREATE UNIQUE INDEX ON assistance_after_death (case_no);

COMMENT ON MATERIALIZED VIEW assistance_after_death IS
'Mỗi dòng: một hồ sơ trợ cấp chưa thôi hưởng của người đã chết hơn hai tháng. / One row an assistance case that has not ended, of a person who died more than two months before the last delivery.';
COMMENT ON COLUMN assistance_after_death.case_no IS 'Mã hồ sơ / Case';
COMMENT ON COLUMN assistance_after_death.personal_id IS 'Số định danh / Personal id';
COMMENT ON COLUMN assistance_after_death.ward IS 'Phường, xã chi trả / Unit that pays';
COMMENT ON COLUMN assistance_after_death.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN assistance_after_death.died_on IS 'Ngày chết / Day of death';
