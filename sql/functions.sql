-- What marts and analysts compute with. Idempotent: run by `citydw migrate`.
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

-- On which of some ascending days, by number from 1 on, a state holds that began on one day and had ended on another.
CREATE OR REPLACE FUNCTION ref.held_on(days date[], since date, until date) RETURNS int4range
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int4range(
    1 + width_bucket(since - 1, days),
    1 + greatest(width_bucket(since - 1, days), coalesce(width_bucket(until - 1, days), cardinality(days)))
);
COMMENT ON FUNCTION ref.held_on(date[], date, date) IS
'Trạng thái có từ ngày since đến trước ngày until (trống: vẫn còn) đúng vào những ngày nào trong danh sách, theo số thứ tự. / On which of some ascending days, by number from 1 on, a state holds that began on since and had ended on until (null: it goes on).';

-- As age() counts: who was born on 29 February is a year older on 1 March.
CREATE OR REPLACE FUNCTION ref.birthday(birth_date date, years int) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (birth_date + make_interval(years => years))::date
    + (date_part('day', birth_date + make_interval(years => years)) <> date_part('day', birth_date))::int;
COMMENT ON FUNCTION ref.birthday(date, int) IS
'Ngày đủ số tuổi; sinh ngày 29/02 thì tính ngày 01/03. / The day on which a person reaches an age in years.';
