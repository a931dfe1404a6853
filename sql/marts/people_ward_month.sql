-- cells:
-- - {columns: [permanent, temporary],
--    persons: _fewest_residents, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [births],
--    persons: births, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from], [age_band, ward, ward_valid_from]]}
-- - {columns: [births_registered],
--    persons: births_registered, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from], [age_band, ward, ward_valid_from]]}
-- - {columns: [deaths],
--    persons: deaths, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from], [age_band, ward, ward_valid_from]]}
-- - {columns: [deaths_registered],
--    persons: deaths_registered, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from], [age_band, ward, ward_valid_from]]}
-- - {columns: [married],
--    persons: married, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from], [age_band, ward, ward_valid_from]]}
-- - {columns: [moved_in],
--    persons: moved_in, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from], [age_band, ward, ward_valid_from]]}
-- - {columns: [moved_out],
--    persons: moved_out, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from], [age_band, ward, ward_valid_from]]}
-- - {columns: [insured_by_work, insured_by_budget, insured_by_household],
--    persons: _fewest_insured, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [workers],
--    persons: workers, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [pensioners],
--    persons: pensioners, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [social_pensions],
--    persons: social_pensions, at_least: 20, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [assisted],
--    persons: assisted, at_least: 20, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [pupils],
--    persons: pupils, at_least: 10, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [with_record],
--    persons: with_record, at_least: 20, margins: [[month, age_band], [month, ward, ward_valid_from]]}
-- - {columns: [patients, visits],
--    persons: patients, at_least: 20, margins: [[month, age_band], [month, ward, ward_valid_from]]}

