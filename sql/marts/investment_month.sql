-- cells: []

-- Of no persons. A rate says of which plan it is: the Prime Minister's (`plan_pm_vnd`), or the council's with what was
-- added in the year (`plan_council_vnd`, `supplement_vnd`). What was extended from the year before has a row of its own
-- kind of plan. A year runs to the January after it. Sources of one project are added up.
--
-- `paid_vnd` is what the report says, `booked_vnd` what the treasury's vouchers of that project and month say: the claim
-- stands beside the account. A project with a plan for the year that the month's report leaves out has a row with
-- `is_reported` false and nothing paid: the list of what is missing.
--
-- The class of an obstacle is read from its words: MB (site clearance), TK (design), NT (acceptance of work), KHAC.
CREATE MATERIALIZED VIEW investment_month AS
WITH known AS (
    SELECT * FROM (VALUES ('budget.vouchers'), ('investment.disbursements'), ('investment.projects')) AS listed (dataset)
),
input AS (
    SELECT k.dataset, (max(d.as_of) + max(s.frequency))::date - 1 AS until
    FROM known k
    JOIN ops.delivery d ON d.dataset = k.dataset AND d.loaded_at IS NOT NULL
    JOIN ops.schedule s ON s.dataset = k.dataset
    GROUP BY k.dataset
),
come AS (
    SELECT coalesce(array_agg(i.dataset), '{}') AS datasets FROM input i
),
lacking AS (
    SELECT string_agg(k.dataset, ';' ORDER BY k.dataset) AS datasets
    FROM known k
    WHERE NOT EXISTS (SELECT FROM input i WHERE i.dataset = k.dataset)
),
reported AS (
    SELECT
        d.project_code,
        d.plan_year,
        d.plan_kind,
        d.report_month AS month,
        sum(d.plan_pm) AS plan_pm,
        sum(d.plan_council) AS plan_council,
        sum(d.supplement) AS supplement,
        sum(d.paid_month) AS paid,
        sum(d.paid_cumulative) AS so_far,
        sum(d.advance) AS advance,
        sum(d.advance_recovered) AS recovered,
        string_agg(DISTINCT d.obstacle, '; ' ORDER BY d.obstacle) AS obstacle
    FROM business.disbursements_current d
    GROUP BY 1, 2, 3, 4
),
month AS (
    SELECT DISTINCT r.month, to_char(r.month, 'YYYY') AS plan_year FROM reported r
),
-- Those that the plan of the year has, and the month's report has not.
missing AS (
    SELECT p.project_code, m.plan_year, m.month
    FROM business.projects p
    JOIN month m ON p.valid_from <= (m.month + interval '1 month')::date - 1
        AND (p.valid_to IS NULL OR p.valid_to > (m.month + interval '1 month')::date - 1)
    WHERE p.plan_of_year IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM reported r
            WHERE r.project_code = p.project_code AND r.month = m.month AND r.plan_kind = 'KH'
        )
),
line AS (
    SELECT r.*, true AS is_reported FROM reported r
    UNION ALL
    SELECT
        m.project_code, m.plan_year, 'KH', m.month, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false
    FROM missing m
),
booked AS (
    SELECT v.project_code, date_trunc('month', v.posted_on::timestamp)::date AS month, sum(v.amount) AS amount
    FROM business.budget_vouchers_current v
    WHERE v.project_code IS NOT NULL AND v.direction = 'C'
    GROUP BY 1, 2
)
SELECT
    l.project_code,
    p.name AS project_name,
    p.owner_code,
    p.owner_name,
    p.field,
    p.project_group,
    p.status,
    p.due_on,
    p.project_code IS NOT NULL AS is_known,
    l.plan_year,
    l.plan_kind,
    l.month,
    l.is_reported,
    l.plan_pm AS plan_pm_vnd,
    l.plan_council AS plan_council_vnd,
    l.supplement AS supplement_vnd,
    l.paid AS paid_vnd,
    l.so_far AS so_far_vnd,
    l.advance AS advance_vnd,
    l.recovered AS advance_recovered_vnd,
    round(100.0 * l.so_far / nullif(l.plan_pm, 0), 1) AS rate_pm_percent,
    round(100.0 * l.so_far / nullif(l.plan_council + coalesce(l.supplement, 0), 0), 1) AS rate_council_percent,
    -- Vouchers know no kind of plan: they stand beside the plan of the year.
    CASE WHEN 'budget.vouchers' = ANY (k.datasets) AND l.plan_kind = 'KH' THEN coalesce(b.amount, 0) END AS booked_vnd,
    CASE
        WHEN l.obstacle ILIKE '%mặt bằng%' THEN 'MB'
        WHEN l.obstacle ILIKE '%thiết kế%' THEN 'TK'
        WHEN l.obstacle ILIKE '%nghiệm thu%' THEN 'NT'
        WHEN l.obstacle IS NOT NULL THEN 'KHAC'
    END AS obstacle_class,
    l.obstacle,
    n.datasets AS inputs_lacking
