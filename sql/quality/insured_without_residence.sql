-- reconciliation:
--   mends: insurance.health_membership
--   vi: "{found} thẻ bảo hiểm y tế còn hạn của người không có trong dân cư; hãy kiểm tra số định danh."
--   en: "{found} valid health insurance cards are of persons without a residence; check their personal ids."
CREATE MATERIALIZED VIEW insured_without_residence AS
SELECT
    m.card_no,
    m.card_from,
    m.personal_id,
    m.ward,
    m.ward_valid_from
FROM people.health_membership_current m
WHERE EXISTS (SELECT FROM people.residents_current)
  AND (m.card_until IS NULL OR m.card_until >= (SELECT max(h.valid_from)::date FROM people.health_membership h))
  AND NOT EXISTS (SELECT FROM people.residents_current r WHERE r.personal_id = m.personal_id);

CREATE UNIQUE INDEX ON insured_without_residence (card_no, card_from);

COMMENT ON MATERIALIZED VIEW insured_without_residence IS
'Mỗi dòng: một thẻ bảo hiểm y tế còn hạn của người không có đăng ký cư trú. / One row a valid health insurance card of a person without a residence.';
COMMENT ON COLUMN insured_without_residence.card_no IS 'Mã thẻ / Card';
COMMENT ON COLUMN insured_without_residence.card_from IS 'Giá trị từ / First day of the card';
COMMENT ON COLUMN insured_without_residence.personal_id IS 'Số định danh / Personal id';
COMMENT ON COLUMN insured_without_residence.ward IS 'Nơi cư trú / Unit of residence';
COMMENT ON COLUMN insured_without_residence.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
