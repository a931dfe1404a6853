-- cells:
-- - {columns: [insured_workers, wage_fund_vnd],
--    persons: _fewest_workers, at_least: 10, margins: [[month, section_2025, kind], [month, ward, ward_valid_from, kind]]}
-- - {columns: [taxpayers, revenue_vnd, tax_due_vnd, tax_paid_vnd, tax_owed_vnd],
--    persons: taxpayers, at_least: 3, share: _largest_share,
--    margins: [[month, section_2025, kind], [month, ward, ward_valid_from, kind]]}
-- - {columns: [booked_vnd],
--    persons: _booked, at_least: 3, share: _largest_booked,
--    margins: [[month, section_2025, kind], [month, ward, ward_valid_from, kind]]}
-- - {columns: [fines_vnd],
--    persons: _fined, at_least: 3, share: _largest_fine,
--    margins: [[month, section_2025, kind], [month, ward, ward_valid_from, kind]]}

-- What the registers of enterprises and household businesses say is counted in the ward and industry of that day; what
-- the tax office, the insurance and the treasury say of a business, in the ward and industry that the registers have for
-- it last. Whom the registers do not know, as persons who pay tax, is in the row without a kind: nothing is lost. How
-- many businesses there are is public and shown; amounts of few taxpayers, or mostly of one, are not.
--
-- Sections are those of VSIC 2025. An industry of 2018 is carried there only where all that it became lie in one section,
-- or where 2025 has its number too, by the number's division, which stayed in one; else the section is empty, and nothing
-- is estimated. Letters moved in 2025: L was real estate and is finance.
--
-- `living`, `suspended` (of these) are of the day `state_on`; `born`, `ended`, `came_back` happened in the month. Revenue
-- of several declarations of one taxpayer for one thing is added up as the tax office keeps them, and revenue by kind of
-- tax differs by design. The thirteen last months since the registers first came are here.
CREATE MATERIALIZED VIEW business_ward_month AS
WITH known AS (
    SELECT * FROM (VALUES
        ('budget.vouchers'), ('business.enterprises'), ('business.households'), ('insurance.contributions'),
        ('justice.violations'), ('tax.declarations')
    ) AS listed (dataset)
),
input AS (
    SELECT
        k.dataset,
        CASE
            WHEN max(s.frequency) < interval '28 days' THEN min(d.as_of)
            ELSE (min(d.as_of) - max(s.frequency))::date + 1
        END AS since,
        (max(d.as_of) + max(s.frequency))::date - 1 AS until
    FROM known k
    JOIN ops.delivery d ON d.dataset = k.dataset AND d.loaded_at IS NOT NULL
    JOIN ops.schedule s ON s.dataset = k.dataset
    GROUP BY k.dataset
),
span AS (
    SELECT
        date_trunc('month', min(i.since)::timestamp) AS first_month,
        date_trunc('month', max(i.until)::timestamp) AS last_month,
        max(i.until) AS until
    FROM input i
    WHERE i.dataset IN ('business.enterprises', 'business.households')
),
month AS (
    SELECT
        g.month::date AS month,
        least((g.month + interval '1 month')::date - 1, s.until) AS state_on
    FROM span s
    CROSS JOIN LATERAL generate_series(
        greatest(s.first_month, s.last_month - interval '12 months'), s.last_month, interval '1 month'
    ) AS g (month)
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
    LEFT JOIN input i ON i.dataset = k.dataset AND i.until >= m.state_on AND i.since <= m.month
    WHERE i.dataset IS NULL
    GROUP BY m.month
),
version AS (
    SELECT
        e.enterprise_code AS code,
        CASE WHEN e.parent_code IS NULL THEN 'DN' ELSE 'DV' END AS kind,
        e.status,
        e.main_industry AS industry,
        e.vsic_version,
        e.ward,
        e.ward_valid_from,
        e.registered_on,
        e.dissolved_on AS ended_on,
        e.valid_from,
        e.valid_to
    FROM business.enterprises e
    UNION ALL
    SELECT
        h.household_code, 'HKD', h.status, h.main_industry,
        CASE WHEN h.registered_on >= (SELECT v.valid_from FROM ref.vsic_section v WHERE v.version = '2025' LIMIT 1)
            THEN '2025' ELSE '2018' END,
        h.ward, h.ward_valid_from, h.registered_on, h.ended_on, h.valid_from, h.valid_to
    FROM business.households h
),
became AS (
    SELECT c.industry, c.vsic_version, coalesce(b.new_code, c.industry) AS new_code
    FROM (SELECT DISTINCT v.industry, v.vsic_version FROM version v) c
    LEFT JOIN ref.code_bridge b ON b.old_list = 'vsic' AND b.new_list = 'vsic' AND b.old_code = c.industry
        AND c.vsic_version = '2018'
),
industry AS (
    SELECT
        b.industry,
        b.vsic_version,
        CASE WHEN count(s.section) = count(*) AND min(s.section) = max(s.section) THEN min(s.section) END AS section_2025
    FROM became b
    LEFT JOIN ref.code_period p ON p.list = 'vsic' AND p.code = b.new_code AND p.valid_to IS NULL
    LEFT JOIN ref.vsic_section s ON s.version = '2025' AND left(p.code, 2) BETWEEN s.first_division AND s.last_division
    GROUP BY b.industry, b.vsic_version
),
placed AS (
    SELECT
        v.code,
        v.kind,
        v.status,
        lag(v.status) OVER (PARTITION BY v.kind, v.code ORDER BY v.valid_from) AS status_before,
        v.registered_on,
        v.ended_on,
        v.valid_from,
        v.valid_to,
        u.ward,
        u.ward_valid_from,
        i.section_2025
    FROM version v
    LEFT JOIN industry i ON i.industry = v.industry AND i.vsic_version = v.vsic_version
    LEFT JOIN ref.ward_now u ON u.code = v.ward AND u.valid_from = v.ward_valid_from
),
entity AS (
    SELECT DISTINCT ON (p.code) p.code, p.kind, p.ward, p.ward_valid_from, p.section_2025
    FROM placed p
    ORDER BY p.code, p.kind, p.valid_from DESC
),
-- How many businesses: a row each in which it is so.
business AS (
    SELECT m.month, p.ward, p.ward_valid_from, p.section_2025, p.kind, 'living' AS measure
    FROM placed p
    JOIN month m ON p.valid_from <= m.state_on AND (p.valid_to IS NULL OR p.valid_to > m.state_on)
        AND p.registered_on <= m.state_on
    WHERE p.status NOT IN ('CD', 'CDN', 'TH', 'THT')
    UNION ALL
    SELECT m.month, p.ward, p.ward_valid_from, p.section_2025, p.kind, 'suspended'
    FROM placed p
    JOIN month m ON p.valid_from <= m.state_on AND (p.valid_to IS NULL OR p.valid_to > m.state_on)
    WHERE p.status = 'TN'
    UNION ALL
    SELECT m.month, p.ward, p.ward_valid_from, p.section_2025, p.kind, 'born'
    FROM placed p
    JOIN month m ON p.registered_on BETWEEN m.month AND m.state_on
    WHERE p.valid_to IS NULL
    UNION ALL
    SELECT m.month, p.ward, p.ward_valid_from, p.section_2025, p.kind, 'ended'
    FROM placed p
    JOIN month m ON p.ended_on BETWEEN m.month AND m.state_on
    WHERE p.valid_to IS NULL
    UNION ALL
    SELECT m.month, p.ward, p.ward_valid_from, p.section_2025, p.kind, 'came_back'
    FROM placed p
    JOIN month m ON p.valid_from BETWEEN m.month AND m.state_on
    WHERE p.status = 'HD' AND p.status_before = 'TN'
),
counted AS (
    SELECT
        b.month, b.ward, b.ward_valid_from, b.section_2025, b.kind,
        count(*) FILTER (WHERE b.measure = 'living') AS living,
        count(*) FILTER (WHERE b.measure = 'suspended') AS suspended,
        count(*) FILTER (WHERE b.measure = 'born') AS born,
        count(*) FILTER (WHERE b.measure = 'ended') AS ended,
        count(*) FILTER (WHERE b.measure = 'came_back') AS came_back
    FROM business b
    GROUP BY 1, 2, 3, 4, 5
),
-- What others say of a business in a month.
said AS (
    SELECT
        date_trunc('month', d.declared_on)::date AS month, d.tax_code AS code, sum(d.revenue) AS revenue,
        sum(d.tax_due) AS due, sum(d.tax_paid) AS paid, NULL::numeric AS booked, NULL::numeric AS fines,
        NULL::bigint AS workers, NULL::numeric AS wages
    FROM business.declarations_current d
    GROUP BY 1, 2
    UNION ALL
    SELECT date_trunc('month', v.posted_on)::date, v.tax_code, NULL, NULL, NULL, sum(v.amount), NULL, NULL, NULL
    FROM business.budget_vouchers_current v
    WHERE v.direction = 'T' AND v.tax_code IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT date_trunc('month', o.decision_date)::date, o.tax_code, NULL, NULL, NULL, NULL, sum(o.fine), NULL, NULL
    FROM people.violations_current o
    WHERE o.tax_code IS NOT NULL AND o.fine IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT
        c.contribution_month, c.employer_tax_code, NULL, NULL, NULL, NULL, NULL, count(DISTINCT c.personal_id),
        sum(c.wage_base)
    FROM people.contributions_current c
    WHERE c.entry_kind = 'BT'
    GROUP BY 1, 2
),
of_entity AS (
    SELECT
        m.month,
        a.code,
        sum(a.revenue) AS revenue,
        sum(a.due) AS due,
        sum(a.paid) AS paid,
        sum(a.booked) AS booked,
        sum(a.fines) AS fines,
        sum(a.workers) AS workers,
        sum(a.wages) AS wages
    FROM said a
    JOIN month m ON m.month = a.month
    GROUP BY m.month, a.code
),
summed AS (
    SELECT
        a.month, e.ward, e.ward_valid_from, e.section_2025, e.kind,
        count(a.due) AS taxpayers,
        sum(a.revenue) AS revenue,
        sum(a.due) AS due,
        sum(a.paid) AS paid,
        sum(a.booked) AS booked,
        sum(a.fines) AS fines,
        sum(a.workers)::bigint AS workers,
        sum(a.wages) AS wages,
        count(a.booked) AS bookers,
        count(a.fines) AS fined,
        greatest(
            max(a.revenue) / nullif(sum(a.revenue), 0), max(a.due) / nullif(sum(a.due), 0),
            max(a.paid) / nullif(sum(a.paid), 0)
        )::float AS largest_share,
        (max(a.booked) / nullif(sum(a.booked), 0))::float AS largest_booked,
        (max(a.fines) / nullif(sum(a.fines), 0))::float AS largest_fine
    FROM of_entity a
    LEFT JOIN entity e ON e.code = a.code
    GROUP BY 1, 2, 3, 4, 5
),
-- One row a cell: an unknown ward, section or kind is one, too.
cell AS (
    SELECT
        b.month, b.ward, b.ward_valid_from, b.section_2025, b.kind,
        sum(b.living)::bigint AS living,
        sum(b.suspended)::bigint AS suspended,
        sum(b.born)::bigint AS born,
        sum(b.ended)::bigint AS ended,
        sum(b.came_back)::bigint AS came_back,
        coalesce(sum(b.taxpayers), 0)::bigint AS taxpayers,
        coalesce(sum(b.revenue), 0) AS revenue,
        coalesce(sum(b.due), 0) AS due,
        coalesce(sum(b.paid), 0) AS paid,
        coalesce(sum(b.booked), 0) AS booked,
        coalesce(sum(b.fines), 0) AS fines,
        coalesce(sum(b.workers), 0)::bigint AS workers,
        coalesce(sum(b.wages), 0) AS wages,
        coalesce(sum(b.bookers), 0)::bigint AS bookers,
        coalesce(sum(b.fined), 0)::bigint AS fined,
        max(b.largest_share) AS largest_share,
        max(b.largest_booked) AS largest_booked,
        max(b.largest_fine) AS largest_fine
    FROM (
        SELECT
            c.*, NULL::bigint AS taxpayers, NULL::numeric AS revenue, NULL::numeric AS due, NULL::numeric AS paid,
            NULL::numeric AS booked, NULL::numeric AS fines, NULL::bigint AS workers, NULL::numeric AS wages,
            NULL::bigint AS bookers, NULL::bigint AS fined, NULL::float AS largest_share,
            NULL::float AS largest_booked, NULL::float AS largest_fine
        FROM counted c
        UNION ALL
        SELECT
            s.month, s.ward, s.ward_valid_from, s.section_2025, s.kind, 0, 0, 0, 0, 0, s.taxpayers, s.revenue, s.due,
            s.paid, s.booked, s.fines, s.workers, s.wages, s.bookers, s.fined, s.largest_share, s.largest_booked,
            s.largest_fine
        FROM summed s
    ) b
    GROUP BY 1, 2, 3, 4, 5
)
SELECT
    p.ward,
    p.ward_valid_from,
    w.name AS ward_name,
    p.section_2025,
    v.name_vi AS section_vi,
    v.name_en AS section_en,
    p.kind,
    p.month,
    m.state_on,
    l.datasets AS inputs_lacking,
    p.living,
    p.suspended,
    p.born,
    p.ended,
    p.came_back,
    CASE WHEN 'insurance.contributions' = ANY (k.datasets) THEN p.workers END AS insured_workers,
    CASE WHEN 'insurance.contributions' = ANY (k.datasets) THEN p.wages END AS wage_fund_vnd,
    CASE WHEN 'tax.declarations' = ANY (k.datasets) THEN p.taxpayers END AS taxpayers,
    CASE WHEN 'tax.declarations' = ANY (k.datasets) THEN p.revenue END AS revenue_vnd,
    CASE WHEN 'tax.declarations' = ANY (k.datasets) THEN p.due END AS tax_due_vnd,
    CASE WHEN 'tax.declarations' = ANY (k.datasets) THEN p.paid END AS tax_paid_vnd,
    CASE WHEN 'tax.declarations' = ANY (k.datasets) THEN p.due - p.paid END AS tax_owed_vnd,
    CASE WHEN 'budget.vouchers' = ANY (k.datasets) THEN p.booked END AS booked_vnd,
    CASE WHEN 'justice.violations' = ANY (k.datasets) THEN p.fines END AS fines_vnd,
    p.workers AS _fewest_workers,
    p.largest_share AS _largest_share,
    p.bookers AS _booked,
    p.largest_booked AS _largest_booked,
    p.fined AS _fined,
    p.largest_fine AS _largest_fine