-- Who is counted where. A person is counted once, in the ward of the register of residents: where they stay (TTR), else
-- where they are permanent (TT). What other agencies say of a person is counted there too, whatever ward they name:
-- insurers name the payer's, schools the school's. Whom the register does not know, or of whom it knows no ward, is in
-- the row without a ward, so that nobody is lost. Births, deaths and marriages are in the ward that registered them,
-- which is the family's and not the hospital's.
--
-- When. What is so is so on the day `state_on`, and what happens belongs to the month in which it happened; beside it
-- `_registered` is by the month in which it was written down. Registration is late, so the last three months are low:
-- `is_provisional`. A dataset that never came has empty columns, and `inputs_lacking` names those that do not tell
-- of the whole month. The thirteen last months are here; they cost 3 s of a core for 100,000 residents.
--
-- July 2025. A ward of before is carried to today's where it went into one. Of one that was divided the old ward
-- stands, and nothing is estimated here; `ref.ward_at` says where to look for its people, and with which shares.
--
-- There is no sex, and the bands of age are those of school levels and benefits: with more, most cells were too small.
-- The file of a departure does not leave its reason in the history: who left and is not among the dead has moved out.
CREATE MATERIALIZED VIEW people_ward_month AS
WITH known AS (
    SELECT * FROM (VALUES
        ('civil.births', true), ('civil.deaths', true), ('civil.marriages', true), ('education.pupils', false),
        ('health.records', false), ('health.visits', true), ('insurance.benefits', true),
        ('insurance.contributions', true), ('insurance.health_membership', false), ('police.residents', false),
        ('social.assistance', false)
    ) AS listed (dataset, is_of_events)
),
-- Of each dataset that came: its first day, since when it tells of events, and the last day that it tells of.
input AS (
    SELECT
        k.dataset,
        k.is_of_events,
        min(d.as_of) AS since,
        -- A file of a month is named by one of its days, often the last one.
        CASE
            WHEN max(s.frequency) < interval '28 days' THEN min(d.as_of)
            ELSE (min(d.as_of) - max(s.frequency))::date + 1
        END AS events_since,
        (max(d.as_of) + max(s.frequency))::date - 1 AS until
    FROM known k
    JOIN ops.delivery d ON d.dataset = k.dataset AND d.loaded_at IS NOT NULL
    JOIN ops.schedule s ON s.dataset = k.dataset
    GROUP BY k.dataset, k.is_of_events
),
span AS (
    SELECT
        date_trunc('month', i.since::timestamp) AS first_month,
        date_trunc('month', i.until::timestamp) AS last_month,
        i.until
    FROM input i
    WHERE i.dataset = 'police.residents'
),
month AS (
    SELECT
        g.month::date AS month,
        least((g.month + interval '1 month')::date - 1, s.until) AS state_on,
        g.month > s.last_month - interval '3 months' AS is_provisional,
        row_number() OVER (ORDER BY g.month) AS number
    FROM span s
    CROSS JOIN LATERAL generate_series(
        greatest(s.first_month, s.last_month - interval '12 months'), s.last_month, interval '1 month'
    ) AS g (month)
),
-- A person is looked at once and not once a month: what is so of somebody is so in a range of months, by their number.
frame AS (
    SELECT
        array_agg(m.month ORDER BY m.month) AS months,
        array_agg(m.state_on ORDER BY m.month) AS days,
        min(m.month) AS first_month
    FROM month m
    HAVING count(*) > 0
),
come AS (
    SELECT m.month, array_agg(i.dataset) AS datasets
    FROM month m
    JOIN input i ON i.since <= m.state_on
    GROUP BY m.month
),
lacking AS (
    SELECT m.month, string_agg(k.dataset, ';' ORDER BY k.dataset) AS datasets
    FROM month m
    CROSS JOIN known k
    LEFT JOIN input i ON i.dataset = k.dataset AND i.until >= m.state_on
        AND CASE WHEN k.is_of_events THEN i.events_since <= m.month ELSE i.since <= m.state_on END
    WHERE i.dataset IS NULL
    GROUP BY m.month
),
band AS (
    SELECT * FROM (VALUES
        ('00-05', 0, 6), ('06-10', 6, 11), ('11-14', 11, 15), ('15-17', 15, 18), ('18-59', 18, 60), ('60-74', 60, 75),
        ('75+', 75, 999)
    ) AS listed (age_band, since, until)
),
resident AS (
    SELECT
        r.personal_id,
        r.ward,
        r.ward_valid_from,
        r.birth_date,
        r.residence_kind,
        ref.held_on(f.days, r.valid_from, r.valid_to) AS months
    FROM people.residents r
    CROSS JOIN frame f
    WHERE r.residence_kind IN ('TT', 'TTR') AND (r.valid_to IS NULL OR r.valid_to > f.first_month)
),
stay AS (
    SELECT r.personal_id, range_agg(r.months) AS months
    FROM resident r
    WHERE r.residence_kind = 'TTR'
    GROUP BY r.personal_id
),
home AS (
    SELECT
        r.personal_id, r.ward, r.ward_valid_from, r.birth_date, 'temporary' AS measure,
        int4multirange(r.months) AS months
    FROM resident r
    WHERE r.residence_kind = 'TTR'
    UNION ALL
    SELECT
        r.personal_id, r.ward, r.ward_valid_from, r.birth_date, 'permanent',
        int4multirange(r.months) - coalesce(s.months, '{}')
    FROM resident r
    LEFT JOIN stay s ON s.personal_id = r.personal_id
    WHERE r.residence_kind = 'TT'
),
place AS (
    SELECT
        h.personal_id,
        u.ward,
        u.ward_valid_from,
        b.age_band,
        h.measure,
        h.months * int4multirange(
            ref.held_on(f.days, ref.birthday(h.birth_date, b.since), ref.birthday(h.birth_date, b.until))
        ) AS months
    FROM home h
    CROSS JOIN frame f
    JOIN band b ON ref.birthday(h.birth_date, b.until) > f.first_month
        AND ref.birthday(h.birth_date, b.since) <= f.days[cardinality(f.days)]
    LEFT JOIN ref.ward_now u ON u.code = h.ward AND u.valid_from = h.ward_valid_from
),
-- Who of several cards has one by work counts there, then who has one by the budget.
card AS (
    SELECT
        c.personal_id,
        coalesce(range_agg(ref.held_on(
            f.days, greatest(c.valid_from, c.card_from), least(c.valid_to, c.card_until + 1)
        )) FILTER (WHERE c.paid_by = 'LD'), '{}') AS by_work,
        coalesce(range_agg(ref.held_on(
            f.days, greatest(c.valid_from, c.card_from), least(c.valid_to, c.card_until + 1)
        )) FILTER (WHERE c.paid_by NOT IN ('LD', 'GD')), '{}') AS by_budget,
        coalesce(range_agg(ref.held_on(
            f.days, greatest(c.valid_from, c.card_from), least(c.valid_to, c.card_until + 1)
        )) FILTER (WHERE c.paid_by = 'GD'), '{}') AS by_household
    FROM people.health_membership c
    CROSS JOIN frame f
    GROUP BY c.personal_id
),
-- What the agencies say of a person, and in which months.
said AS (
    SELECT c.personal_id, 'insured_by_work' AS measure, c.by_work AS months FROM card c
    UNION ALL
    SELECT c.personal_id, 'insured_by_budget', c.by_budget - c.by_work FROM card c
    UNION ALL
    SELECT c.personal_id, 'insured_by_household', c.by_household - c.by_work - c.by_budget FROM card c
    UNION ALL
    SELECT
        c.personal_id, 'workers',
        range_agg(int4range(
            array_position(f.months, c.contribution_month), array_position(f.months, c.contribution_month), '[]'
        ))
    FROM people.contributions_current c
    JOIN frame f ON c.contribution_month = ANY (f.months)
    WHERE c.entry_kind = 'BT'
    GROUP BY c.personal_id
    UNION ALL
    SELECT
        coalesce(b.personal_id, b.case_no), 'pensioners',
        range_agg(int4range(array_position(f.months, b.pay_month), array_position(f.months, b.pay_month), '[]'))
    FROM people.benefits_current b
    JOIN frame f ON b.pay_month = ANY (f.months)
    WHERE b.regime = 'HT' AND b.line_kind = 'HT'
    GROUP BY coalesce(b.personal_id, b.case_no)
    UNION ALL
    SELECT
        a.personal_id, 'social_pensions',
        range_agg(ref.held_on(f.days, greatest(a.valid_from, a.from_month), least(a.valid_to, a.until_month)))
    FROM people.assistance a
    CROSS JOIN frame f
    WHERE a.benefit_kind = 'HTXH'
    GROUP BY a.personal_id
    UNION ALL
    SELECT
        a.personal_id, 'assisted',
        range_agg(ref.held_on(f.days, greatest(a.valid_from, a.from_month), least(a.valid_to, a.until_month)))
    FROM people.assistance a
    CROSS JOIN frame f
    WHERE a.benefit_kind = 'TC'
    GROUP BY a.personal_id
    UNION ALL
    SELECT p.personal_id, 'pupils', range_agg(ref.held_on(f.days, p.valid_from, p.valid_to))
    FROM people.pupils p
    CROSS JOIN frame f
    WHERE p.status = '1'
    GROUP BY p.personal_id
    UNION ALL
    SELECT h.personal_id, 'with_record', range_agg(ref.held_on(f.days, h.valid_from, h.valid_to))
    FROM people.health_records h
    CROSS JOIN frame f
    WHERE num_nonnulls(
        h.blood_group, h.allergies, h.chronic_conditions, h.last_checkup_on, h.height_cm, h.weight_kg, h.systolic,
        h.diastolic, h.glucose, h.smoker, h.vaccine_doses
    ) > 0
    GROUP BY h.personal_id
),
visit AS (
    SELECT
        coalesce(v.so_cccd, v.ma_bn) AS personal_id,
        array_position(f.months, date_trunc('month', v.ngay_ra)::date) AS number,
        count(*) AS times
    FROM people.visits_current v
    JOIN frame f ON date_trunc('month', v.ngay_ra)::date = ANY (f.months)
    GROUP BY 1, 2
),
-- What happened, in the ward in which it did.
happened AS (
    SELECT
        b.registration_ward AS code,
        b.registration_ward_valid_from AS valid_from,
        b.birth_date AS happened_on,
        b.birth_date,
        'births' AS measure
    FROM people.births_current b
    UNION ALL
    SELECT b.registration_ward, b.registration_ward_valid_from, b.registration_date, b.birth_date, 'births_registered'
    FROM people.births_current b
    UNION ALL
    SELECT d.registration_ward, d.registration_ward_valid_from, d.death_at::date, d.birth_date, 'deaths'
    FROM people.deaths_current d
    UNION ALL
    SELECT d.registration_ward, d.registration_ward_valid_from, d.registration_date, d.birth_date, 'deaths_registered'
    FROM people.deaths_current d
    UNION ALL
    SELECT w.registration_ward, w.registration_ward_valid_from, w.registration_date, w.husband_birth_date, 'married'
    FROM people.marriages_current w
    UNION ALL
    SELECT w.registration_ward, w.registration_ward_valid_from, w.registration_date, w.wife_birth_date, 'married'
    FROM people.marriages_current w
    UNION ALL
    SELECT r.ward, r.ward_valid_from, r.registered_on, r.birth_date, 'moved_in'
    FROM people.residents r
    WHERE r.change_reason = 'DEN' AND r.residence_kind IN ('TT', 'TTR')
        AND NOT EXISTS (
            SELECT FROM people.residents b
            WHERE b.personal_id = r.personal_id AND b.residence_kind = r.residence_kind
                AND b.change_reason = 'DEN' AND b.registered_on = r.registered_on AND b.valid_from < r.valid_from
        )
    UNION ALL
    SELECT r.ward, r.ward_valid_from, r.valid_to, r.birth_date, 'moved_out'
    FROM people.residents r
    WHERE r.residence_kind IN ('TT', 'TTR') AND r.valid_to IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM people.residents n
            WHERE n.personal_id = r.personal_id AND n.residence_kind = r.residence_kind
                AND n.valid_from = r.valid_to AND n.change_reason <> 'DEN'
        )
        AND NOT EXISTS (SELECT FROM people.deaths_current d WHERE d.personal_id = r.personal_id)
),
-- How many of a ward and band, by the months in which it is so of them.
matched AS (
    SELECT p.ward, p.ward_valid_from, p.age_band, p.measure, p.months, count(*) AS persons
    FROM place p
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT p.ward, p.ward_valid_from, p.age_band, s.measure, p.months * s.months, count(*)
    FROM said s
    JOIN place p ON p.personal_id = s.personal_id AND p.months && s.months
    GROUP BY 1, 2, 3, 4, 5
),
-- And by the month.
found AS (
    SELECT
        n.number, m.ward, m.ward_valid_from, m.age_band, m.measure, sum(m.persons) AS persons, sum(m.persons) AS times
    FROM matched m
    CROSS JOIN LATERAL unnest(m.months) AS r (months)
    CROSS JOIN LATERAL generate_series(lower(r.months), upper(r.months) - 1) AS n (number)
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT v.number, p.ward, p.ward_valid_from, p.age_band, 'patients', count(*), sum(v.times)
    FROM visit v
    JOIN place p ON p.personal_id = v.personal_id AND p.months @> v.number
    GROUP BY 1, 2, 3, 4
),
-- Of how many in all: those who are not found are no residents.
told AS (
    SELECT n.number, s.measure, sum(s.persons) AS persons, sum(s.persons) AS times
    FROM (SELECT s.measure, s.months, count(*) AS persons FROM said s GROUP BY 1, 2) s
    CROSS JOIN LATERAL unnest(s.months) AS r (months)
    CROSS JOIN LATERAL generate_series(lower(r.months), upper(r.months) - 1) AS n (number)
    GROUP BY 1, 2
    UNION ALL
    SELECT v.number, 'patients', count(*), sum(v.times) FROM visit v GROUP BY 1
),
counted AS (
    SELECT m.month, f.ward, f.ward_valid_from, f.age_band, f.measure, f.persons, f.times
    FROM found f
    JOIN month m ON m.number = f.number
    UNION ALL
    SELECT m.month, NULL, NULL, NULL, t.measure, t.persons - coalesce(f.persons, 0), t.times - coalesce(f.times, 0)
    FROM told t
    JOIN month m ON m.number = t.number
    LEFT JOIN (
        SELECT f.number, f.measure, sum(f.persons) AS persons, sum(f.times) AS times FROM found f GROUP BY 1, 2
    ) f ON f.number = t.number AND f.measure = t.measure
    WHERE t.persons > coalesce(f.persons, 0)
    UNION ALL
    SELECT m.month, u.ward, u.ward_valid_from, b.age_band, h.measure, count(*), count(*)
    FROM happened h
    JOIN month m ON h.happened_on >= m.month AND h.happened_on <= m.state_on
    LEFT JOIN ref.ward_now u ON u.code = h.code AND u.valid_from = h.valid_from
    LEFT JOIN band b ON date_part('year', age(h.happened_on::timestamp, h.birth_date::timestamp)) >= b.since
        AND date_part('year', age(h.happened_on::timestamp, h.birth_date::timestamp)) < b.until
    GROUP BY 1, 2, 3, 4, 5
),
cell AS (
    SELECT
        c.month,
        c.ward,
        c.ward_valid_from,
        c.age_band,
        CASE WHEN 'police.residents' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'permanent'), 0)::bigint
        END AS permanent,
        CASE WHEN 'police.residents' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'temporary'), 0)::bigint
        END AS temporary,
        CASE WHEN 'civil.births' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'births'), 0)::bigint
        END AS births,
        CASE WHEN 'civil.births' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'births_registered'), 0)::bigint
        END AS births_registered,
        CASE WHEN 'civil.deaths' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'deaths'), 0)::bigint
        END AS deaths,
        CASE WHEN 'civil.deaths' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'deaths_registered'), 0)::bigint
        END AS deaths_registered,
        CASE WHEN 'civil.marriages' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'married'), 0)::bigint
        END AS married,
        CASE WHEN 'police.residents' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'moved_in'), 0)::bigint
        END AS moved_in,
        CASE WHEN 'police.residents' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'moved_out'), 0)::bigint
        END AS moved_out,
        CASE WHEN 'insurance.health_membership' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'insured_by_work'), 0)::bigint
        END AS insured_by_work,
        CASE WHEN 'insurance.health_membership' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'insured_by_budget'), 0)::bigint
        END AS insured_by_budget,
        CASE WHEN 'insurance.health_membership' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'insured_by_household'), 0)::bigint
        END AS insured_by_household,
        CASE WHEN 'insurance.contributions' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'workers'), 0)::bigint
        END AS workers,
        CASE WHEN 'insurance.benefits' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'pensioners'), 0)::bigint
        END AS pensioners,
        CASE WHEN 'social.assistance' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'social_pensions'), 0)::bigint
        END AS social_pensions,
        CASE WHEN 'social.assistance' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'assisted'), 0)::bigint
        END AS assisted,
        CASE WHEN 'education.pupils' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'pupils'), 0)::bigint
        END AS pupils,
        CASE WHEN 'health.records' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'with_record'), 0)::bigint
        END AS with_record,
        CASE WHEN 'health.visits' = ANY (k.datasets)
            THEN coalesce(sum(c.persons) FILTER (WHERE c.measure = 'patients'), 0)::bigint
        END AS patients,
        CASE WHEN 'health.visits' = ANY (k.datasets)
            THEN coalesce(sum(c.times) FILTER (WHERE c.measure = 'patients'), 0)::bigint
        END AS visits
    FROM counted c
    JOIN come k ON k.month = c.month
    GROUP BY c.month, c.ward, c.ward_valid_from, c.age_band, k.datasets
)
SELECT
    c.ward,
    c.ward_valid_from,
    w.name AS ward_name,
    c.month,
    c.age_band,
    m.state_on,
    m.is_provisional,
    l.datasets AS inputs_lacking,
    c.permanent,
    c.temporary,
    c.births,
    c.births_registered,
    c.deaths,
    c.deaths_registered,
    c.married,
    c.moved_in,
    c.moved_out,
    c.insured_by_work,
    c.insured_by_budget,
    c.insured_by_household,
    c.workers,
    c.pensioners,
    c.social_pensions,
    c.assisted,
    c.pupils,
    c.with_record,
    c.patients,
    c.visits,
    coalesce(least(nullif(c.permanent, 0), nullif(c.temporary, 0)), 0) AS _fewest_residents,
    coalesce(
        least(
            nullif(c.insured_by_work, 0), nullif(c.insured_by_budget, 0), nullif(c.insured_by_household, 0),
            nullif(abs(c.permanent + c.temporary - c.insured_by_work - c.insured_by_budget - c.insured_by_household), 0)
        ),
        0
    ) AS _fewest_insured
