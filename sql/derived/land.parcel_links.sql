-- Which parcel of today a construction permit or work is of. A paper names the parcel that bore the number on its own
-- day (filing of the permit, begin of the work, or filing of its permit), so the way is: that parcel, then what became of
-- it. The grades:
--   key      the parcel that bore the number on that day has it still, the same bounds or redrawn;
--   lineage  the number led to an older parcel, or to one that is still under the ward of before July 2025, and what
--            became of it is here; of a parcel that was divided each part has a line, and `share` says how large it is;
--   spatial  no number led anywhere, and the work, or all works under the permit, stand on exactly one parcel;
--   none     nothing is known; the parcel is null.
-- A number was borne since its first snapshot, or since its mapping if that was earlier.
CREATE MATERIALIZED VIEW parcel_links AS
WITH RECURSIVE paper AS (
    SELECT
        'permit' AS kind, p.authority || ' ' || p.permit_no AS paper, p.parcel_ward AS ward,
        p.parcel_ward_valid_from AS ward_valid_from, p.parcel_sheet_no AS sheet_no, p.parcel_no, p.filed_on AS on_day
    FROM land.permits_current p
    UNION ALL
    SELECT 'work', w.work_code, w.ward, w.ward_valid_from, w.sheet_no, named.parcel_no, coalesce(w.started_on, p.filed_on, w.valid_from)
    FROM land.works_current w
    LEFT JOIN land.permits_current p ON p.authority = w.authority AND p.permit_no = w.permit_no
    LEFT JOIN LATERAL unnest(string_to_array(replace(w.parcels, ' ', ''), ';')) AS named (parcel_no) ON true
),
-- The same number in a ward that went as a whole into the one that the paper names.
place AS (
    SELECT n.kind, n.paper, n.ward, n.ward_valid_from, n.sheet_no, n.parcel_no, n.on_day, true AS is_as_written
    FROM paper n
    WHERE n.parcel_no IS NOT NULL
    UNION ALL
    SELECT n.kind, n.paper, l.old_code, l.old_valid_from, n.sheet_no, n.parcel_no, n.on_day, false
    FROM paper n
    JOIN ref.ward_link l ON l.new_code = n.ward AND l.new_valid_from = n.ward_valid_from AND l.targets = 1
    WHERE n.parcel_no IS NOT NULL
),
borne AS (
    SELECT DISTINCT ON (a.kind, a.paper, a.ward, a.ward_valid_from, a.sheet_no, a.parcel_no, a.is_as_written)
        a.*,
        greatest(a.on_day, v.valid_from) AS since
    FROM place a
    JOIN land.parcels v ON v.ward = a.ward AND v.ward_valid_from = a.ward_valid_from AND v.sheet_no = a.sheet_no
        AND v.parcel_no = a.parcel_no
        AND least(v.valid_from, v.mapped_on) <= a.on_day AND (v.valid_to IS NULL OR v.valid_to > a.on_day)
    ORDER BY a.kind, a.paper, a.ward, a.ward_valid_from, a.sheet_no, a.parcel_no, a.is_as_written, v.valid_from
),
-- As it is written; else the one that it can be.
first AS (
    SELECT b.*
    FROM (
        SELECT
            b.*,
            bool_or(b.is_as_written) OVER (PARTITION BY b.kind, b.paper, b.sheet_no, b.parcel_no) AS any_as_written,
            count(*) OVER (PARTITION BY b.kind, b.paper, b.sheet_no, b.parcel_no, b.is_as_written) AS candidates
        FROM borne b
    ) b
    WHERE b.is_as_written OR (NOT b.any_as_written AND b.candidates = 1)
),
way AS (
    SELECT
        f.kind, f.paper, f.ward, f.ward_valid_from, f.sheet_no, f.parcel_no, f.since,
        f.is_as_written AS is_by_key, 1::numeric AS share
    FROM first f
    UNION ALL
    SELECT
        w.kind, w.paper, l.new_ward, l.new_ward_valid_from, l.new_sheet_no, l.new_parcel_no, l.changed_on,
        w.is_by_key AND l.kind = 'redrawn', w.share * l.share_of_old
    FROM way w
    CROSS JOIN LATERAL (
        SELECT min(c.ended_on) AS ended_on
        FROM land.parcel_changes c
        WHERE c.old_ward = w.ward AND c.old_ward_valid_from = w.ward_valid_from AND c.old_sheet_no = w.sheet_no
            AND c.old_parcel_no = w.parcel_no AND c.ended_on > w.since
    ) e
    JOIN land.parcel_lineage l ON l.old_ward = w.ward AND l.old_ward_valid_from = w.ward_valid_from
        AND l.old_sheet_no = w.sheet_no AND l.old_parcel_no = w.parcel_no AND l.changed_on = e.ended_on
),
by_number AS (
    SELECT
        w.kind, w.paper, w.ward, w.ward_valid_from, w.sheet_no, w.parcel_no,
        bool_or(w.is_by_key) AS is_by_key,
        least(sum(w.share), 1) AS share
    FROM way w
    JOIN land.parcels_current p ON p.ward = w.ward AND p.ward_valid_from = w.ward_valid_from
        AND p.sheet_no = w.sheet_no AND p.parcel_no = w.parcel_no
    WHERE NOT EXISTS (
        SELECT FROM land.parcel_changes c
        WHERE c.old_ward = w.ward AND c.old_ward_valid_from = w.ward_valid_from AND c.old_sheet_no = w.sheet_no
            AND c.old_parcel_no = w.parcel_no AND c.ended_on > w.since
    )
    GROUP BY w.kind, w.paper, w.ward, w.ward_valid_from, w.sheet_no, w.parcel_no
),
stands_on AS (
    SELECT 'work' AS kind, o.work_code AS paper, o.ward, o.ward_valid_from, o.sheet_no, o.parcel_no
    FROM land.parcel_works o
    UNION
    SELECT 'permit', w.authority || ' ' || w.permit_no, o.ward, o.ward_valid_from, o.sheet_no, o.parcel_no
    FROM land.parcel_works o
    JOIN land.works_current w ON w.work_code = o.work_code AND w.permit_no IS NOT NULL
),
by_place AS (
    SELECT
        s.kind, s.paper, min(s.ward) AS ward, min(s.ward_valid_from) AS ward_valid_from, min(s.sheet_no) AS sheet_no,
        min(s.parcel_no) AS parcel_no
    FROM stands_on s
    GROUP BY s.kind, s.paper
    HAVING count(*) = 1
)
SELECT
    n.kind,
    n.paper,
    coalesce(k.ward, s.ward) AS ward,
    coalesce(k.ward_valid_from, s.ward_valid_from) AS ward_valid_from,
    coalesce(k.sheet_no, s.sheet_no) AS sheet_no,
    coalesce(k.parcel_no, s.parcel_no) AS parcel_no,
    CASE WHEN k.is_by_key THEN 'key' WHEN k.paper IS NOT NULL THEN 'lineage' WHEN s.paper IS NOT NULL THEN 'spatial'
        ELSE 'none' END AS grade,
    CASE WHEN k.paper IS NOT NULL THEN round(k.share, 4) WHEN s.paper IS NOT NULL THEN 1 END AS share
