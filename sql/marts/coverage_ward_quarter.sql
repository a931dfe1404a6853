-- cells:
-- - {columns: [residents, insured, insured_percent, with_record, with_record_percent],
--    persons: _fewest_residents, at_least: 20, margins: [[quarter]]}
-- - {columns: [children_6_14, at_school, at_school_percent],
--    persons: _fewest_children, at_least: 10, margins: [[quarter]]}
-- - {columns: [aged_75, aged_with_pension, aged_with_pension_percent],
--    persons: _fewest_aged, at_least: 20, margins: [[quarter]]}
-- - {columns: [newborns_due, newborns_with_card, newborns_with_card_percent],
--    persons: _fewest_newborns, at_least: 10, margins: [[quarter], [ward, ward_valid_from]]}
-- - {columns: [births_due, births_in_time, births_in_time_percent],
--    persons: _fewest_births, at_least: 10, margins: [[quarter], [ward, ward_valid_from]]}

-- The denominators are residents of the register, permanent (TT) or temporary (TTR), each once where they live, as in
-- people_ward_month; a person is covered only if the other agency's row has the same personal id. Who is covered and
-- no resident is not here, so no share is above 100 %. People of a divided ward of before July 2025 stand under it.
-- Children at school are counted by where they live, not by where the school is. A newborn is due when the 30th day
-- (for the registration the 60th) falls into the quarter; the card must have been told of by that day, or in the first
-- delivery of cards. Only children whose registration has a personal id can be looked for among the cards, and births
-- that nobody registered are unknown to us: the shares of newborns are upper bounds.
-- The last quarter is as of its last day so far. The five last quarters are here; 1.3 s for 100,000 residents.
CREATE MATERIALIZED VIEW coverage_ward_quarter AS
WITH known AS (
    SELECT * FROM (VALUES
        ('civil.births'), ('education.pupils'), ('health.records'), ('insurance.benefits'),
        ('insurance.health_membership'), ('police.residents'), ('social.assistance')
    ) AS listed (dataset)
),
-- Of each dataset that came: its first day and the last one that it tells of.
input AS (
    SELECT k.dataset, min(d.as_of) AS since, (max(d.as_of) + max(s.frequency))::date - 1 AS until
    FROM known k
    JOIN ops.delivery d ON d.dataset = k.dataset AND d.loaded_at IS NOT NULL
    JOIN ops.schedule s ON s.dataset = k.dataset
    GROUP BY k.dataset
),
span AS (
    SELECT
        date_trunc('quarter', i.since::timestamp) AS first_quarter,
        date_trunc('quarter', i.until::timestamp) AS last_quarter,
        i.until
    FROM input i
    WHERE i.dataset = 'police.residents'
),
quarter AS (
    SELECT
        g.quarter::date AS quarter,
        least((g.quarter + interval '3 months')::date - 1, s.until) AS state_on,
        row_number() OVER (ORDER BY g.quarter) AS number
    FROM span s
    CROSS JOIN LATERAL generate_series(
        greatest(s.first_quarter, s.last_quarter - interval '12 months'), s.last_quarter, interval '3 months'
    ) AS g (quarter)
),
-- As in people_ward_month a person is looked at once: what is so of somebody is so in a range of quarters, by number.
frame AS (
    SELECT
        array_agg(q.quarter ORDER BY q.quarter) AS quarters,
        array_agg(q.state_on ORDER BY q.quarter) AS days,
        min(q.quarter) AS first_quarter
    FROM quarter q
    HAVING count(*) > 0
),
come AS (
    SELECT q.quarter, array_agg(i.dataset) AS datasets
    FROM quarter q
    JOIN input i ON i.since <= q.state_on
    GROUP BY q.quarter
),
lacking AS (
    SELECT q.quarter, string_agg(k.dataset, ';' ORDER BY k.dataset) AS datasets
    FROM quarter q
    CROSS JOIN known k
    LEFT JOIN input i ON i.dataset = k.dataset AND i.until >= q.state_on
        AND i.since <= CASE k.dataset WHEN 'civil.births' THEN q.quarter ELSE q.state_on END
    WHERE i.dataset IS NULL
    GROUP BY q.quarter
),
resident AS (
    SELECT
        r.personal_id,
        r.ward,
        r.ward_valid_from,
        r.birth_date,
        r.residence_kind,
        ref.held_on(f.days, r.valid_from, r.valid_to) AS quarters
    FROM people.residents r
    CROSS JOIN frame f
    WHERE r.residence_kind IN ('TT', 'TTR') AND (r.valid_to IS NULL OR r.valid_to > f.first_quarter)
),
stay AS (
    SELECT r.personal_id, range_agg(r.quarters) AS quarters
    FROM resident r
    WHERE r.residence_kind = 'TTR'
    GROUP BY r.personal_id
),
home AS (
    SELECT
        r.personal_id, r.ward, r.ward_valid_from, r.birth_date,
        CASE r.residence_kind
            WHEN 'TTR' THEN int4multirange(r.quarters) ELSE int4multirange(r.quarters) - coalesce(s.quarters, '{}')
        END AS quarters
    FROM resident r
    LEFT JOIN stay s ON s.personal_id = r.personal_id
),
age_group AS (
    SELECT * FROM (VALUES
        ('any', 0, 6), ('child', 6, 15), ('any', 15, 75), ('aged', 75, 999)
    ) AS listed (age_group, since, until)
),
place AS (
    SELECT
        h.personal_id,
        u.ward,
        u.ward_valid_from,
        a.age_group,
        h.quarters * int4multirange(
            ref.held_on(f.days, ref.birthday(h.birth_date, a.since), ref.birthday(h.birth_date, a.until))
        ) AS quarters
    FROM home h
    CROSS JOIN frame f
    JOIN age_group a ON ref.birthday(h.birth_date, a.until) > f.first_quarter
        AND ref.birthday(h.birth_date, a.since) <= f.days[cardinality(f.days)]
    LEFT JOIN ref.ward_now u ON u.code = h.ward AND u.valid_from = h.ward_valid_from
),
-- Whom a policy reaches, and in which quarters.
pension AS (
    SELECT b.personal_id, int4range(n.number, n.number, '[]') AS quarters
    FROM people.benefits_current b
    JOIN frame f ON b.pay_month >= f.first_quarter AND b.pay_month <= f.days[cardinality(f.days)]
    CROSS JOIN LATERAL (
        SELECT array_position(f.quarters, date_trunc('quarter', b.pay_month::timestamp)::date) AS number
    ) n
    WHERE b.regime = 'HT' AND b.line_kind = 'HT' AND b.personal_id IS NOT NULL
        AND b.pay_month <= f.days[n.number]
    UNION ALL
    SELECT a.personal_id, ref.held_on(f.days, greatest(a.valid_from, a.from_month), least(a.valid_to, a.until_month))
    FROM people.assistance a
    CROSS JOIN frame f
    WHERE a.benefit_kind = 'HTXH'
),
said AS (
    SELECT
        c.personal_id, 'insured' AS measure,
        range_agg(ref.held_on(
            f.days, greatest(c.valid_from, c.card_from), least(c.valid_to, c.card_until + 1)
        )) AS quarters
    FROM people.health_membership c
    CROSS JOIN frame f
    GROUP BY c.personal_id
    UNION ALL
    SELECT h.personal_id, 'with_record', range_agg(ref.held_on(f.days, h.valid_from, h.valid_to))
    FROM people.health_records h
    CROSS JOIN frame f
    WHERE num_nonnulls(
        h.blood_group, h.allergies, h.chronic_conditions, h.last_checkup_on, h.height_cm, h.weight_kg, h.systolic,
        h.diastolic, h.glucose, h.smoker, h.vaccine_doses
    ) > 0
    GROUP BY h.personal_id
    UNION ALL
    SELECT p.personal_id, 'at_school', range_agg(ref.held_on(f.days, p.valid_from, p.valid_to))
    FROM people.pupils p
    CROSS JOIN frame f
    WHERE p.status = '1'
    GROUP BY p.personal_id
    UNION ALL
    SELECT p.personal_id, 'with_pension', range_agg(p.quarters) FROM pension p GROUP BY p.personal_id
),
matched AS (
    SELECT p.ward, p.ward_valid_from, p.age_group, 'resident' AS measure, p.quarters, count(*) AS persons
    FROM place p
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT p.ward, p.ward_valid_from, p.age_group, s.measure, p.quarters * s.quarters, count(*)
    FROM said s
    JOIN place p ON p.personal_id = s.personal_id AND p.quarters && s.quarters
    GROUP BY 1, 2, 3, 4, 5
),
of_residents AS (
    SELECT
        q.quarter,
        m.ward,
        m.ward_valid_from,
        coalesce(sum(m.persons) FILTER (WHERE m.measure = 'resident'), 0)::bigint AS residents,
        coalesce(sum(m.persons) FILTER (WHERE m.measure = 'insured'), 0)::bigint AS insured,
        coalesce(sum(m.persons) FILTER (WHERE m.measure = 'with_record'), 0)::bigint AS with_record,
        coalesce(sum(m.persons) FILTER (WHERE m.measure = 'resident' AND m.age_group = 'child'), 0)::bigint
            AS children_6_14,
        coalesce(sum(m.persons) FILTER (WHERE m.measure = 'at_school' AND m.age_group = 'child'), 0)::bigint
            AS at_school,
        coalesce(sum(m.persons) FILTER (WHERE m.measure = 'resident' AND m.age_group = 'aged'), 0)::bigint AS aged_75,
        coalesce(sum(m.persons) FILTER (WHERE m.measure = 'with_pension' AND m.age_group = 'aged'), 0)::bigint
            AS aged_with_pension
    FROM matched m
    CROSS JOIN LATERAL unnest(m.quarters) AS r (quarters)
    CROSS JOIN LATERAL generate_series(lower(r.quarters), upper(r.quarters) - 1) AS n (number)
    JOIN quarter q ON q.number = n.number
    GROUP BY q.quarter, m.ward, m.ward_valid_from
),
first_card AS (
    SELECT c.personal_id, min(c.valid_from) AS told_on
    FROM people.health_membership c
    GROUP BY c.personal_id
),
of_births AS (
    SELECT
        q.quarter,
        u.ward,
        u.ward_valid_from,
        count(*) FILTER (WHERE b.personal_id IS NOT NULL AND b.birth_date + 30 BETWEEN q.quarter AND q.state_on)
            AS newborns_due,
        count(*) FILTER (
            WHERE b.birth_date + 30 BETWEEN q.quarter AND q.state_on
                AND c.told_on <= greatest(b.birth_date + 30, i.since)
        ) AS newborns_with_card,
        count(*) FILTER (WHERE b.birth_date + 60 BETWEEN q.quarter AND q.state_on) AS births_due,
        count(*) FILTER (
            WHERE b.birth_date + 60 BETWEEN q.quarter AND q.state_on AND b.registration_date <= b.birth_date + 60
        ) AS births_in_time
    FROM quarter q
    JOIN people.births_current b ON b.birth_date + 60 >= q.quarter AND b.birth_date + 30 <= q.state_on
    LEFT JOIN ref.ward_now u ON u.code = b.registration_ward AND u.valid_from = b.registration_ward_valid_from
    LEFT JOIN first_card c ON c.personal_id = b.personal_id
    LEFT JOIN input i ON i.dataset = 'insurance.health_membership'
    GROUP BY q.quarter, u.ward, u.ward_valid_from
),
place_of AS (
    SELECT r.quarter, r.ward, r.ward_valid_from FROM of_residents r
    UNION
    SELECT b.quarter, b.ward, b.ward_valid_from FROM of_births b
),
cell AS (
    SELECT
        p.quarter,
        p.ward,
        p.ward_valid_from,
        coalesce(r.residents, 0) AS residents,
        CASE WHEN 'insurance.health_membership' = ANY (k.datasets) THEN coalesce(r.insured, 0) END AS insured,
        CASE WHEN 'health.records' = ANY (k.datasets) THEN coalesce(r.with_record, 0) END AS with_record,
        coalesce(r.children_6_14, 0) AS children_6_14,
        CASE WHEN 'education.pupils' = ANY (k.datasets) THEN coalesce(r.at_school, 0) END AS at_school,
        coalesce(r.aged_75, 0) AS aged_75,
        CASE WHEN k.datasets @> ARRAY['insurance.benefits', 'social.assistance']
            THEN coalesce(r.aged_with_pension, 0) END AS aged_with_pension,
        CASE WHEN 'civil.births' = ANY (k.datasets) THEN coalesce(b.newborns_due, 0) END AS newborns_due,
        CASE WHEN k.datasets @> ARRAY['civil.births', 'insurance.health_membership']
            THEN coalesce(b.newborns_with_card, 0) END AS newborns_with_card,
        CASE WHEN 'civil.births' = ANY (k.datasets) THEN coalesce(b.births_due, 0) END AS births_due,
        CASE WHEN 'civil.births' = ANY (k.datasets) THEN coalesce(b.births_in_time, 0) END AS births_in_time
    FROM place_of p
    JOIN come k ON k.quarter = p.quarter
    LEFT JOIN of_residents r ON r.quarter = p.quarter AND r.ward IS NOT DISTINCT FROM p.ward
        AND r.ward_valid_from IS NOT DISTINCT FROM p.ward_valid_from
    LEFT JOIN of_births b ON b.quarter = p.quarter AND b.ward IS NOT DISTINCT FROM p.ward
        AND b.ward_valid_from IS NOT DISTINCT FROM p.ward_valid_from
)
SELECT
    c.ward,
    c.ward_valid_from,
    w.name AS ward_name,
    c.quarter,
    q.state_on,
    l.datasets AS inputs_lacking,
    c.residents,
    c.insured,
    round(100.0 * c.insured / nullif(c.residents, 0), 1) AS insured_percent,
    c.with_record,
    round(100.0 * c.with_record / nullif(c.residents, 0), 1) AS with_record_percent,
    c.children_6_14,
    c.at_school,
    round(100.0 * c.at_school / nullif(c.children_6_14, 0), 1) AS at_school_percent,
    c.aged_75,
    c.aged_with_pension,
    round(100.0 * c.aged_with_pension / nullif(c.aged_75, 0), 1) AS aged_with_pension_percent,
    c.newborns_due,
    c.newborns_with_card,
    round(100.0 * c.newborns_with_card / nullif(c.newborns_due, 0), 1) AS newborns_with_card_percent,
    c.births_due,
    c.births_in_time,
    round(100.0 * c.births_in_time / nullif(c.births_due, 0), 1) AS births_in_time_percent,
    -- Who is covered and who is not are both cells: the smaller one decides.
    coalesce(
        least(
            nullif(c.residents, 0), nullif(c.insured, 0), nullif(c.residents - c.insured, 0), nullif(c.with_record, 0),
            nullif(c.residents - c.with_record, 0)
        ),
        0
    ) AS _fewest_residents,
    coalesce(least(nullif(c.children_6_14, 0), nullif(c.at_school, 0), nullif(c.children_6_14 - c.at_school, 0)), 0)
        AS _fewest_children,
    coalesce(least(nullif(c.aged_75, 0), nullif(c.aged_with_pension, 0), nullif(c.aged_75 - c.aged_with_pension, 0)), 0)
        AS _fewest_aged,
    coalesce(
        least(
            nullif(c.newborns_due, 0), nullif(c.newborns_with_card, 0), nullif(c.newborns_due - c.newborns_with_card, 0)
        ),
        0
    ) AS _fewest_newborns,
    coalesce(least(nullif(c.births_due, 0), nullif(c.births_in_time, 0), nullif(c.births_due - c.births_in_time, 0)), 0)
        AS _fewest_births
