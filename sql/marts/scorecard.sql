-- cells: []

-- The four goals of the city's data strategy, measured from what the warehouse holds: a row a measure and period. No
-- measure is of few persons. Goals and targets are the strategy's; how each is measured is our own proposal, until the
-- city decides. The targets of the strategy for 2026 to 2030 are not known here: the column is empty, not 100.
--
-- A measure whose inputs never came, or that has nothing to count, has no value, and `reason` says why: never 0 or 100.
-- `numerator` is what the warehouse itself finds; `claimed` is what the agencies say of the same things, where they do.
-- `present` and `missing` are the lists behind a figure, where it counts things and not persons. `told_until` is the last
-- period of the input that is the furthest behind: a figure is not newer than that. Whether data are late, and how old
-- they are, is so today (G1a, G1d): if nothing comes any more, these get worse by themselves.
--
-- The agencies of goal 3 changed on 2025-07-01: departments with Thủ Đức and the districts until then, departments with
-- the communes since. So 2025 is two halves, which must not be mixed, and a half of which no register of initiatives
-- speaks has no value. Whether a database in the national data center meets goal 4 is the city's to decide: both ways are here.
CREATE MATERIALIZED VIEW scorecard AS
WITH goal AS (
    SELECT * FROM (VALUES
        (1, '100% hệ thống thông tin quản lý về đất đai, cấp phép xây dựng, quy hoạch được hình thành thống nhất', 'All information systems on land, construction permits and planning are built as one'),
        (2, 'Hoàn thành tạo lập dữ liệu về sức khỏe, an sinh, doanh nghiệp, hộ kinh doanh, thu chi ngân sách, giải ngân đầu tư công', 'Data on health, social protection, enterprises, household businesses, the budget and public investment are complete'),
        (3, 'Mỗi sở, ngành, địa phương mỗi năm có ít nhất một sáng kiến sử dụng dữ liệu để hỗ trợ ra quyết định', 'Each agency has at least one initiative a year that uses data for decisions'),
        (4, '100% cơ sở dữ liệu của Thành phố được lưu trữ, quản lý tại Trung tâm dữ liệu Thành phố, bảo đảm an toàn thông tin', 'All databases of the city are kept in its data center, and secured')
    ) AS listed (goal, goal_vi, goal_en)
),
measure AS (
    SELECT * FROM (VALUES
        (1, 'G1a', '%', 100,
            'Hệ thống đất đai, đô thị gửi dữ liệu đúng hạn', 'Systems on land and urban matters that deliver in time',
            'có bộ dữ liệu trong kho, không bộ nào trễ', 'have datasets in the warehouse of which none is late',
            'hệ thống đang hoạt động thuộc nhóm đất đai, đô thị', 'live systems of the group land and urban',
            'tự khai có hợp đồng dữ liệu', 'say that they have a data contract',
            ARRAY['governance.databases']),
        (1, 'G1b', '%', 100,
            'Giấy phép xây dựng nối được với thửa đất', 'Construction permits that lead to a parcel',
            'có thửa đất trong địa chính', 'have their parcel in the cadastre',
            'giấy phép còn hiệu lực', 'permits in force',
            NULL, NULL,
            ARRAY['land.parcels', 'land.permits']),
        (1, 'G1c', '%', 100,
            'Thửa đất có quy hoạch phủ', 'Parcels with a planning zone',
            'có ít nhất một vùng quy hoạch', 'lie in at least one zone',
            'thửa đất hiện có', 'living parcels',
            NULL, NULL,
            ARRAY['land.parcels', 'planning.zones']),
        (1, 'G1d', 'd', NULL,
            'Tuổi trung vị của dữ liệu đất đai, đô thị', 'Median age of the data on land and urban matters',
            NULL, NULL, NULL, NULL, NULL, NULL,
            ARRAY['governance.databases']),
        (2, 'G2a', '%', NULL,
            'Người dân có hồ sơ sức khỏe có nội dung', 'Residents whose health record says something',
            'có ít nhất một giá trị lâm sàng', 'have at least one clinical value',
            'người thường trú, tạm trú', 'permanent and temporary residents',
            NULL, NULL,
            ARRAY['health.records', 'police.residents']),
        (2, 'G2b', '%', NULL,
            'Hồ sơ trợ giúp xã hội đủ số định danh và quyết định', 'Cases of assistance with personal id and decision',
            'có số định danh của dân cư và số quyết định', 'have the id of a resident and a decision',
            'hồ sơ đang hưởng', 'running cases',
            'có ghi số định danh', 'state some id',
            ARRAY['police.residents', 'social.assistance']),
        (2, 'G2c', '%', NULL,
            'Doanh nghiệp, hộ kinh doanh mà cả sổ đăng ký và cơ quan thuế đều biết', 'Businesses known to registration and to tax',
            'có ở cả hai', 'are in both',
            'đang hoạt động ở ít nhất một nơi', 'live in at least one of them',
            NULL, NULL,
            ARRAY['business.enterprises', 'business.households', 'tax.taxpayers']),
        (2, 'G2d', '%', NULL,
            'Cấp xã đã gửi dữ liệu hộ kinh doanh trong tháng', 'Communes that delivered household businesses in the month',
            'có dòng trong tháng', 'have rows in the month',
            'phường, xã, đặc khu', 'communes, wards and special zones',
            NULL, NULL,
            ARRAY['business.households']),
        (2, 'G2e', '%', NULL,
            'Tháng có đủ chứng từ ngân sách khớp số tổng của kho bạc', 'Months whose budget vouchers are all here and agree with the treasury',
            'đủ mọi ngày', 'have all their days',
            'tháng đã qua của năm', 'months of the year that are over',
            NULL, NULL,
            ARRAY['budget.vouchers']),
        (2, 'G2f', '%', NULL,
            'Dự án có kế hoạch vốn năm đã có báo cáo giải ngân tháng', 'Projects in the year''s plan that the month''s report has',
            'có dòng trong báo cáo của tháng gần nhất', 'are in the last month''s report',
            'dự án có kế hoạch vốn năm', 'projects with a plan for the year',
            NULL, NULL,
            ARRAY['investment.disbursements', 'investment.projects']),
        (3, 'G3a', '%', 100,
            'Cơ quan có sáng kiến đang sử dụng', 'Agencies with an initiative in use',
            'có sáng kiến đưa vào sử dụng trong kỳ, có minh chứng', 'have one that came into use in the period, with evidence',
            'cơ quan tồn tại cuối kỳ', 'agencies in being at the period''s end',
            'tự khai đang vận hành hoặc hoàn thành', 'say that one is in use or completed',
            ARRAY['governance.initiatives']),
        (3, 'G3b', '%', NULL,
            'Trong đó dùng dữ liệu của Kho dùng chung', 'Of these, with data of the shared warehouse',
            'dùng bộ dữ liệu mà kho có', 'use a dataset that the warehouse has',
            'cơ quan có sáng kiến đang sử dụng', 'agencies with an initiative in use',
            'tự khai dùng dữ liệu của kho', 'say that they use the warehouse',
            ARRAY['governance.initiatives']),
        (4, 'G4a', '%', 100,
            'Cơ sở dữ liệu đặt tại Trung tâm dữ liệu Thành phố', 'Databases in the city''s data center',
            'đặt tại trung tâm, có ngày chuyển', 'are there, with the day on which they came',
            'cơ sở dữ liệu của Thành phố đang hoạt động', 'live databases of the city',
            'tự khai đặt tại trung tâm', 'say that they are there',
            ARRAY['governance.databases']),
        (4, 'G4n', '%', 100,
            'Như trên, tính cả Trung tâm dữ liệu quốc gia', 'The same, with the national data center',
            'đặt tại một trong hai trung tâm', 'are in one of the two',
            'cơ sở dữ liệu của Thành phố đang hoạt động', 'live databases of the city',
            NULL, NULL,
            ARRAY['governance.databases']),
        (4, 'G4b', '%', 100,
            'Đặt tại Trung tâm dữ liệu Thành phố và bảo đảm an toàn', 'In the city''s data center, and secured',
            'có quyết định cấp độ; đánh giá và thử khôi phục trong 12 tháng', 'have a level by decision, and were assessed and restored for a trial within 12 months',
            'cơ sở dữ liệu của Thành phố đang hoạt động', 'live databases of the city',
            'tự khai có cấp độ', 'state a level of security',
            ARRAY['governance.databases'])
    ) AS listed (
        goal, measure, unit, target_2025, title_vi, title_en, numerator_vi, numerator_en, denominator_vi, denominator_en,
        claim_vi, claim_en, inputs
    )
),
input AS (
    SELECT
        s.dataset,
        s.frequency,
        s.latency,
        max(d.as_of) AS last_period
    FROM ops.schedule s
    JOIN ops.delivery d ON d.dataset = s.dataset AND d.loaded_at IS NOT NULL AND d.as_of <= current_date
    GROUP BY s.dataset, s.frequency, s.latency
),
behind AS (
    SELECT
        m.measure,
        min(i.last_period) AS told_until,
        string_agg(n.dataset, ';' ORDER BY n.dataset) FILTER (WHERE i.dataset IS NULL) AS inputs_lacking
    FROM measure m
    CROSS JOIN LATERAL unnest(m.inputs) AS n (dataset)
    LEFT JOIN input i ON i.dataset = n.dataset
    GROUP BY m.measure
),
-- Lists name databases and projects by their codes, with the owner where it is a department: these pages are for all, and
-- a name is whatever its sender wrote.
live AS (
    SELECT b.*, b.database_code || coalesce(' ' || c.name_vi, '') AS label
    FROM governance.databases_current b
    LEFT JOIN ref.code c ON c.list = 'department' AND c.code = b.owner_code
    WHERE b.status = 'HD'
),
-- Of the systems on land and urban matters, the datasets that they give, and whether these are late.
given AS (
    SELECT
        b.database_code,
        n.dataset,
        i.last_period,
        (i.last_period + i.frequency + i.frequency + i.latency) >= current_date AS is_in_time,
        current_date - i.last_period AS days_old
    FROM live b
    CROSS JOIN LATERAL unnest(string_to_array(replace(b.datasets, ' ', ''), ';')) AS n (dataset)
    LEFT JOIN input i ON i.dataset = n.dataset
    WHERE b.data_group = '3' AND b.datasets IS NOT NULL
),
unit AS (
    SELECT
        w.code,
        w.valid_from,
        a.code AS ward,
        a.valid_from AS ward_valid_from
    FROM ref.ward w
    JOIN LATERAL ref.ward_at(w.code, w.valid_from, current_date) a ON NOT a.ambiguous
),
commune_told AS (
    SELECT DISTINCT u.ward, u.ward_valid_from
    FROM input i
    JOIN ops.delivery d ON d.dataset = i.dataset AND d.loaded_at IS NOT NULL
        AND d.as_of BETWEEN date_trunc('month', i.last_period::timestamp)::date AND i.last_period
    CROSS JOIN LATERAL unnest(d.parts) AS p (part)
    JOIN unit u ON u.code = split_part(p.part, E'\x1f', 1) AND u.valid_from::text = split_part(p.part, E'\x1f', 2)
    WHERE i.dataset = 'business.households'
),
voucher_month AS (
    SELECT
        g.month::date AS month,
        (
            SELECT count(DISTINCT d.as_of) FROM ops.delivery d
            WHERE d.dataset = 'budget.vouchers' AND d.loaded_at IS NOT NULL
                AND d.as_of >= g.month AND d.as_of < g.month + interval '1 month'
        ) = (g.month + interval '1 month')::date - g.month::date AS is_whole
    FROM input i
    CROSS JOIN LATERAL generate_series(
        date_trunc('year', i.last_period::timestamp),
        date_trunc('month', (i.last_period + 1)::timestamp) - interval '1 month',
        interval '1 month'
    ) AS g (month)
    WHERE i.dataset = 'budget.vouchers'
),
period AS (
    SELECT '2025-H1' AS period, DATE '2025-01-01' AS period_from, DATE '2025-06-30' AS period_to
    UNION ALL
    SELECT '2025-H2', DATE '2025-07-01', DATE '2025-12-31'
    UNION ALL
    SELECT y.year::text, make_date(y.year, 1, 1), make_date(y.year, 12, 31)
    FROM input i
    CROSS JOIN LATERAL generate_series(2026, date_part('year', i.last_period)::int) AS y (year)
    WHERE i.dataset = 'governance.initiatives'
),
told_period AS (
    SELECT
        p.period,
        p.period_from,
        max(d.as_of) AS state_on
    FROM period p
    JOIN ops.delivery d ON d.dataset = 'governance.initiatives' AND d.loaded_at IS NOT NULL
        AND d.as_of BETWEEN p.period_from AND p.period_to
    GROUP BY p.period, p.period_from
),
agency AS (
    SELECT p.period, p.period_from, p.state_on, 'S' AS kind, c.code, NULL::date AS valid_from, c.name_vi AS name
    FROM told_period p
    JOIN ref.code_period c ON c.list = 'department' AND coalesce(c.valid_from <= p.state_on, true)
        AND coalesce(c.valid_to > p.state_on, true)
    UNION ALL
    SELECT p.period, p.period_from, p.state_on, 'X', w.code, w.valid_from, w.name
    FROM told_period p
    JOIN ref.ward w ON p.period <> '2025-H1' AND w.province_code = '79' AND w.valid_from <= p.state_on
        AND (w.valid_to IS NULL OR w.valid_to > p.state_on)
    UNION ALL
    SELECT DISTINCT p.period, p.period_from, p.state_on, 'K', w.district_code, NULL::date, w.district
    FROM told_period p
    JOIN ref.ward w ON p.period = '2025-H1' AND w.province_code = '79' AND w.district_code IS NOT NULL
        AND w.valid_from <= p.state_on AND (w.valid_to IS NULL OR w.valid_to > p.state_on)
),
-- What each agency's initiatives of a period are, as the register said at its end.
initiative AS (
    SELECT
        a.period,
        a.period_from,
        a.state_on,
        a.kind,
        a.code,
        a.name,
        coalesce(bool_or(i.in_use_on BETWEEN a.period_from AND a.state_on AND i.evidence IS NOT NULL), false) AS is_in_use,
        coalesce(bool_or(i.status IN ('VH', 'HT')), false) AS says_in_use,
        coalesce(
            bool_or(
                i.in_use_on BETWEEN a.period_from AND a.state_on AND i.evidence IS NOT NULL AND EXISTS (
                    SELECT FROM input n
                    WHERE n.dataset = ANY (string_to_array(replace(i.datasets, ' ', ''), ';'))
                )
            ),
            false
        ) AS is_with_ours,
        coalesce(
            bool_or(i.in_use_on BETWEEN a.period_from AND a.state_on AND i.evidence IS NOT NULL AND i.from_warehouse = '1'),
            false
        ) AS says_with_ours
    FROM agency a
    LEFT JOIN governance.initiatives i ON i.valid_from <= a.state_on
        AND (i.valid_to IS NULL OR i.valid_to > a.state_on)
        AND CASE a.kind
            WHEN 'S' THEN i.agency_code = a.code
            WHEN 'X' THEN i.ward = a.code AND i.ward_valid_from = a.valid_from
            ELSE right(i.agency_name, length(a.name)) = a.name  -- a district has no code that the register would know
        END
    GROUP BY a.period, a.period_from, a.state_on, a.kind, a.code, a.name
),
-- The things that a measure counts, one by one.
item AS (
    SELECT
        'G1a' AS measure,
        to_char(i.last_period, 'YYYY-MM') AS period,
        current_date AS state_on,
        b.label,
        coalesce((SELECT bool_and(coalesce(g.is_in_time, false)) FROM given g WHERE g.database_code = b.database_code), false)
            AS is_there,
        b.has_contract = '1' AS is_claimed
    FROM live b
    JOIN input i ON i.dataset = 'governance.databases'
    WHERE b.data_group = '3'
    UNION ALL
    SELECT
        'G2d', to_char(i.last_period, 'YYYY-MM'), i.last_period, w.code || ' ' || w.name,
        EXISTS (SELECT FROM commune_told c WHERE c.ward = w.code AND c.ward_valid_from = w.valid_from), NULL
    FROM ref.ward w
    JOIN input i ON i.dataset = 'business.households'
    WHERE w.province_code = '79' AND w.valid_from <= i.last_period AND (w.valid_to IS NULL OR w.valid_to > i.last_period)
    UNION ALL
    SELECT 'G2e', to_char(i.last_period, 'YYYY'), i.last_period, to_char(m.month, 'MM/YYYY'), m.is_whole, NULL
    FROM voucher_month m
    JOIN input i ON i.dataset = 'budget.vouchers'
    UNION ALL
    SELECT
        'G2f', to_char(r.month, 'YYYY-MM'), i.last_period, p.project_code,
        EXISTS (
            SELECT FROM business.disbursements_current d WHERE d.project_code = p.project_code AND d.report_month = r.month
        ),
        NULL
    FROM business.projects_current p
    CROSS JOIN (SELECT max(d.report_month) AS month FROM business.disbursements_current d) r
    JOIN input i ON i.dataset = 'investment.disbursements'
    WHERE p.plan_of_year IS NOT NULL
    UNION ALL
    SELECT 'G3a', n.period, n.state_on, n.code || ' ' || n.name, n.is_in_use, n.says_in_use FROM initiative n
    UNION ALL
    SELECT 'G3b', n.period, n.state_on, n.code || ' ' || n.name, n.is_with_ours, n.says_with_ours
    FROM initiative n
    WHERE n.is_in_use
    UNION ALL
    SELECT
        v.measure, to_char(i.last_period, 'YYYY-MM'), i.last_period, b.label,
        CASE v.measure
            WHEN 'G4a' THEN b.hosting_place = 'TTDL_TP' AND b.moved_on IS NOT NULL
            WHEN 'G4n' THEN b.hosting_place IN ('TTDL_TP', 'TTDLQG')
            ELSE b.hosting_place = 'TTDL_TP' AND b.moved_on IS NOT NULL AND b.level_decision IS NOT NULL
                AND b.assessed_on > i.last_period - interval '12 months'
                AND b.restore_tested_on > i.last_period - interval '12 months'
        END,
        CASE v.measure
            WHEN 'G4a' THEN b.hosting_place = 'TTDL_TP'
            WHEN 'G4b' THEN b.hosting_place = 'TTDL_TP' AND b.security_level IS NOT NULL
        END
    FROM live b
    JOIN input i ON i.dataset = 'governance.databases'
    CROSS JOIN (VALUES ('G4a'), ('G4n'), ('G4b')) AS v (measure)
    WHERE b.tier = 'TP'
),
counted AS (
    SELECT
        i.measure,
        i.period,
        i.state_on,
        count(*) FILTER (WHERE i.is_there) AS numerator,
        count(*) AS denominator,
        CASE WHEN count(i.is_claimed) > 0 THEN count(*) FILTER (WHERE i.is_claimed) END AS claimed,
        string_agg(i.label, '; ' ORDER BY i.label) FILTER (WHERE i.is_there) AS present,
        string_agg(i.label, '; ' ORDER BY i.label) FILTER (WHERE i.is_there IS NOT TRUE) AS missing
    FROM item i
    GROUP BY i.measure, i.period, i.state_on
    UNION ALL
    SELECT
        'G1b', to_char(n.last_period, 'YYYY-MM'), n.last_period,
        count(l.ward), count(*), NULL, NULL, NULL
    FROM land.permits_current p
    LEFT JOIN (SELECT DISTINCT l.ward, l.ward_valid_from, l.sheet_no, l.parcel_no FROM land.parcels_current l) l
        ON l.ward = p.parcel_ward AND l.ward_valid_from = p.parcel_ward_valid_from AND l.sheet_no = p.parcel_sheet_no
        AND l.parcel_no = p.parcel_no
    JOIN input n ON n.dataset = 'land.permits'
    GROUP BY n.last_period
    UNION ALL
    SELECT
        'G1c', to_char(n.last_period, 'YYYY-MM'), n.last_period,
        count(*) FILTER (WHERE p.zone_grade <> 'none'), count(*), NULL, NULL, NULL
    FROM exact.land_parcel_today p
    JOIN input n ON n.dataset = 'land.parcels'
    GROUP BY n.last_period
    UNION ALL
    SELECT
        'G2a', to_char(n.last_period, 'YYYY-MM'), n.last_period,
        count(DISTINCT h.personal_id), count(DISTINCT r.personal_id), NULL, NULL, NULL
    FROM people.residents_current r
    LEFT JOIN people.health_records_current h ON h.personal_id = r.personal_id AND num_nonnulls(
        h.blood_group, h.allergies, h.chronic_conditions, h.last_checkup_on, h.height_cm, h.weight_kg, h.systolic,
        h.diastolic, h.glucose, h.smoker, h.vaccine_doses
    ) > 0
    JOIN input n ON n.dataset = 'police.residents'
    WHERE r.residence_kind IN ('TT', 'TTR')
    GROUP BY n.last_period
    UNION ALL
    SELECT
        'G2b', to_char(n.last_period, 'YYYY-MM'), n.last_period,
        count(r.personal_id) FILTER (WHERE a.decision_no IS NOT NULL), count(*), count(a.personal_id), NULL, NULL
    FROM people.assistance_current a
    LEFT JOIN (SELECT DISTINCT r.personal_id FROM people.residents_current r) r ON r.personal_id = a.personal_id
    JOIN input n ON n.dataset = 'social.assistance'
    WHERE a.from_month <= n.last_period AND (a.until_month IS NULL OR a.until_month > n.last_period)
    GROUP BY n.last_period
    UNION ALL
    SELECT
        'G2c', to_char(n.last_period, 'YYYY-MM'), n.last_period,
        count(*) FILTER (WHERE b.is_registered AND b.is_taxed), count(*), NULL, NULL, NULL
    FROM (
        SELECT k.code, bool_or(k.is_registered) AS is_registered, bool_or(NOT k.is_registered) AS is_taxed
        FROM (
            SELECT e.enterprise_code AS code, true AS is_registered
            FROM business.enterprises_current e
            WHERE e.status NOT IN ('CD', 'THT')
            UNION ALL
            SELECT h.household_code, true FROM business.households_current h WHERE h.status NOT IN ('CD', 'CDN', 'TH')
            UNION ALL
            SELECT t.tax_code, false
            FROM business.taxpayers_current t
            WHERE t.taxpayer_type IN ('1', '2') AND t.status = '00'
        ) k
        GROUP BY k.code
    ) b
    JOIN input n ON n.dataset = 'tax.taxpayers'
    GROUP BY n.last_period
),
-- Every measure has a row, and goal 3 one a period, whatever is known.
due AS (
    SELECT m.measure, p.period FROM measure m CROSS JOIN period p WHERE m.goal = 3
    UNION
    SELECT c.measure, c.period FROM counted c
    UNION
    SELECT m.measure, NULL
    FROM measure m
    WHERE m.goal <> 3 AND NOT EXISTS (SELECT FROM counted c WHERE c.measure = m.measure)
)
SELECT
    m.goal,
    g.goal_vi,
    g.goal_en,
    m.measure,
    d.period,
    m.title_vi,
    m.title_en,
    m.unit,
    CASE WHEN b.inputs_lacking IS NULL THEN c.numerator END AS numerator,
    CASE WHEN b.inputs_lacking IS NULL THEN c.denominator END AS denominator,
    CASE
        WHEN b.inputs_lacking IS NOT NULL THEN NULL
        WHEN m.unit = 'd' THEN (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY v.days_old) FROM given v)::numeric
        ELSE round(100.0 * c.numerator / nullif(c.denominator, 0), 1)
    END AS value,
    CASE WHEN b.inputs_lacking IS NULL THEN c.claimed END AS claimed,
    CASE WHEN b.inputs_lacking IS NULL THEN round(100.0 * c.claimed / nullif(c.denominator, 0), 1) END AS claimed_value,
    m.target_2025::numeric AS target_2025,
    NULL::numeric AS target_2030,
    m.numerator_vi,
    m.numerator_en,
    m.denominator_vi,
    m.denominator_en,
    m.claim_vi,
    m.claim_en,
    CASE WHEN b.inputs_lacking IS NULL THEN c.present END AS present,
    CASE WHEN b.inputs_lacking IS NULL THEN c.missing END AS missing,
    CASE m.unit WHEN 'd' THEN current_date ELSE c.state_on END AS state_on,
    b.told_until,
    array_to_string(m.inputs, ';') AS inputs,
    b.inputs_lacking,
    CASE
        WHEN b.inputs_lacking IS NOT NULL THEN 'inputs'
        WHEN m.goal = 3 AND c.denominator IS NULL THEN 'untold'
        WHEN m.unit = '%' AND coalesce(c.denominator, 0) = 0 THEN 'nothing'
        WHEN m.unit = 'd' AND NOT EXISTS (SELECT FROM given v WHERE v.days_old IS NOT NULL) THEN 'nothing'
    END AS reason