FROM (SELECT DISTINCT p.kind, p.paper FROM paper p) n
LEFT JOIN by_number k ON k.kind || k.paper = n.kind || n.paper  -- of two columns it would expect that hardly any meet
LEFT JOIN by_place s ON s.kind || s.paper = n.kind || n.paper AND k.paper IS NULL;

CREATE UNIQUE INDEX ON parcel_links (kind, paper, ward, ward_valid_from, sheet_no, parcel_no) NULLS NOT DISTINCT;
CREATE INDEX ON parcel_links (ward, ward_valid_from, sheet_no, parcel_no);

COMMENT ON MATERIALIZED VIEW parcel_links IS
'Mỗi dòng: một giấy phép xây dựng hoặc công trình và một thửa đất hiện nay mà nó thuộc về, với cách tìm ra. / One row a construction permit or work and a parcel of today that it is of, and how that was found.';
COMMENT ON COLUMN parcel_links.kind IS 'permit: giấy phép; work: công trình / Permit or work';
COMMENT ON COLUMN parcel_links.paper IS 'Cơ quan cấp và số giấy phép, hoặc mã công trình / Authority and number of the permit, or code of the work';
COMMENT ON COLUMN parcel_links.ward IS 'Thửa đất: mã đơn vị; trống: không tìm ra / Parcel: code of the unit; null: none was found';
COMMENT ON COLUMN parcel_links.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN parcel_links.sheet_no IS 'Số tờ bản đồ / Cadastral sheet';
COMMENT ON COLUMN parcel_links.parcel_no IS 'Số thửa / Parcel on the sheet';
COMMENT ON COLUMN parcel_links.grade IS 'key: đúng số thửa; lineage: qua biến động thửa hoặc sáp nhập phường, xã; spatial: theo vị trí; none: không tìm ra / By its number, by what became of the parcel or its ward, by place, or not at all';
COMMENT ON COLUMN parcel_links.share IS 'Phần của thửa được nêu nay thuộc thửa này, 0 đến 1; trống nếu không rõ / Share of the parcel that was named which is in this one; null where not known';