FROM cell c
JOIN quarter q ON q.quarter = c.quarter
LEFT JOIN lacking l ON l.quarter = c.quarter
LEFT JOIN ref.ward w ON w.code = c.ward AND w.valid_from = c.ward_valid_from;

CREATE UNIQUE INDEX ON coverage_ward_quarter (ward, ward_valid_from, quarter) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW coverage_ward_quarter IS
'Mỗi dòng: một đơn vị cấp xã và một quý; tỷ lệ dân cư (thường trú và tạm trú, mỗi người một lần) được hưởng từng chính sách. / One row a commune-level unit and quarter; shares of its residents (permanent and temporary, each once) whom each policy reaches.';
COMMENT ON COLUMN coverage_ward_quarter.ward IS 'Mã đơn vị hiện nay, hoặc đơn vị cũ nếu đã bị chia; trống: không rõ / Code of the unit of today, or of the old one where that was divided; null: not known';
COMMENT ON COLUMN coverage_ward_quarter.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN coverage_ward_quarter.ward_name IS 'Tên đơn vị / Name of the unit';
COMMENT ON COLUMN coverage_ward_quarter.quarter IS 'Quý / First day of the quarter';
COMMENT ON COLUMN coverage_ward_quarter.state_on IS 'Số người là của ngày này / The day of which the numbers are';
COMMENT ON COLUMN coverage_ward_quarter.inputs_lacking IS 'Bộ dữ liệu chưa có đến ngày đó, cách nhau bởi dấu chấm phẩy / Datasets that do not yet reach that day, with semicolons';
COMMENT ON COLUMN coverage_ward_quarter.residents IS 'Dân cư thường trú và tạm trú / Residents, permanent and temporary';
COMMENT ON COLUMN coverage_ward_quarter.insured IS 'Trong đó có thẻ BHYT còn hạn / Of these with a valid card of health insurance';
COMMENT ON COLUMN coverage_ward_quarter.insured_percent IS 'Tỷ lệ, % / Share in percent';
COMMENT ON COLUMN coverage_ward_quarter.with_record IS 'Trong đó có hồ sơ sức khỏe có nội dung / Of the residents with a health record that says something';
COMMENT ON COLUMN coverage_ward_quarter.with_record_percent IS 'Tỷ lệ, % / Share in percent';
COMMENT ON COLUMN coverage_ward_quarter.children_6_14 IS 'Trẻ 6-14 tuổi / Children of 6 to 14 years';
COMMENT ON COLUMN coverage_ward_quarter.at_school IS 'Trong đó đang học / Of these at school';
COMMENT ON COLUMN coverage_ward_quarter.at_school_percent IS 'Tỷ lệ, % / Share in percent';
COMMENT ON COLUMN coverage_ward_quarter.aged_75 IS 'Người từ 75 tuổi / Residents of 75 years and older';
COMMENT ON COLUMN coverage_ward_quarter.aged_with_pension IS 'Trong đó có lương hưu trong quý hoặc trợ cấp hưu trí xã hội / Of these with a pension paid in the quarter or a social pension';
COMMENT ON COLUMN coverage_ward_quarter.aged_with_pension_percent IS 'Tỷ lệ, % / Share in percent';
COMMENT ON COLUMN coverage_ward_quarter.newborns_due IS 'Trẻ đủ 30 ngày tuổi trong quý, đã có số định danh / Children with a personal id whose 30th day fell into the quarter';
COMMENT ON COLUMN coverage_ward_quarter.newborns_with_card IS 'Trong đó có thẻ BHYT trong 30 ngày / Of these with a card by that day';
COMMENT ON COLUMN coverage_ward_quarter.newborns_with_card_percent IS 'Tỷ lệ, % / Share in percent';
COMMENT ON COLUMN coverage_ward_quarter.births_due IS 'Trẻ đã khai sinh, đủ 60 ngày tuổi trong quý / Registered births whose 60th day fell into the quarter';
COMMENT ON COLUMN coverage_ward_quarter.births_in_time IS 'Trong đó đăng ký trong 60 ngày / Of these registered by that day';
COMMENT ON COLUMN coverage_ward_quarter.births_in_time_percent IS 'Tỷ lệ, % / Share in percent';
