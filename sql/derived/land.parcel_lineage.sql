-- What became of a parcel: between two snapshots of the cadastre, by the ground that old bounds share with new ones
-- (5 % of the smaller one and 1 m2 at least), and by the parents that the cadastre declares. A number that goes on with
-- other bounds is a line to itself. How many became how many says the kind; where only declared, all of it is counted so.
CREATE MATERIALIZED VIEW parcel_lineage AS
WITH by_ground AS (
    SELECT
        c.old_ward, c.old_ward_valid_from, c.old_sheet_no, c.old_parcel_no,
        c.new_ward, c.new_ward_valid_from, c.new_sheet_no, c.new_parcel_no,
        c.ended_on AS changed_on,
        c.shared / c.left_size AS share_of_old,
        c.shared / c.right_size AS share_of_new
    FROM land.parcel_changes c
    WHERE c.ended_on = c.began_on AND NOT c.is_sliver
),
-- A parent is named as ward/sheet/parcel; it is the parcel that had this number until the child began, or still has.
by_word AS (
    SELECT DISTINCT ON (n.ward, n.ward_valid_from, n.sheet_no, n.parcel_no, said.parent)
        o.ward AS old_ward, o.ward_valid_from AS old_ward_valid_from, o.sheet_no AS old_sheet_no,
        o.parcel_no AS old_parcel_no,
        n.ward AS new_ward, n.ward_valid_from AS new_ward_valid_from, n.sheet_no AS new_sheet_no,
        n.parcel_no AS new_parcel_no,
        n.began_on AS changed_on
    FROM (
        SELECT p.ward, p.ward_valid_from, p.sheet_no, p.parcel_no, min(p.valid_from) AS began_on, p.parents
        FROM land.parcels p
        WHERE p.parents IS NOT NULL
        GROUP BY p.ward, p.ward_valid_from, p.sheet_no, p.parcel_no, p.parents
    ) n
    CROSS JOIN LATERAL unnest(string_to_array(replace(n.parents, ' ', ''), ';')) AS said (parent)
    JOIN land.parcels o ON o.ward = split_part(said.parent, '/', 1) AND o.sheet_no = split_part(said.parent, '/', 2)
        AND o.parcel_no = split_part(said.parent, '/', 3)
        AND o.valid_from < n.began_on AND (o.valid_to IS NULL OR o.valid_to >= n.began_on)
    ORDER BY n.ward, n.ward_valid_from, n.sheet_no, n.parcel_no, said.parent, o.ward_valid_from DESC
),
link AS (
    SELECT
        old_ward, old_ward_valid_from, old_sheet_no, old_parcel_no,
        new_ward, new_ward_valid_from, new_sheet_no, new_parcel_no, changed_on,
        g.share_of_old,
        g.share_of_new,
        g.changed_on IS NOT NULL AS is_seen,
        w.is_declared IS NOT NULL AS is_declared
    FROM by_ground g
    FULL JOIN (SELECT b.*, true AS is_declared FROM by_word b) w USING (
        old_ward, old_ward_valid_from, old_sheet_no, old_parcel_no,
        new_ward, new_ward_valid_from, new_sheet_no, new_parcel_no, changed_on
    )
),
counted AS (
    SELECT
        l.*,
        count(*) OVER (
            PARTITION BY l.old_ward, l.old_ward_valid_from, l.old_sheet_no, l.old_parcel_no, l.changed_on
        ) AS became,
        count(*) OVER (
            PARTITION BY l.new_ward, l.new_ward_valid_from, l.new_sheet_no, l.new_parcel_no, l.changed_on
        ) AS came_of
    FROM link l
),
tangled AS (
    SELECT
        c.*,
        max(c.came_of) OVER (
            PARTITION BY c.old_ward, c.old_ward_valid_from, c.old_sheet_no, c.old_parcel_no, c.changed_on
        ) AS most_parents,
        max(c.became) OVER (
            PARTITION BY c.new_ward, c.new_ward_valid_from, c.new_sheet_no, c.new_parcel_no, c.changed_on
        ) AS most_children
    FROM counted c
)
SELECT
    t.old_ward,
    t.old_ward_valid_from,
    t.old_sheet_no,
    t.old_parcel_no,
    t.new_ward,
    t.new_ward_valid_from,
    t.new_sheet_no,
    t.new_parcel_no,
    t.changed_on,
    CASE
        WHEN t.became > 1 AND t.most_parents = 1 THEN 'split'
        WHEN t.came_of > 1 AND t.most_children = 1 THEN 'merged'
        WHEN t.became > 1 OR t.came_of > 1 THEN 'rearranged'
        WHEN (t.old_ward, t.old_ward_valid_from, t.old_sheet_no, t.old_parcel_no)
            = (t.new_ward, t.new_ward_valid_from, t.new_sheet_no, t.new_parcel_no) THEN 'redrawn'
        ELSE 'renumbered'
    END AS kind,
    CASE WHEN t.is_seen AND t.is_declared THEN 'both' WHEN t.is_seen THEN 'ground' ELSE 'declared' END AS known_by,
    round(t.share_of_old::numeric, 4) AS share_of_old,
    round(t.share_of_new::numeric, 4) AS share_of_new
