-- cells: []

-- It tells of land and of no person: how many hold a parcel, and violations on it, are in `exact` alone.
-- The plan of a parcel is that of the most detailed level in force that covers half of it and more, of the long term
-- before the first phase; where none does, the one that covers most. Other plans in force are in `zones`, too.
-- There is no tax on non-agricultural land among the datasets, and no geometry of investment projects: a project touches
-- a parcel by its works.
CREATE MATERIALIZED VIEW land_parcel_today AS
WITH known AS (
    SELECT * FROM (VALUES
        ('construction.works'), ('justice.violations'), ('land.parcels'), ('land.permits'), ('planning.zones')
    ) AS listed (dataset)
),
input AS (
    SELECT
        string_agg(k.dataset, ';' ORDER BY k.dataset) FILTER (WHERE d.until IS NULL) AS lacking,
        max(d.until) FILTER (WHERE k.dataset = 'land.parcels') AS parcels_on,
        max(d.until) FILTER (WHERE k.dataset = 'planning.zones') AS zones_on,
        bool_or(d.until IS NOT NULL) FILTER (WHERE k.dataset = 'land.permits') AS has_permits,
        bool_or(d.until IS NOT NULL) FILTER (WHERE k.dataset = 'construction.works') AS has_works
    FROM known k
    LEFT JOIN (
        SELECT l.dataset, max(l.as_of) AS until FROM ops.delivery l WHERE l.loaded_at IS NOT NULL GROUP BY l.dataset
    ) d ON d.dataset = k.dataset
),
unit AS (
    SELECT w.code || ' ' || w.valid_from AS unit, a.code AS ward_today, a.valid_from AS ward_today_valid_from
    FROM ref.ward w
    JOIN LATERAL ref.ward_at(w.code, w.valid_from, current_date) a ON NOT a.ambiguous
),
-- Rows are joined by one text that names a parcel: of four columns PostgreSQL would expect that hardly any meet, and look
-- through the whole other side for each.
zoned AS (
    SELECT
        concat_ws('/', o.ward, o.ward_valid_from, o.sheet_no, o.parcel_no) AS parcel,
        o.left_size, o.shared, o.is_sliver, z.plan_record, z.object_code, z.land_function, z.plan_level, z.phase,
        z.max_floors, z.max_density, z.max_far
    FROM land.parcel_zones o
    LEFT JOIN land.zones_current z ON z.plan_record = o.plan_record AND z.layer = o.layer
        AND z.object_code = o.object_code
        AND z.approved_on <= current_date AND (z.ended_on IS NULL OR z.ended_on > current_date)
),
-- How much of the parcel one level and phase cover together.
covered AS (
    SELECT
        z.*,
        sum(z.shared) FILTER (WHERE NOT z.is_sliver) OVER (PARTITION BY z.parcel, z.plan_level, z.phase)
            / z.left_size AS cover
    FROM zoned z
),
-- The first one is the largest zone of the plan that counts.
ranked AS (
    SELECT c.*, row_number() OVER plans AS place, first_value(c.plan_level || c.phase) OVER plans AS plan
    FROM covered c
    WINDOW plans AS (
        PARTITION BY c.parcel
        ORDER BY
            c.plan_level IS NULL OR c.is_sliver, c.cover >= 0.5 DESC, CASE WHEN c.cover >= 0.5 THEN c.plan_level END DESC,
            CASE WHEN c.cover >= 0.5 THEN c.phase END DESC, c.cover DESC, c.plan_level DESC, c.phase DESC,
            c.shared DESC, c.plan_record, c.object_code
    )
),
plan AS (
    SELECT
        r.parcel,
        max(r.left_size) AS shape_m2,
        count(*) FILTER (WHERE r.is_sliver AND r.plan_level IS NOT NULL) AS slivers,
        jsonb_agg(
            jsonb_build_object(
                'plan', r.plan_record, 'zone', r.object_code, 'function', r.land_function, 'level', r.plan_level,
                'm2', round(r.shared::numeric, 2), 'percent', round((100 * r.shared / r.left_size)::numeric, 1)
            )
            ORDER BY r.shared DESC, r.plan_record, r.object_code
        ) FILTER (WHERE NOT r.is_sliver AND r.plan_level IS NOT NULL) AS zones,
        max(r.plan_level) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS plan_level,
        max(r.cover) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS cover,
        coalesce(sum(r.shared) FILTER (
            WHERE r.plan_level || r.phase = r.plan AND NOT r.is_sliver AND r.land_function = 'GT'
        ), 0) / max(r.left_size) AS roads,
        coalesce(sum(r.shared) FILTER (
            WHERE r.plan_level || r.phase = r.plan AND NOT r.is_sliver AND r.land_function = 'CX'
        ), 0) / max(r.left_size) AS greens,
        max(r.plan_record) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS main_plan,
        max(r.object_code) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS main_zone,
        max(r.land_function) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS main_function,
        max(r.shared / r.left_size) FILTER (WHERE r.place = 1 AND NOT r.is_sliver AND r.plan_level IS NOT NULL)
            AS main_share,
        max(r.max_floors) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS max_floors,
        max(r.max_density) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS max_density,
        max(r.max_far) FILTER (WHERE r.place = 1 AND NOT r.is_sliver) AS max_far
    FROM ranked r
    GROUP BY r.parcel
),
permit AS (
    SELECT
        concat_ws('/', l.ward, l.ward_valid_from, l.sheet_no, l.parcel_no) AS parcel,
        l.paper, l.grade, p.floors, p.filed_on, p.granted_on, p.expires_on
    FROM land.parcel_links l
    JOIN land.permits_current p ON p.authority || ' ' || p.permit_no = l.paper
    WHERE l.kind = 'permit' AND l.ward IS NOT NULL
),
latest AS (
    SELECT
        p.*,
        row_number() OVER (
            PARTITION BY p.parcel ORDER BY p.granted_on DESC NULLS LAST, p.filed_on DESC, p.paper
        ) AS place
    FROM permit p
),
permits AS (
    SELECT
        p.parcel,
        count(*) AS permits,
        max(p.granted_on) FILTER (WHERE p.place = 1) AS granted_on,
        max(p.expires_on) FILTER (WHERE p.place = 1) AS expires_on,
        max(p.floors) FILTER (WHERE p.place = 1) AS floors,
        array_agg(p.floors) AS all_floors,
        max(array_position(ARRAY['key', 'lineage', 'spatial'], p.grade)) AS grade
    FROM latest p
    GROUP BY p.parcel
),
works AS (
    SELECT
        concat_ws('/', l.ward, l.ward_valid_from, l.sheet_no, l.parcel_no) AS parcel,
        count(*) AS works,
        count(w.accepted_on) AS accepted,
        max(w.floors) AS floors,
        count(DISTINCT w.project_code) AS projects,
        max(array_position(ARRAY['key', 'lineage', 'spatial'], l.grade)) AS grade
    FROM land.parcel_links l
    JOIN land.works_current w ON w.work_code = l.paper
    WHERE l.kind = 'work' AND l.ward IS NOT NULL
    GROUP BY 1
),
violations AS (
    SELECT
        concat_ws('/', w.code, w.valid_from, split_part(v.parcel, '/', 2), split_part(v.parcel, '/', 3)) AS parcel,
        count(*) AS open
    FROM people.violations_current v
    JOIN ref.ward w ON w.code = split_part(v.parcel, '/', 1) AND w.valid_from <= v.violated_on
        AND (w.valid_to IS NULL OR w.valid_to > v.violated_on)
    WHERE v.enforcement_state IN ('BH', 'CC', 'SD')
    GROUP BY 1
),
land_use AS (
    SELECT
        b.old_code AS land_use,
        max(b.new_code) FILTER (WHERE b.new_list = 'land_use_group') AS land_use_group,
        array_agg(b.new_code) FILTER (WHERE b.new_list = 'plan_function') AS functions
    FROM ref.code_bridge b
    WHERE b.old_list = 'land_use' AND b.new_list IN ('land_use_group', 'plan_function')
    GROUP BY b.old_code
),
parcel AS (
    SELECT
        concat_ws('/', p.ward, p.ward_valid_from, p.sheet_no, p.parcel_no) AS parcel,
        p.ward || ' ' || p.ward_valid_from AS unit,
        p.*
    FROM land.parcels_current p
)
SELECT
    p.ward,
    p.ward_valid_from,
    u.ward_today,
    u.ward_today_valid_from,
    p.sheet_no,
    p.parcel_no,
    i.parcels_on,
    i.zones_on,
    i.lacking AS inputs_lacking,
    p.area_m2,
    c.shape_m2,
    p.land_use,
    a.land_use_group,
    p.term_until,
    c.zones,
    CASE WHEN i.zones_on IS NOT NULL THEN c.slivers END AS slivers,
    c.plan_level,
    round((100 * c.cover)::numeric, 1) AS planned_percent,
    CASE WHEN c.plan_level IS NOT NULL THEN round((100 * c.roads)::numeric, 1) END AS roads_percent,
    CASE WHEN c.plan_level IS NOT NULL THEN round((100 * c.greens)::numeric, 1) END AS greens_percent,
    c.main_plan,
    c.main_zone,
    c.main_function,
    round((100 * c.main_share)::numeric, 1) AS main_percent,
    c.max_floors,
    c.max_density,
    c.max_far,
    c.main_function <> ALL (a.functions) AS planned_differs,
    CASE WHEN i.has_permits THEN coalesce(b.permits, 0) END AS permits,
    b.granted_on AS permit_granted_on,
    b.floors AS permit_floors,
    CASE WHEN b.permits IS NULL THEN NULL WHEN b.granted_on IS NULL THEN 'filed'
        WHEN b.expires_on < current_date THEN 'expired' ELSE 'granted' END AS permit_state,
    CASE WHEN i.has_permits THEN (
        SELECT count(*) FROM unnest(b.all_floors) AS f (floors)
        WHERE f.floors > c.max_floors OR c.main_function IN ('CX', 'GT')
    ) END AS permits_against_plan,
    CASE WHEN i.has_works THEN coalesce(w.works, 0) END AS works,
    CASE WHEN i.has_works THEN coalesce(w.accepted, 0) END AS works_accepted,
    w.floors AS works_floors,
    CASE WHEN i.has_works THEN coalesce(w.projects, 0) END AS projects,
    CASE WHEN c.plan_level IS NULL THEN 'none' ELSE 'spatial' END AS zone_grade,
    (ARRAY['key', 'lineage', 'spatial'])[b.grade] AS permit_grade,
    (ARRAY['key', 'lineage', 'spatial'])[w.grade] AS work_grade,
    coalesce(cardinality(string_to_array(p.owner_ids, ';')), 0) AS _holders,
    coalesce(v.open, 0) AS _violations_open
