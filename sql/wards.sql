-- What became of a ward. Idempotent: run by `citydw migrate`.
CREATE OR REPLACE FUNCTION ref.ward_at(of_code text, of_valid_from date, on_day date)
RETURNS TABLE (code text, valid_from date, share double precision, ambiguous boolean)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE way AS (
        SELECT w.code, w.valid_from, w.valid_to, 1::double precision AS share
        FROM ref.ward w
        WHERE w.code = of_code AND w.valid_from = of_valid_from AND w.valid_from <= on_day
        UNION ALL
        SELECT n.code, n.valid_from, n.valid_to, y.share * coalesce(l.share, 1.0 / l.targets)
        FROM way y
        JOIN ref.ward_link l ON l.old_code = y.code AND l.old_valid_from = y.valid_from
        JOIN ref.ward n ON n.code = l.new_code AND n.valid_from = l.new_valid_from
        WHERE y.valid_to <= on_day AND n.valid_from > y.valid_from AND n.valid_from <= on_day
    ),
    arrived AS (
        -- Parts that meet again are one: of a ward that was divided and made whole the share is 1.
        SELECT y.code, y.valid_from, sum(y.share) AS share
        FROM way y
        WHERE y.valid_to IS NULL OR y.valid_to > on_day
        GROUP BY y.code, y.valid_from
    )
    SELECT a.code, a.valid_from, a.share, a.share < 0.999999 FROM arrived a
    UNION ALL
    -- What leads nowhere stays in the sum, under no code.
    SELECT NULL, NULL, 1 - coalesce(sum(a.share), 0), true FROM arrived a HAVING coalesce(sum(a.share), 0) < 0.999999
$$;
COMMENT ON FUNCTION ref.ward_at(text, date, date) IS
'Đơn vị cấp xã của một thời kỳ ứng với những đơn vị nào vào ngày on_day, mỗi đơn vị nhận bao nhiêu phần (tổng luôn bằng 1); ambiguous: đơn vị cũ bị chia, phần là ước tính. / Which units of a day a ward has become, and the share of it that each has (together always 1); ambiguous: it was divided, and the share is an estimate.';