FROM cell c
JOIN month m ON m.month = c.month
LEFT JOIN lacking l ON l.month = c.month
LEFT JOIN ref.ward w ON w.code = c.ward AND w.valid_from = c.ward_valid_from;

CREATE UNIQUE INDEX ON people_ward_month (ward, ward_valid_from, month, age_band) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW people_ward_month IS
'Mỗi dòng: một đơn vị cấp xã, một tháng và một nhóm tuổi; dân cư và những gì các cơ quan biết về họ, mỗi người tính một lần tại nơi ở. / One row a commune-level unit, month and band of age; residents and what the agencies know of them, each person once, where they live.';
COMMENT ON COLUMN people_ward_month.ward IS 'Mã đơn vị hiện nay, hoặc đơn vị cũ nếu đã bị chia; trống: người không có trong dân cư / Code of the unit of today, or of the old one where that was divided; null: persons without a residence';
COMMENT ON COLUMN people_ward_month.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN people_ward_month.ward_name IS 'Tên đơn vị / Name of the unit';
COMMENT ON COLUMN people_ward_month.month IS 'Tháng / First day of the month';
COMMENT ON COLUMN people_ward_month.age_band IS 'Nhóm tuổi; trống: không rõ / Band of age in years; null: not known';
COMMENT ON COLUMN people_ward_month.state_on IS 'Số người là của ngày này / The day of which the numbers of persons are';
COMMENT ON COLUMN people_ward_month.is_provisional IS 'Tạm thời: ba tháng gần nhất còn thiếu sự kiện đăng ký muộn / The last three months, which lack what is registered late';
COMMENT ON COLUMN people_ward_month.inputs_lacking IS 'Bộ dữ liệu chưa có đủ cho tháng này, cách nhau bởi dấu chấm phẩy / Datasets that do not tell of the whole month yet, with semicolons';
COMMENT ON COLUMN people_ward_month.permanent IS 'Người thường trú, không tạm trú nơi khác trong thành phố / Residents where they are permanent, who stay nowhere else in the city';
COMMENT ON COLUMN people_ward_month.temporary IS 'Người tạm trú / Residents where they stay';
COMMENT ON COLUMN people_ward_month.births IS 'Trẻ sinh trong tháng / Births by the month of birth';
COMMENT ON COLUMN people_ward_month.births_registered IS 'Khai sinh trong tháng / Births by the month of registration';
COMMENT ON COLUMN people_ward_month.deaths IS 'Người chết trong tháng / Deaths by the month of death';
COMMENT ON COLUMN people_ward_month.deaths_registered IS 'Khai tử trong tháng / Deaths by the month of registration';
COMMENT ON COLUMN people_ward_month.married IS 'Người kết hôn trong tháng / Persons who married, two a marriage';
COMMENT ON COLUMN people_ward_month.moved_in IS 'Người chuyển đến / Persons who moved in';
COMMENT ON COLUMN people_ward_month.moved_out IS 'Người rời đi, không do chết / Persons who left and are not among the dead';
COMMENT ON COLUMN people_ward_month.insured_by_work IS 'Có thẻ BHYT do người lao động và đơn vị đóng / Insured in health by worker and employer';
COMMENT ON COLUMN people_ward_month.insured_by_budget IS 'Có thẻ BHYT do ngân sách hoặc quỹ đóng, hỗ trợ / Insured in health by the budget or a fund, wholly or in part';
COMMENT ON COLUMN people_ward_month.insured_by_household IS 'Có thẻ BHYT hộ gia đình / Insured in health by the household';
COMMENT ON COLUMN people_ward_month.workers IS 'Người đóng BHXH trong tháng / Persons with a contribution to social insurance for the month';
COMMENT ON COLUMN people_ward_month.pensioners IS 'Người được trả lương hưu trong tháng / Persons with a pension of social insurance paid for the month';
COMMENT ON COLUMN people_ward_month.social_pensions IS 'Người hưởng trợ cấp hưu trí xã hội / Persons with a social pension';
COMMENT ON COLUMN people_ward_month.assisted IS 'Người hưởng trợ cấp xã hội hằng tháng / Persons with monthly social assistance';
COMMENT ON COLUMN people_ward_month.pupils IS 'Trẻ đang học, theo nơi ở / Children at school, by where they live';
COMMENT ON COLUMN people_ward_month.with_record IS 'Người có hồ sơ sức khỏe có nội dung / Persons whose health record says something';
COMMENT ON COLUMN people_ward_month.patients IS 'Người ra viện trong tháng / Persons with a visit that ended in the month';
COMMENT ON COLUMN people_ward_month.visits IS 'Số đợt khám chữa bệnh / Visits of theirs';