FROM parcel p
CROSS JOIN input i
LEFT JOIN unit u ON u.unit = p.unit
LEFT JOIN plan c ON c.parcel = p.parcel
LEFT JOIN permits b ON b.parcel = p.parcel
LEFT JOIN works w ON w.parcel = p.parcel
LEFT JOIN violations v ON v.parcel = p.parcel
LEFT JOIN land_use a ON a.land_use = p.land_use;

CREATE UNIQUE INDEX ON land_parcel_today (ward, ward_valid_from, sheet_no, parcel_no);

COMMENT ON MATERIALIZED VIEW land_parcel_today IS
'Mỗi dòng: một thửa đất hiện nay, với quy hoạch, giấy phép xây dựng và công trình trên đó. / One row a parcel of today, with what is planned for it, its construction permits and works.';
COMMENT ON COLUMN land_parcel_today.ward IS 'Mã đơn vị vào ngày đo đạc / Code of the unit on the day of mapping';
COMMENT ON COLUMN land_parcel_today.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN land_parcel_today.ward_today IS 'Mã đơn vị hiện nay; trống nếu đơn vị cũ đã bị chia / Code of the unit of today; null where the old one was divided';
COMMENT ON COLUMN land_parcel_today.ward_today_valid_from IS 'Đơn vị hiện nay có hiệu lực từ / Since when the unit of today exists';
COMMENT ON COLUMN land_parcel_today.sheet_no IS 'Số tờ bản đồ / Cadastral sheet';
COMMENT ON COLUMN land_parcel_today.parcel_no IS 'Số thửa / Parcel on the sheet';
COMMENT ON COLUMN land_parcel_today.parcels_on IS 'Địa chính là của ngày này / The cadastre is of this day';
COMMENT ON COLUMN land_parcel_today.zones_on IS 'Quy hoạch là của ngày này; trống: chưa nhận / The plans are of this day; null: none came';
COMMENT ON COLUMN land_parcel_today.inputs_lacking IS 'Dữ liệu chưa từng nhận; số đếm dựng trên chúng là chưa biết / Datasets that never came: what is counted of them is not known';
COMMENT ON COLUMN land_parcel_today.area_m2 IS 'Diện tích trên giấy tờ, m² / Area on paper, square metres';
COMMENT ON COLUMN land_parcel_today.shape_m2 IS 'Diện tích theo ranh, m² / Area of its bounds, square metres';
COMMENT ON COLUMN land_parcel_today.land_use IS 'Mã mục đích sử dụng đất như được gửi / Land use as it was sent';
COMMENT ON COLUMN land_parcel_today.land_use_group IS 'Nhóm: NN nông nghiệp, O đất ở, PNN phi nông nghiệp khác, CSD chưa sử dụng / Group: agricultural, residential, other non-agricultural, unused';
COMMENT ON COLUMN land_parcel_today.term_until IS 'Hết thời hạn sử dụng; trống là lâu dài / End of the term; null: without end';
COMMENT ON COLUMN land_parcel_today.zones IS 'Các khu vực quy hoạch còn hiệu lực: mã, chức năng, cấp, m² và % của thửa, lớn trước / Zones of plans in force: codes, function, level, square metres and per cent of the parcel, the largest first';
COMMENT ON COLUMN land_parcel_today.slivers IS 'Số mảnh vụn đã bỏ qua: dưới 1 m² hoặc 1 % của hình nhỏ hơn / Slivers left out: below 1 m² or 1 % of the smaller shape';
COMMENT ON COLUMN land_parcel_today.plan_level IS 'Cấp quy hoạch được áp dụng: chi tiết nhất và phủ từ nửa thửa trở lên / Level of the plan that counts: the most detailed one that covers half and more';
COMMENT ON COLUMN land_parcel_today.planned_percent IS 'Phần thửa có quy hoạch cấp đó, % / Of the parcel, planned on that level, %; above 100: plans lie over each other';
COMMENT ON COLUMN land_parcel_today.roads_percent IS 'Phần quy hoạch làm đường, % / Of the parcel, planned for roads, %';
COMMENT ON COLUMN land_parcel_today.greens_percent IS 'Phần quy hoạch cây xanh, % / Of the parcel, planned for greens, %';
COMMENT ON COLUMN land_parcel_today.main_plan IS 'Hồ sơ quy hoạch của khu vực lớn nhất / Plan of the zone with the largest part';
COMMENT ON COLUMN land_parcel_today.main_zone IS 'Khu vực lớn nhất / Zone with the largest part';
COMMENT ON COLUMN land_parcel_today.main_function IS 'Chức năng của khu vực đó / Function of that zone';
COMMENT ON COLUMN land_parcel_today.main_percent IS 'Phần của khu vực đó trong thửa, % / Its part of the parcel, %';
COMMENT ON COLUMN land_parcel_today.max_floors IS 'Tầng cao tối đa ở khu vực đó / Most floors in that zone';
COMMENT ON COLUMN land_parcel_today.max_density IS 'Mật độ tối đa ở khu vực đó, % / Greatest density in that zone, %';
COMMENT ON COLUMN land_parcel_today.max_far IS 'Hệ số sử dụng đất tối đa ở khu vực đó / Greatest floor area ratio in that zone';
COMMENT ON COLUMN land_parcel_today.planned_differs IS 'Quy hoạch khác hiện trạng sử dụng; trống: chưa biết / Whether it is planned for something else than its use; null: not known';
COMMENT ON COLUMN land_parcel_today.permits IS 'Số giấy phép xây dựng; của thửa đã tách thì tính cho mỗi phần / Construction permits; one of a parcel that was divided counts in each part';
COMMENT ON COLUMN land_parcel_today.permit_granted_on IS 'Giấy phép mới nhất: ngày cấp / Latest permit: granted on';
COMMENT ON COLUMN land_parcel_today.permit_floors IS 'Giấy phép mới nhất: số tầng / Latest permit: floors';
COMMENT ON COLUMN land_parcel_today.permit_state IS 'Giấy phép mới nhất: filed đã nộp, granted đã cấp, expired hết hạn / Latest permit: filed, granted or expired';
COMMENT ON COLUMN land_parcel_today.permits_against_plan IS 'Giấy phép vượt tầng cao của khu vực đó, hoặc trong đất quy hoạch đường, cây xanh / Permits for more floors than that zone allows, or where it is for roads or greens';
COMMENT ON COLUMN land_parcel_today.works IS 'Số công trình / Construction works';
COMMENT ON COLUMN land_parcel_today.works_accepted IS 'Đã nghiệm thu / Of these accepted';
COMMENT ON COLUMN land_parcel_today.works_floors IS 'Số tầng nhiều nhất của công trình / Most floors of a work';
COMMENT ON COLUMN land_parcel_today.projects IS 'Số dự án đầu tư công có công trình trên thửa / Public investment projects with a work on it';
COMMENT ON COLUMN land_parcel_today.zone_grade IS 'Nối với quy hoạch: spatial theo phần đất chung, none không có / Link to zones: by the ground that both share, or none';
COMMENT ON COLUMN land_parcel_today.permit_grade IS 'Cách nối yếu nhất của các giấy phép: key, lineage, spatial / The weakest link of its permits';
COMMENT ON COLUMN land_parcel_today.work_grade IS 'Cách nối yếu nhất của các công trình: key, lineage, spatial / The weakest link of its works';
