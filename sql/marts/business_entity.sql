-- cells:
-- - {columns: [tax_status, is_taxed, insured_workers, is_insuring, is_declaring, is_booked, is_active, capital_band],
--    persons: _persons, at_least: 3, margins: [[kind]]}

-- Of an enterprise all of this is in public registers. A household business is a person: its number is the owner's
-- personal id, so it has none here, and what the tax office, the insurance and the treasury know of it is not shown.
--
-- Three numbers of "enterprises" stand side by side and must not be mixed: `is_registered` (the register has it, and has
-- not ended it), `is_taxed` (a tax code in state 00), `is_active` (a declaration, insured workers or money booked by the
-- treasury within the last twelve months that these tell of). What a dataset that never came would say is empty;
-- `inputs_lacking` names it. Where a branch has no tax code of its own, its workers are at the head office.
--
-- An industry of 2018 has a class of 2025 only where it became that one; its section only where all that it became lie in
-- one. `industry_grade`: own (a code of 2025); bridge (of 2018, became one class); several (of 2018, became several, of
-- which none is taken); same_number (of 2018, and 2025 has the number too: many of these lost a part to another class, and
-- a few numbers mean another class, so none is taken; the section is that of the number's division, which stayed);
-- unknown (2025 has no such number, and no bridge leads from it).
CREATE MATERIALIZED VIEW business_entity AS
WITH known AS (
    SELECT * FROM (VALUES
        ('budget.vouchers'), ('business.enterprises'), ('business.households'), ('insurance.contributions'),
        ('tax.declarations'), ('tax.taxpayers')
    ) AS listed (dataset)
),
input AS (
    SELECT k.dataset, (max(d.as_of) + max(s.frequency))::date - 1 AS until
    FROM known k
    JOIN ops.delivery d ON d.dataset = k.dataset AND d.loaded_at IS NOT NULL
    JOIN ops.schedule s ON s.dataset = k.dataset
    GROUP BY k.dataset
),
come AS (
    SELECT
        coalesce(array_agg(i.dataset), '{}') AS datasets,
        max(i.until) FILTER (WHERE i.dataset IN ('business.enterprises', 'business.households')) AS state_on,
        max(i.until) FILTER (WHERE i.dataset = 'tax.declarations') AS declared_until,
        max(i.until) FILTER (WHERE i.dataset = 'insurance.contributions') AS insured_until,
        max(i.until) FILTER (WHERE i.dataset = 'budget.vouchers') AS booked_until
    FROM input i
),
lacking AS (
    SELECT string_agg(k.dataset, ';' ORDER BY k.dataset) AS datasets
    FROM known k
    WHERE NOT EXISTS (SELECT FROM input i WHERE i.dataset = k.dataset)
),
-- The registers of businesses own what both they and the tax office say.
named AS (
    SELECT
        e.enterprise_code AS code,
        CASE WHEN e.parent_code IS NULL THEN 'DN' ELSE 'DV' END AS kind,
        e.status AS registration_status,
        e.main_industry AS industry,
        e.vsic_version,
        e.ward,
        e.ward_valid_from,
        e.registered_on,
        e.dissolved_on AS ended_on,
        e.charter_capital AS capital,
        1 AS rank
    FROM business.enterprises_current e
    UNION ALL
    SELECT
        h.household_code, 'HKD', h.status, h.main_industry,
        CASE WHEN h.registered_on >= (SELECT v.valid_from FROM ref.vsic_section v WHERE v.version = '2025' LIMIT 1)
            THEN '2025' ELSE '2018' END,
        h.ward, h.ward_valid_from, h.registered_on, h.ended_on, h.capital, 2
    FROM business.households_current h
    UNION ALL
    SELECT
        t.tax_code,
        CASE WHEN t.taxpayer_type = '2' THEN 'HKD' WHEN length(t.tax_code) > 10 THEN 'DV' ELSE 'DN' END,
        NULL, t.vsic_code, t.vsic_version, t.address_ward, t.address_ward_valid_from, t.registered_on, t.closed_on,
        t.registered_capital, 3
    FROM business.taxpayers_current t
    WHERE t.taxpayer_type IN ('1', '2')
),
entity AS (
    SELECT DISTINCT ON (n.code) n.* FROM named n ORDER BY n.code, n.rank
),
became AS (
    SELECT c.industry, c.vsic_version, coalesce(b.new_code, c.industry) AS new_code, b.new_code IS NOT NULL AS is_bridged
    FROM (SELECT DISTINCT coalesce(e.industry, '') AS industry, coalesce(e.vsic_version, '') AS vsic_version FROM entity e) c
    LEFT JOIN ref.code_bridge b ON b.old_list = 'vsic' AND b.new_list = 'vsic' AND b.old_code = c.industry
        AND c.vsic_version = '2018'
),
industry AS (
    SELECT
        b.industry,
        b.vsic_version,
        CASE
            WHEN bool_or(p.code IS NULL) THEN 'unknown'
            WHEN NOT bool_or(b.is_bridged) THEN CASE b.vsic_version WHEN '2025' THEN 'own' ELSE 'same_number' END
            WHEN count(*) = 1 THEN 'bridge'
            ELSE 'several'
        END AS grade,
        CASE
            WHEN count(*) = 1 AND count(p.code) = 1 AND (bool_or(b.is_bridged) OR b.vsic_version = '2025') THEN min(p.code)
        END AS industry_2025,
        CASE WHEN count(s.section) = count(*) AND min(s.section) = max(s.section) THEN min(s.section) END AS section_2025
    FROM became b
    LEFT JOIN ref.code_period p ON p.list = 'vsic' AND p.code = b.new_code AND p.valid_to IS NULL
    LEFT JOIN ref.vsic_section s ON s.version = '2025' AND left(p.code, 2) BETWEEN s.first_division AND s.last_division
    GROUP BY b.industry, b.vsic_version
),
declared AS (
    SELECT d.tax_code AS code, max(d.declared_on) AS last_on
    FROM business.declarations_current d
    GROUP BY d.tax_code
),
insured AS (
    SELECT c.employer_tax_code AS code, c.contribution_month AS last_month, count(DISTINCT c.personal_id) AS workers
    FROM people.contributions_current c
    WHERE c.entry_kind = 'BT'
        AND c.contribution_month = (
            SELECT max(m.contribution_month) FROM people.contributions_current m WHERE m.entry_kind = 'BT'
        )
    GROUP BY c.employer_tax_code, c.contribution_month
),
booked AS (
    SELECT v.tax_code AS code, max(v.posted_on) AS last_on
    FROM business.budget_vouchers_current v
    WHERE v.tax_code IS NOT NULL AND v.direction = 'T'
    GROUP BY v.tax_code
),
found AS (
    SELECT
        e.*,
        k.state_on,
        CASE WHEN k.datasets && ARRAY['business.enterprises', 'business.households'] THEN
            e.registration_status IS NOT NULL AND e.registration_status NOT IN ('CD', 'CDN', 'TH', 'THT')
        END AS is_registered,
        t.status AS tax_status,
        CASE WHEN 'tax.taxpayers' = ANY (k.datasets) THEN coalesce(t.status = '00', false) END AS is_taxed,
        CASE WHEN 'insurance.contributions' = ANY (k.datasets) THEN coalesce(i.workers, 0) END AS workers,
        CASE WHEN 'tax.declarations' = ANY (k.datasets)
            THEN coalesce(d.last_on > k.declared_until - 365, false) END AS is_declaring,
        CASE WHEN 'budget.vouchers' = ANY (k.datasets)
            THEN coalesce(b.last_on > k.booked_until - 365, false) END AS is_booked
    FROM entity e
    CROSS JOIN come k
    LEFT JOIN business.taxpayers_current t ON t.tax_code = e.code
    LEFT JOIN insured i ON i.code = e.code
    LEFT JOIN declared d ON d.code = e.code
    LEFT JOIN booked b ON b.code = e.code
)
SELECT
    f.kind,
    CASE WHEN f.kind <> 'HKD' THEN f.code END AS code,
    u.ward,
    u.ward_valid_from,
    w.name AS ward_name,
    f.registered_on,
    f.ended_on,
    f.registration_status,
    f.is_registered,
    f.tax_status,
    f.is_taxed,
    CASE
        WHEN f.workers = 0 THEN '0'
        WHEN f.workers < 10 THEN '1-9'
        WHEN f.workers < 50 THEN '10-49'
        WHEN f.workers < 200 THEN '50-199'
        WHEN f.workers >= 200 THEN '200+'
    END AS insured_workers,
    f.workers > 0 AS is_insuring,
    f.is_declaring,
    f.is_booked,
    f.is_declaring OR f.workers > 0 OR f.is_booked AS is_active,
    CASE
        WHEN f.capital < 1000000000 THEN '< 1'
        WHEN f.capital < 10000000000 THEN '1-10'
        WHEN f.capital < 100000000000 THEN '10-100'
        WHEN f.capital >= 100000000000 THEN '100+'
    END AS capital_band,
    f.industry,
    f.vsic_version,
    i.grade AS industry_grade,
    i.industry_2025,
    i.section_2025,
    s.name_vi AS section_vi,
    s.name_en AS section_en,
    f.state_on,
    l.datasets AS inputs_lacking,
    f.code AS _code,
    CASE f.kind WHEN 'HKD' THEN 1 ELSE 0 END AS _persons
FROM found f
CROSS JOIN lacking l
LEFT JOIN industry i ON i.industry = coalesce(f.industry, '') AND i.vsic_version = coalesce(f.vsic_version, '')
LEFT JOIN ref.vsic_section s ON s.version = '2025' AND s.section = i.section_2025
LEFT JOIN ref.ward_now u ON u.code = f.ward AND u.valid_from = f.ward_valid_from
LEFT JOIN ref.ward w ON w.code = u.ward AND w.valid_from = u.ward_valid_from;

CREATE UNIQUE INDEX ON business_entity (_code);

COMMENT ON MATERIALIZED VIEW business_entity IS
'Mỗi dòng: một doanh nghiệp, đơn vị phụ thuộc hoặc hộ kinh doanh mà sổ đăng ký hoặc cơ quan thuế biết; các sổ nói gì về nó. / One row an enterprise, dependent unit or household business that a register or the tax office knows; what the registers say of it.';
COMMENT ON COLUMN business_entity.kind IS 'DN: doanh nghiệp; DV: đơn vị phụ thuộc; HKD: hộ kinh doanh / DN: enterprise; DV: dependent unit; HKD: household business';
COMMENT ON COLUMN business_entity.code IS 'Mã số; trống với hộ kinh doanh, vì đó là số định danh của chủ hộ / Number; null for a household business, for it is the owner''s personal id';
COMMENT ON COLUMN business_entity.ward IS 'Mã đơn vị hiện nay của trụ sở, hoặc đơn vị cũ nếu đã bị chia / Unit of today of its seat, or the old one where that was divided';
COMMENT ON COLUMN business_entity.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN business_entity.ward_name IS 'Tên đơn vị / Name of the unit';
COMMENT ON COLUMN business_entity.registered_on IS 'Ngày đăng ký / Day of registration';
COMMENT ON COLUMN business_entity.ended_on IS 'Ngày chấm dứt / Day on which it ended';
COMMENT ON COLUMN business_entity.registration_status IS 'Tình trạng trong sổ đăng ký; trống: sổ không có / Status in the register; null: it is not in it';
COMMENT ON COLUMN business_entity.is_registered IS 'Có trong sổ đăng ký và chưa chấm dứt / In the register, and not ended';
COMMENT ON COLUMN business_entity.tax_status IS 'Tình trạng tại cơ quan thuế; trống: không có mã số thuế / Status at the tax office; null: it has no tax code';
COMMENT ON COLUMN business_entity.is_taxed IS 'Mã số thuế đang hoạt động (00) / Tax code in state 00';
COMMENT ON COLUMN business_entity.insured_workers IS 'Số lao động đóng BHXH tháng gần nhất, theo nhóm / Workers insured in the last month that was told, in bands';
COMMENT ON COLUMN business_entity.is_insuring IS 'Có lao động đóng BHXH / Insures somebody';
COMMENT ON COLUMN business_entity.is_declaring IS 'Có tờ khai thuế trong 12 tháng / Declared tax within twelve months';
COMMENT ON COLUMN business_entity.is_booked IS 'Kho bạc ghi thu trong 12 tháng / The treasury booked revenue from it within twelve months';
COMMENT ON COLUMN business_entity.is_active IS 'Có tờ khai, lao động hoặc khoản thu trong 12 tháng / Declared, insured or paid within twelve months';
COMMENT ON COLUMN business_entity.capital_band IS 'Vốn, tỷ đồng, theo nhóm / Capital in bands of billion VND';
COMMENT ON COLUMN business_entity.industry IS 'Ngành chính như đã khai / Main industry as declared';
COMMENT ON COLUMN business_entity.vsic_version IS 'Phiên bản ngành của mã đó / Version of VSIC that the code is of';
COMMENT ON COLUMN business_entity.industry_grade IS 'Cách có ngành 2025: own, same_number, bridge, several, unknown / How the industry of 2025 was found: own, same_number, bridge, several, unknown';
COMMENT ON COLUMN business_entity.industry_2025 IS 'Ngành theo VSIC 2025; trống nếu không chắc / Class of VSIC 2025; null where it is not certain';
COMMENT ON COLUMN business_entity.section_2025 IS 'Ngành cấp 1 theo VSIC 2025; trống nếu không chắc / Section of VSIC 2025; null where it is not certain';
COMMENT ON COLUMN business_entity.section_vi IS 'Tên ngành cấp 1 / Name of the section in Vietnamese';
COMMENT ON COLUMN business_entity.section_en IS 'Name of the section in English';
COMMENT ON COLUMN business_entity.state_on IS 'Ngày mà sổ đăng ký đã nói tới / The last day that the registers of businesses tell of';
COMMENT ON COLUMN business_entity.inputs_lacking IS 'Bộ dữ liệu chưa có, cách nhau bởi dấu chấm phẩy / Datasets that never came, with semicolons';
