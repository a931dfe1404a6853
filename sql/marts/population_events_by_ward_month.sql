-- cells:
-- - {columns: [births], persons: births, at_least: 10, margins: [[ward, ward_valid_from], [month]]}
-- - {columns: [deaths], persons: deaths, at_least: 10, margins: [[ward, ward_valid_from], [month]]}
-- - {columns: [marriages], persons: marriages, at_least: 10, margins: [[ward, ward_valid_from], [month]]}
CREATE MATERIALIZED VIEW population_events_by_ward_month AS
WITH events AS (
    SELECT 'birth' AS event, registration_ward AS ward, registration_ward_valid_from AS ward_valid_from, registration_date FROM people.births_current
    UNION ALL
    SELECT 'death', registration_ward, registration_ward_valid_from, registration_date FROM people.deaths_current
    UNION ALL
    SELECT 'marriage', registration_ward, registration_ward_valid_from, registration_date FROM people.marriages_current
)
SELECT
    e.ward,
    e.ward_valid_from,
    w.name AS ward_name,
    w.district,
    w.province,
    coalesce(l.new_code, CASE WHEN w.valid_to IS NULL THEN w.code END) AS ward_today,
    date_trunc('month', e.registration_date)::date AS month,
    count(*) FILTER (WHERE e.event = 'birth') AS births,
    count(*) FILTER (WHERE e.event = 'death') AS deaths,
    count(*) FILTER (WHERE e.event = 'marriage') AS marriages
FROM events e
LEFT JOIN ref.ward w ON w.code = e.ward AND w.valid_from = e.ward_valid_from
LEFT JOIN ref.ward_link l ON l.old_code = e.ward AND l.old_valid_from = e.ward_valid_from AND l.targets = 1
GROUP BY e.ward, e.ward_valid_from, w.name, w.district, w.province, w.code, w.valid_to, l.new_code, month;

CREATE UNIQUE INDEX ON population_events_by_ward_month (ward, ward_valid_from, month);

COMMENT ON MATERIALIZED VIEW population_events_by_ward_month IS
'Mỗi dòng: một đơn vị cấp xã (theo danh mục của thời kỳ đăng ký) và một tháng đăng ký; số sự kiện hộ tịch còn hiệu lực. / One row a commune-level unit, by the list of the period of registration, and month of registration; civil status events in force.';
COMMENT ON COLUMN population_events_by_ward_month.ward IS 'Mã đơn vị / Code of the unit; a code means nothing without ward_valid_from';
COMMENT ON COLUMN population_events_by_ward_month.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN population_events_by_ward_month.ward_name IS 'Tên đơn vị / Name of the unit';
COMMENT ON COLUMN population_events_by_ward_month.district IS 'Quận, huyện cũ / District, for units before July 2025';
COMMENT ON COLUMN population_events_by_ward_month.province IS 'Tỉnh, thành phố / Province';
COMMENT ON COLUMN population_events_by_ward_month.ward_today IS 'Mã đơn vị hiện nay; trống nếu đơn vị cũ bị chia cho nhiều đơn vị / Code of today; null where the old unit was divided among several';
COMMENT ON COLUMN population_events_by_ward_month.month IS 'Tháng đăng ký / First day of the month of registration';
COMMENT ON COLUMN population_events_by_ward_month.births IS 'Số khai sinh / Births';
COMMENT ON COLUMN population_events_by_ward_month.deaths IS 'Số khai tử / Deaths';
COMMENT ON COLUMN population_events_by_ward_month.marriages IS 'Số kết hôn / Marriages';