FROM due d
JOIN measure m ON m.measure = d.measure
JOIN goal g ON g.goal = m.goal
JOIN behind b ON b.measure = m.measure
LEFT JOIN counted c ON c.measure = d.measure AND c.period IS NOT DISTINCT FROM d.period;

CREATE UNIQUE INDEX ON scorecard (measure, period) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW scorecard IS
'Mỗi dòng: một chỉ số của bốn mục tiêu chiến lược dữ liệu và một kỳ; tử số, mẫu số, danh sách còn thiếu và độ mới. / One row a measure of the four goals of the data strategy and a period; numerator, denominator, what is missing, and how fresh it is.';
COMMENT ON COLUMN scorecard.goal IS 'Mục tiêu, từ 1 đến 4 / Goal, from 1 to 4';
COMMENT ON COLUMN scorecard.goal_vi IS 'Mục tiêu theo chiến lược / The goal in Vietnamese';
COMMENT ON COLUMN scorecard.goal_en IS 'The goal in English';
COMMENT ON COLUMN scorecard.measure IS 'Mã chỉ số / Code of the measure';
COMMENT ON COLUMN scorecard.period IS 'Kỳ: tháng, năm hoặc nửa năm 2025; trống: chưa tính được / Period: a month, a year, or a half of 2025; null: it cannot be computed';
COMMENT ON COLUMN scorecard.title_vi IS 'Tên chỉ số / Name in Vietnamese';
COMMENT ON COLUMN scorecard.title_en IS 'Name in English';
COMMENT ON COLUMN scorecard.unit IS '%: phần trăm; d: ngày / %: per cent; d: days';
COMMENT ON COLUMN scorecard.numerator IS 'Tử số do kho dữ liệu tự đếm / Numerator, as the warehouse counts it';
COMMENT ON COLUMN scorecard.denominator IS 'Mẫu số / Denominator';
COMMENT ON COLUMN scorecard.value IS 'Giá trị; trống: chưa có dữ liệu / Value; null: no data';
COMMENT ON COLUMN scorecard.claimed IS 'Tử số theo lời khai của các cơ quan / Numerator as the agencies say';
COMMENT ON COLUMN scorecard.claimed_value IS 'Giá trị theo lời khai, % / Value as the agencies say, in per cent';
COMMENT ON COLUMN scorecard.target_2025 IS 'Chỉ tiêu của chiến lược đến 2025 / Target of the strategy to 2025';
COMMENT ON COLUMN scorecard.target_2030 IS 'Chỉ tiêu của chiến lược 2026-2030; trống: kho chưa biết / Target of the strategy of 2026 to 2030; null: not known here';
COMMENT ON COLUMN scorecard.numerator_vi IS 'Tử số là gì / What the numerator is';
COMMENT ON COLUMN scorecard.numerator_en IS 'What the numerator is, in English';
COMMENT ON COLUMN scorecard.denominator_vi IS 'Mẫu số là gì / What the denominator is';
COMMENT ON COLUMN scorecard.denominator_en IS 'What the denominator is, in English';
COMMENT ON COLUMN scorecard.claim_vi IS 'Lời khai là gì / What the agencies say';
COMMENT ON COLUMN scorecard.claim_en IS 'What the agencies say, in English';
COMMENT ON COLUMN scorecard.present IS 'Danh sách đã đạt, cách nhau bởi dấu chấm phẩy / Those in the numerator, with semicolons';
COMMENT ON COLUMN scorecard.missing IS 'Danh sách còn thiếu, cách nhau bởi dấu chấm phẩy / Those that are missing, with semicolons';
COMMENT ON COLUMN scorecard.state_on IS 'Số liệu của ngày này / The day of which the figures are';
COMMENT ON COLUMN scorecard.told_until IS 'Kỳ mới nhất của nguồn chậm nhất / Last period of the input that is the furthest behind';
COMMENT ON COLUMN scorecard.inputs IS 'Bộ dữ liệu dùng để tính / Datasets that it is computed from';
COMMENT ON COLUMN scorecard.inputs_lacking IS 'Trong đó chưa có / Of these, those that never came';
COMMENT ON COLUMN scorecard.reason IS 'Vì sao chưa có giá trị: inputs, untold, nothing, geometry / Why there is no value: inputs, untold, nothing, geometry';
