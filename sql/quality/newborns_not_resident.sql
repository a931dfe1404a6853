-- reconciliation:
--   mends: police.residents
--   vi: "{found} trẻ đã khai sinh quá 30 ngày chưa có trong dân cư; hãy kiểm tra đăng ký cư trú của trẻ."
--   en: "{found} newborns are registered for more than 30 days and have no residence; check their registration."
CREATE MATERIALIZED VIEW newborns_not_resident AS
SELECT
    b.registration_ward AS ward,
    b.registration_ward_valid_from AS ward_valid_from,
    b.book_no,
    b.record_no,
    b.personal_id,
    b.registration_date
FROM people.births_current b
WHERE b.registration_date < (SELECT max(r.valid_from)::date FROM people.residents r) - 30
  AND b.personal_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM people.residents_current r WHERE r.personal_id = b.personal_id);

CREATE UNIQUE INDEX ON newborns_not_resident (ward, ward_valid_from, book_no, record_no);

COMMENT ON MATERIALIZED VIEW newborns_not_resident IS
'Mỗi dòng: một trẻ đã đăng ký khai sinh quá 30 ngày mà chưa có đăng ký cư trú. / One row a child whose birth was registered more than 30 days before the last delivery of residents, and who has no residence.';
COMMENT ON COLUMN newborns_not_resident.ward IS 'Nơi đăng ký / Unit of registration';
COMMENT ON COLUMN newborns_not_resident.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN newborns_not_resident.book_no IS 'Quyển số / Register book';
COMMENT ON COLUMN newborns_not_resident.record_no IS 'Số / Number';
COMMENT ON COLUMN newborns_not_resident.personal_id IS 'Số định danh / Personal id';
COMMENT ON COLUMN newborns_not_resident.registration_date IS 'Ngày đăng ký khai sinh / Day of registration';
