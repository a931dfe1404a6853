-- cells:
-- - {columns: [parcels, area_m2, agricultural_m2, residential_m2, other_m2, unused_m2, planned_percent,
--      planned_housing_m2, planned_schools_m2, planned_greens_m2, planned_roads_m2, public_still_residential_m2],
--    persons: parcels, at_least: 10, margins: [[year]]}
-- - {columns: [permits_filed, permits_granted, days_to_grant_median, floor_area_granted_m2, permits_linked,
--      permits_linked_percent, permits_against_plan, permits_against_plan_percent],
--    persons: _permits, at_least: 10, margins: [[year]]}
-- - {columns: [works_accepted, floor_area_accepted_m2], persons: works_accepted, at_least: 10, margins: [[year]]}
-- - {columns: [land_revenue], persons: _payers, at_least: 3, margins: [[year]]}

-- The state of the land is that of the last day of a year since the cadastre came, of this year that of its last
-- snapshot; what is planned is known of today only, so of this year. A permit is counted in the ward that it names, not
-- where its parcel lies today, and once, however many parts its parcel has become. Wards are those of today; a divided
-- one of before July 2025 stands under it.
-- Land revenue is the treasury's, of the sub-items of land-use fees (item 1400), by the ward that the voucher names.
-- Tax on non-agricultural land is of no dataset. Land for schools and greens that is residential is in square metres of
-- the parts planned so.
CREATE MATERIALIZED VIEW land_ward_year AS
WITH known AS (
    SELECT * FROM (VALUES
        ('budget.vouchers'), ('construction.works'), ('land.parcels'), ('land.permits'), ('planning.zones')
    ) AS listed (dataset)
),
input AS (
    SELECT d.dataset, min(d.as_of) AS since, max(d.as_of) AS until
    FROM ops.delivery d
    WHERE d.loaded_at IS NOT NULL
    GROUP BY d.dataset
),
year AS (
    SELECT
        g.year::date AS year,
        least((g.year + interval '1 year')::date - 1, i.until) AS state_on,
        g.year = date_trunc('year', i.until::timestamp) AS is_last
    FROM input i
    CROSS JOIN LATERAL generate_series(
        date_trunc('year', i.since::timestamp), date_trunc('year', i.until::timestamp), interval '1 year'
    ) AS g (year)
    WHERE i.dataset = 'land.parcels'
),
lacking AS (
    SELECT y.year, string_agg(k.dataset, ';' ORDER BY k.dataset) AS datasets
    FROM year y
    CROSS JOIN known k
    LEFT JOIN input i ON i.dataset = k.dataset
    WHERE i.dataset IS NULL OR i.until < y.year
    GROUP BY y.year
),
come AS (
    SELECT array_agg(i.dataset) AS datasets FROM input i
),
land AS (
    SELECT
        y.year, u.ward, u.ward_valid_from,
        count(*) AS parcels,
        sum(p.area_m2) AS area_m2,
        coalesce(sum(p.area_m2) FILTER (WHERE g.new_code = 'NN'), 0) AS agricultural_m2,
        coalesce(sum(p.area_m2) FILTER (WHERE g.new_code = 'O'), 0) AS residential_m2,
        coalesce(sum(p.area_m2) FILTER (WHERE g.new_code = 'PNN'), 0) AS other_m2,
        coalesce(sum(p.area_m2) FILTER (WHERE g.new_code = 'CSD'), 0) AS unused_m2
    FROM year y
    JOIN land.parcels p ON p.valid_from <= y.state_on AND (p.valid_to IS NULL OR p.valid_to > y.state_on)
    LEFT JOIN ref.code_bridge g ON g.old_list = 'land_use' AND g.new_list = 'land_use_group' AND g.old_code = p.land_use
    JOIN ref.ward_now u ON u.code = p.ward AND u.valid_from = p.ward_valid_from
    GROUP BY y.year, u.ward, u.ward_valid_from
),
planned AS (
    SELECT
        y.year, u.ward, u.ward_valid_from,
        sum(p.shape_m2) AS shape_m2,
        sum(p.shape_m2 * least(coalesce(p.planned_percent, 0), 100) / 100) AS planned_m2,
        sum(f.housing) AS housing, sum(f.schools) AS schools, sum(f.greens) AS greens, sum(f.roads) AS roads,
        sum(f.schools + f.greens) FILTER (WHERE p.land_use_group = 'O') AS still_residential
    FROM exact.land_parcel_today p
    JOIN year y ON y.is_last
    JOIN ref.ward_now u ON u.code = p.ward AND u.valid_from = p.ward_valid_from
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(z.m2) FILTER (WHERE z.function IN ('HH', 'NO')), 0) AS housing,
            coalesce(sum(z.m2) FILTER (WHERE z.function = 'GD'), 0) AS schools,
            coalesce(sum(z.m2) FILTER (WHERE z.function = 'CX'), 0) AS greens,
            coalesce(sum(z.m2) FILTER (WHERE z.function = 'GT'), 0) AS roads
        FROM jsonb_to_recordset(p.zones) AS z (function text, level text, m2 numeric)
        WHERE z.level = p.plan_level
    ) f
    GROUP BY y.year, u.ward, u.ward_valid_from
),
permit AS (
    SELECT
        p.authority || ' ' || p.permit_no AS paper, u.ward, u.ward_valid_from, p.filed_on, p.granted_on, p.floor_area_m2,
        bool_or(l.ward IS NOT NULL) AS is_linked,
        bool_or(p.floors > t.max_floors OR t.main_function IN ('CX', 'GT')) AS is_against_plan
    FROM land.permits_current p
    JOIN ref.ward_now u ON u.code = p.parcel_ward AND u.valid_from = p.parcel_ward_valid_from
    JOIN land.parcel_links l ON l.kind = 'permit' AND l.paper = p.authority || ' ' || p.permit_no
    LEFT JOIN exact.land_parcel_today t ON concat_ws('/', t.ward, t.ward_valid_from, t.sheet_no, t.parcel_no)
        = concat_ws('/', l.ward, l.ward_valid_from, l.sheet_no, l.parcel_no)
    GROUP BY p.authority, p.permit_no, u.ward, u.ward_valid_from, p.filed_on, p.granted_on, p.floor_area_m2
),
permits AS (
    SELECT
        y.year, p.ward, p.ward_valid_from,
        count(*) AS permits,
        count(*) FILTER (WHERE date_trunc('year', p.filed_on::timestamp) = y.year) AS filed,
        count(*) FILTER (WHERE date_trunc('year', p.granted_on::timestamp) = y.year) AS granted,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY p.granted_on - p.filed_on)
            FILTER (WHERE date_trunc('year', p.granted_on::timestamp) = y.year) AS median_days,
        coalesce(sum(p.floor_area_m2) FILTER (WHERE date_trunc('year', p.granted_on::timestamp) = y.year), 0) AS floor_area,
        count(*) FILTER (WHERE p.is_linked) AS linked,
        count(*) FILTER (WHERE p.is_against_plan) AS against_plan
    FROM year y
    JOIN permit p ON date_trunc('year', p.filed_on::timestamp) = y.year OR date_trunc('year', p.granted_on::timestamp) = y.year
    GROUP BY y.year, p.ward, p.ward_valid_from
),
works AS (
    SELECT
        y.year, u.ward, u.ward_valid_from, count(*) AS accepted, coalesce(sum(w.floor_area_m2), 0) AS floor_area
    FROM year y
    JOIN land.works_current w ON date_trunc('year', w.accepted_on::timestamp) = y.year
    JOIN ref.ward_now u ON u.code = w.ward AND u.valid_from = w.ward_valid_from
    GROUP BY y.year, u.ward, u.ward_valid_from
),
revenue AS (
    SELECT
        y.year, u.ward, u.ward_valid_from,
        sum(v.amount) AS amount,
        count(DISTINCT coalesce(v.tax_code, v.voucher_no)) AS payers
    FROM year y
    JOIN business.budget_vouchers_current v ON v.direction = 'T' AND v.sub_item BETWEEN '1400' AND '1449'
        AND date_trunc('year', v.posted_on::timestamp) = y.year
    JOIN ref.ward_now u ON u.code = v.ward AND u.valid_from = v.ward_valid_from
    GROUP BY y.year, u.ward, u.ward_valid_from
),
place AS (
    SELECT l.year, l.ward, l.ward_valid_from FROM land l
    UNION
    SELECT p.year, p.ward, p.ward_valid_from FROM permits p
    UNION
    SELECT w.year, w.ward, w.ward_valid_from FROM works w
    UNION
    SELECT r.year, r.ward, r.ward_valid_from FROM revenue r
)
SELECT
    c.ward,
    c.ward_valid_from,
    n.name AS ward_name,
    c.year,
    y.state_on,
    k.datasets AS inputs_lacking,
    coalesce(l.parcels, 0) AS parcels,
    coalesce(l.area_m2, 0) AS area_m2,
    coalesce(l.agricultural_m2, 0) AS agricultural_m2,
    coalesce(l.residential_m2, 0) AS residential_m2,
    coalesce(l.other_m2, 0) AS other_m2,
    coalesce(l.unused_m2, 0) AS unused_m2,
    round((100 * d.planned_m2 / nullif(d.shape_m2, 0))::numeric, 1) AS planned_percent,
    d.housing AS planned_housing_m2,
    d.schools AS planned_schools_m2,
    d.greens AS planned_greens_m2,
    d.roads AS planned_roads_m2,
    CASE WHEN d.shape_m2 IS NOT NULL THEN coalesce(d.still_residential, 0) END AS public_still_residential_m2,
    CASE WHEN 'land.permits' = ANY (m.datasets) THEN coalesce(p.filed, 0) END AS permits_filed,
    CASE WHEN 'land.permits' = ANY (m.datasets) THEN coalesce(p.granted, 0) END AS permits_granted,
    p.median_days AS days_to_grant_median,
    CASE WHEN 'land.permits' = ANY (m.datasets) THEN coalesce(p.floor_area, 0) END AS floor_area_granted_m2,
    CASE WHEN 'land.permits' = ANY (m.datasets) THEN coalesce(p.linked, 0) END AS permits_linked,
    round(100.0 * p.linked / p.permits, 1) AS permits_linked_percent,
    CASE WHEN 'land.permits' = ANY (m.datasets) THEN coalesce(p.against_plan, 0) END AS permits_against_plan,
    round(100.0 * p.against_plan / nullif(p.linked, 0), 1) AS permits_against_plan_percent,
    CASE WHEN 'construction.works' = ANY (m.datasets) THEN coalesce(w.accepted, 0) END AS works_accepted,
    CASE WHEN 'construction.works' = ANY (m.datasets) THEN coalesce(w.floor_area, 0) END AS floor_area_accepted_m2,
    CASE WHEN 'budget.vouchers' = ANY (m.datasets) THEN coalesce(r.amount, 0) END AS land_revenue,
    coalesce(p.permits, 0) AS _permits,
    coalesce(r.payers, 0) AS _payers