FROM tangled t;

CREATE UNIQUE INDEX ON parcel_lineage (
    old_ward, old_ward_valid_from, old_sheet_no, old_parcel_no, changed_on,
    new_ward, new_ward_valid_from, new_sheet_no, new_parcel_no
);

COMMENT ON MATERIALIZED VIEW parcel_lineage IS
'Mỗi dòng: một thửa đất cũ và một thửa mới hình thành từ nó (tách, hợp, đánh lại số). / One row an old parcel and a new one that came of it: split, merged, renumbered.';
COMMENT ON COLUMN parcel_lineage.old_ward IS 'Thửa cũ: mã đơn vị / Old parcel: code of the unit';
COMMENT ON COLUMN parcel_lineage.old_ward_valid_from IS 'Thửa cũ: đơn vị có hiệu lực từ / Old parcel: since when the unit of that code exists';
COMMENT ON COLUMN parcel_lineage.old_sheet_no IS 'Thửa cũ: số tờ bản đồ / Old parcel: cadastral sheet';
COMMENT ON COLUMN parcel_lineage.old_parcel_no IS 'Thửa cũ: số thửa / Old parcel: number on the sheet';
COMMENT ON COLUMN parcel_lineage.new_ward IS 'Thửa mới: mã đơn vị / New parcel: code of the unit';
COMMENT ON COLUMN parcel_lineage.new_ward_valid_from IS 'Thửa mới: đơn vị có hiệu lực từ / New parcel: since when the unit of that code exists';
COMMENT ON COLUMN parcel_lineage.new_sheet_no IS 'Thửa mới: số tờ bản đồ / New parcel: cadastral sheet';
COMMENT ON COLUMN parcel_lineage.new_parcel_no IS 'Thửa mới: số thửa / New parcel: number on the sheet';
COMMENT ON COLUMN parcel_lineage.changed_on IS 'Ngày của bản chụp đầu tiên có thửa mới / Day of the first snapshot that has the new one';
COMMENT ON COLUMN parcel_lineage.kind IS 'split: tách; merged: hợp; rearranged: sắp xếp lại nhiều thửa thành nhiều thửa; renumbered: đánh lại số; redrawn: đo vẽ lại ranh / How many became how many; rearranged: several became several; redrawn: the same number with other bounds';
COMMENT ON COLUMN parcel_lineage.known_by IS 'ground: theo phần đất trùng nhau; declared: theo thửa gốc được khai; both: cả hai / By the ground that both share, by declared parents, or both';
COMMENT ON COLUMN parcel_lineage.share_of_old IS 'Phần của thửa cũ trong thửa mới, 0 đến 1; trống nếu chỉ được khai / Share of the old one that went into the new one; null where only declared';
COMMENT ON COLUMN parcel_lineage.share_of_new IS 'Phần của thửa mới đến từ thửa cũ, 0 đến 1; trống nếu chỉ được khai / Share of the new one that came of the old one; null where only declared';
