-- cells:
-- - {columns: [permits, granted, days_to_grant_mean, days_to_grant_median, days_to_grant_max, floor_area_m2],
--    persons: permits, at_least: 10, margins: [[]]}
CREATE MATERIALIZED VIEW permits_by_ward AS
SELECT
    p.parcel_ward AS ward,
    p.parcel_ward_valid_from AS ward_valid_from,
    w.name AS ward_name,
    count(*) AS permits,
    count(p.granted_on) AS granted,
    round(avg(p.granted_on - p.filed_on), 1) AS days_to_grant_mean,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY p.granted_on - p.filed_on) AS days_to_grant_median,
    max(p.granted_on - p.filed_on) AS days_to_grant_max,
    sum(p.floor_area_m2) AS floor_area_m2
FROM land.permits_current p
LEFT JOIN ref.ward w ON w.code = p.parcel_ward AND w.valid_from = p.parcel_ward_valid_from
GROUP BY 1, 2, 3;

CREATE UNIQUE INDEX ON permits_by_ward (ward, ward_valid_from);

COMMENT ON MATERIALIZED VIEW permits_by_ward IS
'Mỗi dòng: một đơn vị cấp xã nơi có thửa đất; giấy phép xây dựng còn hiệu lực và số ngày từ khi nộp hồ sơ đến khi cấp. / One row a commune-level unit of the parcel; construction permits in force and the days from filing to grant.';
COMMENT ON COLUMN permits_by_ward.ward IS 'Mã đơn vị / Code of the unit; a code means nothing without ward_valid_from';
COMMENT ON COLUMN permits_by_ward.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN permits_by_ward.ward_name IS 'Tên đơn vị / Name of the unit';
COMMENT ON COLUMN permits_by_ward.permits IS 'Số giấy phép / Permits';
COMMENT ON COLUMN permits_by_ward.granted IS 'Đã cấp / Of these granted';
COMMENT ON COLUMN permits_by_ward.days_to_grant_mean IS 'Số ngày trung bình / Mean days from filing to grant';
COMMENT ON COLUMN permits_by_ward.days_to_grant_median IS 'Số ngày trung vị / Median days from filing to grant';
COMMENT ON COLUMN permits_by_ward.days_to_grant_max IS 'Số ngày dài nhất / Most days from filing to grant';
COMMENT ON COLUMN permits_by_ward.floor_area_m2 IS 'Tổng diện tích sàn, m² / Total floor area, square metres';