FROM line l
CROSS JOIN come k
CROSS JOIN lacking n
LEFT JOIN business.projects_current p ON p.project_code = l.project_code
LEFT JOIN booked b ON b.project_code = l.project_code AND b.month = l.month;

CREATE UNIQUE INDEX ON investment_month (project_code, plan_year, plan_kind, month);

COMMENT ON MATERIALIZED VIEW investment_month IS
'Mỗi dòng: một dự án, năm và loại kế hoạch vốn, một tháng; kế hoạch, giải ngân theo báo cáo và theo chứng từ kho bạc. / One row a project, year and kind of plan, and month; planned, paid by the report and by the treasury''s vouchers.';
COMMENT ON COLUMN investment_month.project_code IS 'Mã dự án / Project';
COMMENT ON COLUMN investment_month.project_name IS 'Tên dự án / Name of the project';
COMMENT ON COLUMN investment_month.owner_code IS 'Mã chủ đầu tư / Code of the owner';
COMMENT ON COLUMN investment_month.owner_name IS 'Chủ đầu tư / Owner';
COMMENT ON COLUMN investment_month.field IS 'Ngành, lĩnh vực / Field, a category of the budget';
COMMENT ON COLUMN investment_month.project_group IS 'Nhóm dự án / Group of the project';
COMMENT ON COLUMN investment_month.status IS 'Trạng thái hiện nay / Status today';
COMMENT ON COLUMN investment_month.due_on IS 'Hoàn thành theo quyết định / Day on which it must be done';
COMMENT ON COLUMN investment_month.is_known IS 'Có trong danh mục dự án / In the list of projects';
COMMENT ON COLUMN investment_month.plan_year IS 'Năm kế hoạch / Year of the plan';
COMMENT ON COLUMN investment_month.plan_kind IS 'KH: kế hoạch năm; KD: kéo dài từ năm trước / KH: of the year; KD: extended from the year before';
COMMENT ON COLUMN investment_month.month IS 'Tháng báo cáo / First day of the month';
COMMENT ON COLUMN investment_month.is_reported IS 'Báo cáo của tháng có dự án này / The month''s report has it';
COMMENT ON COLUMN investment_month.plan_pm_vnd IS 'Kế hoạch Thủ tướng giao, đồng / Plan of the Prime Minister, VND';
COMMENT ON COLUMN investment_month.plan_council_vnd IS 'Kế hoạch HĐND giao, đồng / Plan of the council, VND';
COMMENT ON COLUMN investment_month.supplement_vnd IS 'Bổ sung trong năm, đồng / Added in the year, VND';
COMMENT ON COLUMN investment_month.paid_vnd IS 'Giải ngân trong tháng, đồng / Paid in the month, VND';
COMMENT ON COLUMN investment_month.so_far_vnd IS 'Giải ngân từ đầu năm, đồng / Paid since January, VND';
COMMENT ON COLUMN investment_month.advance_vnd IS 'Trong đó tạm ứng, đồng / Of the month as an advance, VND';
COMMENT ON COLUMN investment_month.advance_recovered_vnd IS 'Thu hồi tạm ứng, đồng / Advance recovered, VND';
COMMENT ON COLUMN investment_month.rate_pm_percent IS 'So với kế hoạch Thủ tướng giao, % / Paid of the Prime Minister''s plan, in percent';
COMMENT ON COLUMN investment_month.rate_council_percent IS 'So với kế hoạch HĐND và bổ sung, % / Paid of the council''s plan with what was added, in percent';
COMMENT ON COLUMN investment_month.booked_vnd IS 'Chứng từ kho bạc trong tháng, đồng / Vouchers of the treasury in the month, VND';
COMMENT ON COLUMN investment_month.obstacle_class IS 'Loại vướng mắc: MB, TK, NT, KHAC / Class of obstacle: MB site, TK design, NT acceptance, KHAC other';
COMMENT ON COLUMN investment_month.obstacle IS 'Vướng mắc như đã ghi / Obstacle as written';
COMMENT ON COLUMN investment_month.inputs_lacking IS 'Bộ dữ liệu chưa có, cách nhau bởi dấu chấm phẩy / Datasets that never came, with semicolons';
