CREATE MATERIALIZED VIEW person_span AS
-- One person, one home, one span. Traps, and what is done about them:
--
-- * Two residences at once: a person is where they stay (TTR), else where they are permanent (TT); never in two places.
-- * The day of registration is not that of the event: whoever has died lives nowhere from the day of death on, however
--   long the register of residents still has them; a newborn lives where the birth was registered from the day of birth
--   on, until the register of residents first knows the child. Of a birth that was registered after a year or more
--   nothing is said of the time before.
-- * One person under several ids, or without one: records are of one person as `link.person_record` says (is_linked).
--   Where linkage did not run, or has not seen the person yet, is_linked is false, and records belong together by
--   personal id alone: without an id a birth or death is then nobody's and is left out, and who has two ids is two.
-- * A correction that changes no home ends no span. Who moves out of the city is in no row until they are back.
-- * A ward is the one that was told, with its period; `ref.ward_at` carries it across the reform of July 2025.
-- * Age is as of the last day of the span that is told of; of a day that is in doubt it is one of the possible ones.
WITH last_day AS (
    SELECT max(d.as_of) AS day FROM ops.delivery d WHERE d.dataset = 'police.residents' AND d.loaded_at IS NOT NULL
),
linked AS (
    SELECT p.dataset, p.key, p.person
    FROM link.person_record p
    WHERE p.role = '' AND p.dataset IN ('police.residents', 'civil.births', 'civil.deaths')
),
-- A record that came after the last linkage is of the person whom the register of residents has under that id.
of_id AS (
    SELECT r.personal_id, min(l.person) AS person
    FROM people.residents r
    JOIN linked l ON l.dataset = 'police.residents'
        AND l.key = replace(r.personal_id, '|', '||') || '|' || replace(r.residence_kind, '|', '||')
    GROUP BY r.personal_id
),
resident AS (
    SELECT
        coalesce(o.person, r.personal_id) AS person,
        o.person IS NOT NULL AS is_linked,
        r.personal_id,
        r.birth_date,
        r.residence_kind,
        r.ward,
        r.ward_valid_from,
        r.household_no,
        r.registered_on,
        r.valid_from AS since,
        r.valid_to AS until
    FROM people.residents r
    LEFT JOIN of_id o ON o.personal_id = r.personal_id
    WHERE r.residence_kind IN ('TT', 'TTR')
),
first_known AS (
    SELECT r.person, min(r.since) AS day FROM resident r GROUP BY r.person
),
born AS (
    SELECT DISTINCT ON (person)
        coalesce(l.person, o.person, b.personal_id) AS person,
        coalesce(l.person, o.person) IS NOT NULL AS is_linked,
        b.personal_id,
        b.birth_date,
        b.registration_ward AS ward,
        b.registration_ward_valid_from AS ward_valid_from,
        b.registration_date,
        CASE WHEN b.birth_date > b.registration_date - interval '1 year' THEN b.birth_date ELSE b.registration_date END
            AS since
    FROM people.births_current b
    LEFT JOIN linked l ON l.dataset = 'civil.births'
        AND l.key = replace(b.registration_ward, '|', '||') || '|' || b.registration_ward_valid_from || '|'
            || replace(b.book_no, '|', '||') || '|' || replace(b.record_no, '|', '||')
    LEFT JOIN of_id o ON o.personal_id = b.personal_id
    WHERE coalesce(l.person, o.person, b.personal_id) IS NOT NULL
    ORDER BY person, since, b.registration_date, b.registration_ward, b.book_no, b.record_no
),
died AS (
    SELECT DISTINCT ON (person)
        coalesce(l.person, o.person, d.personal_id) AS person,
        coalesce(l.person, o.person) IS NOT NULL AS is_linked,
        d.personal_id,
        d.birth_date,
        d.death_at::date AS day
    FROM people.deaths_current d
    LEFT JOIN linked l ON l.dataset = 'civil.deaths'
        AND l.key = replace(d.registration_ward, '|', '||') || '|' || d.registration_ward_valid_from || '|'
            || replace(d.book_no, '|', '||') || '|' || replace(d.record_no, '|', '||')
    LEFT JOIN of_id o ON o.personal_id = d.personal_id
    WHERE coalesce(l.person, o.person, d.personal_id) IS NOT NULL AND d.death_at IS NOT NULL
    ORDER BY person, d.death_at, d.registration_date, d.registration_ward, d.book_no, d.record_no
),
home AS (
    SELECT
        r.person, r.is_linked, r.personal_id, r.birth_date, r.residence_kind, r.ward, r.ward_valid_from,
        r.household_no, r.registered_on, r.since, r.until, 'police.residents' AS told_by
    FROM resident r
    UNION ALL
    SELECT
        b.person, b.is_linked, b.personal_id, b.birth_date, NULL, b.ward, b.ward_valid_from, NULL,
        b.registration_date, b.since, f.day, 'civil.births'
    FROM born b
    LEFT JOIN first_known f ON f.person = b.person
    WHERE f.day IS NULL OR f.day > b.since
),
edge AS (
    SELECT h.person, h.since AS day FROM home h
    UNION
    SELECT h.person, h.until FROM home h WHERE h.until IS NOT NULL
    UNION
    SELECT d.person, d.day FROM died d
),
piece AS (
    SELECT e.person, e.day AS since, lead(e.day) OVER (PARTITION BY e.person ORDER BY e.day) AS until FROM edge e
),
chosen AS (
    SELECT DISTINCT ON (p.person, p.since)
        p.person, h.is_linked, h.personal_id, h.birth_date, h.residence_kind, h.ward, h.ward_valid_from,
        h.household_no, h.told_by, p.since, p.until
    FROM piece p
    JOIN home h ON h.person = p.person AND h.since <= p.since AND (h.until IS NULL OR h.until > p.since)
    LEFT JOIN died d ON d.person = p.person
    WHERE d.day IS NULL OR p.since < d.day
    ORDER BY p.person, p.since, h.residence_kind DESC NULLS LAST, h.registered_on DESC, h.personal_id
),
stepped AS (
    SELECT
        c.*,
        (
            lag(c.until) OVER w IS DISTINCT FROM c.since
            OR lag(c.ward) OVER w IS DISTINCT FROM c.ward
            OR lag(c.ward_valid_from) OVER w IS DISTINCT FROM c.ward_valid_from
            OR lag(c.household_no) OVER w IS DISTINCT FROM c.household_no
            OR lag(c.residence_kind) OVER w IS DISTINCT FROM c.residence_kind
            OR lag(c.told_by) OVER w IS DISTINCT FROM c.told_by
        )::int AS is_step
    FROM chosen c
    WINDOW w AS (PARTITION BY c.person ORDER BY c.since)
),
numbered AS (
    SELECT s.*, sum(s.is_step) OVER (PARTITION BY s.person ORDER BY s.since) AS number FROM stepped s
),
span AS (
    SELECT
        n.person,
        bool_or(n.is_linked) AS is_linked,
        (array_agg(n.personal_id ORDER BY n.since DESC))[1] AS personal_id,
        min(n.since) AS since,
        (array_agg(n.until ORDER BY n.since DESC))[1] AS until,
        true AS alive,
        n.residence_kind,
        n.ward,
        n.ward_valid_from,
        n.household_no,
        (array_agg(n.birth_date ORDER BY n.since DESC))[1] AS birth_date,
        n.told_by
    FROM numbered n
    GROUP BY n.person, n.number, n.residence_kind, n.ward, n.ward_valid_from, n.household_no, n.told_by
    UNION ALL
    SELECT d.person, d.is_linked, d.personal_id, d.day, NULL, false, NULL, NULL, NULL, NULL, d.birth_date, 'civil.deaths'
    FROM died d
)
SELECT
    s.person,
    s.is_linked,
    s.personal_id,
    s.since,
    s.until,
    s.alive,
    s.residence_kind,
    s.ward,
    s.ward_valid_from,
    s.household_no,
    s.birth_date,
    -- As timestamps without a zone: of two dates age() counts hours too, and clocks were changed on birthdays.
    date_part(
        'year',
        age(CASE WHEN s.alive THEN least(s.until - 1, l.day) ELSE s.since END::timestamp, s.birth_date::timestamp)
    )::int AS age,
    s.told_by