FROM place c
CROSS JOIN come m
JOIN year y ON y.year = c.year
LEFT JOIN lacking k ON k.year = c.year
LEFT JOIN ref.ward n ON n.code = c.ward AND n.valid_from = c.ward_valid_from
LEFT JOIN land l ON l.year = c.year AND l.ward = c.ward AND l.ward_valid_from = c.ward_valid_from
LEFT JOIN planned d ON d.year = c.year AND d.ward = c.ward AND d.ward_valid_from = c.ward_valid_from
LEFT JOIN permits p ON p.year = c.year AND p.ward = c.ward AND p.ward_valid_from = c.ward_valid_from
LEFT JOIN works w ON w.year = c.year AND w.ward = c.ward AND w.ward_valid_from = c.ward_valid_from
LEFT JOIN revenue r ON r.year = c.year AND r.ward = c.ward AND r.ward_valid_from = c.ward_valid_from;

CREATE UNIQUE INDEX ON land_ward_year (ward, ward_valid_from, year);

COMMENT ON MATERIALIZED VIEW land_ward_year IS
'Mỗi dòng: một đơn vị cấp xã và một năm; đất theo nhóm và theo quy hoạch, giấy phép xây dựng, công trình, thu từ đất. / One row a commune-level unit and year; land by group and plan, construction permits, works, revenue of land.';
COMMENT ON COLUMN land_ward_year.ward IS 'Mã đơn vị hiện nay, hoặc đơn vị cũ nếu đã bị chia / Code of the unit of today, or of the old one where that was divided';
COMMENT ON COLUMN land_ward_year.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN land_ward_year.ward_name IS 'Tên đơn vị / Name of the unit';
COMMENT ON COLUMN land_ward_year.year IS 'Năm / First day of the year';
COMMENT ON COLUMN land_ward_year.state_on IS 'Số thửa và diện tích là của ngày này / Parcels and areas are of this day';
COMMENT ON COLUMN land_ward_year.inputs_lacking IS 'Dữ liệu chưa nhận cho năm này; số dựng trên chúng là chưa biết / Datasets that tell nothing of the year: what is counted of them is not known';
COMMENT ON COLUMN land_ward_year.parcels IS 'Số thửa / Parcels';
COMMENT ON COLUMN land_ward_year.area_m2 IS 'Diện tích trên giấy tờ, m² / Area on paper, square metres';
COMMENT ON COLUMN land_ward_year.agricultural_m2 IS 'Đất nông nghiệp, m² / Agricultural, square metres';
COMMENT ON COLUMN land_ward_year.residential_m2 IS 'Đất ở, m² / Residential, square metres';
COMMENT ON COLUMN land_ward_year.other_m2 IS 'Đất phi nông nghiệp khác, m² / Other non-agricultural, square metres';
COMMENT ON COLUMN land_ward_year.unused_m2 IS 'Đất chưa sử dụng, m² / Unused, square metres';
COMMENT ON COLUMN land_ward_year.planned_percent IS 'Phần diện tích thửa có quy hoạch, %; chỉ năm gần nhất / Of the ground of parcels, planned, %; of the last year only';
COMMENT ON COLUMN land_ward_year.planned_housing_m2 IS 'Quy hoạch nhà ở và hỗn hợp, m² / Planned for housing and mixed use, square metres';
COMMENT ON COLUMN land_ward_year.planned_schools_m2 IS 'Quy hoạch giáo dục, m² / Planned for schools, square metres';
COMMENT ON COLUMN land_ward_year.planned_greens_m2 IS 'Quy hoạch cây xanh, m² / Planned for greens, square metres';
COMMENT ON COLUMN land_ward_year.planned_roads_m2 IS 'Quy hoạch giao thông, m² / Planned for roads, square metres';
COMMENT ON COLUMN land_ward_year.public_still_residential_m2 IS 'Quy hoạch giáo dục, cây xanh mà nay là đất ở, m² / Planned for schools and greens, and residential today, square metres';
COMMENT ON COLUMN land_ward_year.permits_filed IS 'Giấy phép nộp trong năm / Permits filed in the year';
COMMENT ON COLUMN land_ward_year.permits_granted IS 'Giấy phép cấp trong năm / Permits granted in the year';
COMMENT ON COLUMN land_ward_year.days_to_grant_median IS 'Số ngày trung vị từ khi nộp đến khi cấp, của giấy phép cấp trong năm / Median days from filing to grant, of those granted';
COMMENT ON COLUMN land_ward_year.floor_area_granted_m2 IS 'Diện tích sàn được cấp phép, m² / Floor area granted, square metres';
COMMENT ON COLUMN land_ward_year.permits_linked IS 'Giấy phép nối được với thửa đất / Permits that are linked to a parcel';
COMMENT ON COLUMN land_ward_year.permits_linked_percent IS 'Phần nối được, % của giấy phép nộp hoặc cấp trong năm / Of those filed or granted, linked, %';
COMMENT ON COLUMN land_ward_year.permits_against_plan IS 'Giấy phép vượt tầng cao quy hoạch, hoặc trong đất quy hoạch đường, cây xanh / Permits for more floors than planned, or where roads or greens are planned';
COMMENT ON COLUMN land_ward_year.permits_against_plan_percent IS 'Phần đó của giấy phép nối được, % / Of those linked, against the plan, %';
COMMENT ON COLUMN land_ward_year.works_accepted IS 'Công trình nghiệm thu trong năm / Works accepted in the year';
COMMENT ON COLUMN land_ward_year.floor_area_accepted_m2 IS 'Diện tích sàn được nghiệm thu, m² / Floor area accepted, square metres';
COMMENT ON COLUMN land_ward_year.land_revenue IS 'Thu từ đất qua kho bạc, tiểu mục 1401-1449, đồng / Land revenue at the treasury, sub-items 1401 to 1449, VND';
