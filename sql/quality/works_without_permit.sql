-- reconciliation:
--   mends: construction.works
--   vi: "{found} công trình có số giấy phép không có trong sổ giấy phép; hãy kiểm tra số giấy phép và cơ quan cấp."
--   en: "{found} works name a permit that is not among the permits; check number and authority."
CREATE MATERIALIZED VIEW works_without_permit AS
SELECT
    w.work_code,
    w.authority,
    w.permit_no,
    w.ward,
    w.ward_valid_from
FROM land.works_current w
WHERE w.permit_no IS NOT NULL
  AND EXISTS (SELECT FROM land.permits_current)
  AND NOT EXISTS (SELECT FROM land.permits_current p WHERE p.authority = w.authority AND p.permit_no = w.permit_no);

CREATE UNIQUE INDEX ON works_without_permit (work_code);

COMMENT ON MATERIALIZED VIEW works_without_permit IS
'Mỗi dòng: một công trình nêu giấy phép xây dựng mà sổ giấy phép không có. / One row a work that names a construction permit which is not there.';
COMMENT ON COLUMN works_without_permit.work_code IS 'Mã công trình / Work';
COMMENT ON COLUMN works_without_permit.authority IS 'Cơ quan cấp phép / Authority';
COMMENT ON COLUMN works_without_permit.permit_no IS 'Số giấy phép / Permit';
COMMENT ON COLUMN works_without_permit.ward IS 'Phường, xã / Unit';
COMMENT ON COLUMN works_without_permit.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