FROM span s
CROSS JOIN last_day l;

CREATE UNIQUE INDEX ON person_span (person, since);

COMMENT ON MATERIALIZED VIEW person_span IS
'Mỗi dòng: một người ở một nơi cư trú trong một khoảng thời gian, hoặc đã chết từ một ngày; chỉ người được cấp quyền xem liên kết người mới đọc được. / One row a person in one home for a span of time, or dead since a day; read by those alone who may see who is who.';
COMMENT ON COLUMN person_span.person IS 'Số của người trong link.person; nơi chưa liên kết: số định danh / Number of link.person; where nothing is linked, the personal id';
COMMENT ON COLUMN person_span.is_linked IS 'Các bản ghi được ghép theo link.person_record; không: chỉ theo số định danh / Records are put together as link.person_record says; false: by personal id alone';
COMMENT ON COLUMN person_span.personal_id IS 'Số định danh được báo sau cùng trong khoảng thời gian / Personal id, the one that was told last in the span';
COMMENT ON COLUMN person_span.since IS 'Từ ngày / First day';
COMMENT ON COLUMN person_span.until IS 'Trước ngày (trống: vẫn còn) / The day on which it had ended; empty: it goes on';
COMMENT ON COLUMN person_span.alive IS 'Còn sống / Alive';
COMMENT ON COLUMN person_span.residence_kind IS 'TT: thường trú; TTR: tạm trú; trống: chưa có trong dân cư / TT: permanent, TTR: temporary; empty: the register of residents does not know them yet';
COMMENT ON COLUMN person_span.ward IS 'Nơi ở; của trẻ chưa có trong dân cư: nơi đăng ký khai sinh / Where they live; of a newborn whom the register does not know, where the birth was registered';
COMMENT ON COLUMN person_span.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN person_span.household_no IS 'Mã hộ / Household';
COMMENT ON COLUMN person_span.birth_date IS 'Ngày sinh / Day of birth';
COMMENT ON COLUMN person_span.age IS 'Tuổi vào ngày cuối của khoảng thời gian, hoặc vào ngày có dữ liệu mới nhất, hoặc khi chết / Age on the last day of the span or the last day that is told of, or at death';
COMMENT ON COLUMN person_span.told_by IS 'Bộ dữ liệu cho biết / The dataset that says so';
