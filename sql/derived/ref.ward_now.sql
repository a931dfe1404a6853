-- In which ward of today each ward of whatever time lies; one that was divided stays what it was, for of what is known of
-- it nobody can say to which part it belongs.
CREATE MATERIALIZED VIEW ward_now AS
SELECT
    w.code,
    w.valid_from,
    coalesce(a.code, w.code) AS ward,
    coalesce(a.valid_from, w.valid_from) AS ward_valid_from
FROM ref.ward w
LEFT JOIN LATERAL ref.ward_at(w.code, w.valid_from, current_date) a ON NOT a.ambiguous;

CREATE UNIQUE INDEX ON ward_now (code, valid_from);
COMMENT ON MATERIALIZED VIEW ward_now IS
'Mỗi dòng: một đơn vị cấp xã của mọi thời kỳ và đơn vị hiện nay chứa nó. / One row a commune-level unit of whatever time, and the unit of today in which it lies.';
COMMENT ON COLUMN ward_now.code IS 'Mã đơn vị / Code of the unit';
COMMENT ON COLUMN ward_now.valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN ward_now.ward IS 'Mã đơn vị hiện nay, hoặc chính nó nếu đã bị chia / Code of the unit of today, or its own where it was divided';
COMMENT ON COLUMN ward_now.ward_valid_from IS 'Đơn vị đó có hiệu lực từ / Since when that unit exists';