FROM cell p
JOIN month m ON m.month = p.month
JOIN come k ON k.month = p.month
LEFT JOIN lacking l ON l.month = p.month
LEFT JOIN ref.ward w ON w.code = p.ward AND w.valid_from = p.ward_valid_from
LEFT JOIN ref.vsic_section v ON v.version = '2025' AND v.section = p.section_2025;

CREATE UNIQUE INDEX ON business_ward_month (ward, ward_valid_from, section_2025, kind, month) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW business_ward_month IS
'Mỗi dòng: một đơn vị cấp xã, một ngành cấp 1 (VSIC 2025), một loại hình và một tháng; cơ sở kinh doanh, lao động, thuế. / One row a commune-level unit, section of VSIC 2025, kind of business and month; businesses, insured workers, taxes.';
COMMENT ON COLUMN business_ward_month.ward IS 'Mã đơn vị hiện nay, hoặc đơn vị cũ nếu đã bị chia; trống: không rõ / Unit of today, or the old one where that was divided; null: not known';
COMMENT ON COLUMN business_ward_month.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN business_ward_month.ward_name IS 'Tên đơn vị / Name of the unit';
COMMENT ON COLUMN business_ward_month.section_2025 IS 'Ngành cấp 1 theo VSIC 2025; trống: không chắc / Section of VSIC 2025; null: not certain';
COMMENT ON COLUMN business_ward_month.section_vi IS 'Tên ngành cấp 1 / Name of the section in Vietnamese';
COMMENT ON COLUMN business_ward_month.section_en IS 'Name of the section in English';
COMMENT ON COLUMN business_ward_month.kind IS 'DN: doanh nghiệp; DV: đơn vị phụ thuộc; HKD: hộ kinh doanh; trống: sổ đăng ký không có / DN: enterprise; DV: dependent unit; HKD: household business; null: in no register of businesses';
COMMENT ON COLUMN business_ward_month.month IS 'Tháng / First day of the month';
COMMENT ON COLUMN business_ward_month.state_on IS 'Số cơ sở đang hoạt động là của ngày này / The day of which living and suspended are';
COMMENT ON COLUMN business_ward_month.inputs_lacking IS 'Bộ dữ liệu chưa có đủ cho tháng này, cách nhau bởi dấu chấm phẩy / Datasets that do not tell of the whole month yet, with semicolons';
COMMENT ON COLUMN business_ward_month.living IS 'Cơ sở chưa chấm dứt, kể cả tạm ngừng / Businesses that have not ended, with the suspended ones';
COMMENT ON COLUMN business_ward_month.suspended IS 'Trong đó tạm ngừng / Of these suspended';
COMMENT ON COLUMN business_ward_month.born IS 'Đăng ký mới trong tháng / Registered in the month';
COMMENT ON COLUMN business_ward_month.ended IS 'Chấm dứt trong tháng / Ended in the month';
COMMENT ON COLUMN business_ward_month.came_back IS 'Hoạt động trở lại trong tháng / Back from a suspension in the month';
COMMENT ON COLUMN business_ward_month.insured_workers IS 'Lao động đóng BHXH, tính tại nơi của người sử dụng lao động / Workers insured for the month, at their employer''s';
COMMENT ON COLUMN business_ward_month.wage_fund_vnd IS 'Quỹ lương đóng BHXH, đồng / Their wages that count for the insurance, VND';
COMMENT ON COLUMN business_ward_month.taxpayers IS 'Số người nộp tờ khai / Different taxpayers who declared';
COMMENT ON COLUMN business_ward_month.revenue_vnd IS 'Doanh thu trên tờ khai, đồng / Revenue declared, VND';
COMMENT ON COLUMN business_ward_month.tax_due_vnd IS 'Thuế phải nộp, đồng / Tax due, VND';
COMMENT ON COLUMN business_ward_month.tax_paid_vnd IS 'Thuế đã nộp theo tờ khai, đồng / Tax paid by the declarations, VND';
COMMENT ON COLUMN business_ward_month.tax_owed_vnd IS 'Thuế còn nợ, đồng / Due less paid, VND';
COMMENT ON COLUMN business_ward_month.booked_vnd IS 'Kho bạc ghi thu, đồng / Revenue that the treasury booked, VND';
COMMENT ON COLUMN business_ward_month.fines_vnd IS 'Tiền phạt theo quyết định, đồng / Fines by decision in the month, VND';
