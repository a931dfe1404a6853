-- cells: []

-- Of no persons: a taxpayer's money is in the sums of a chapter and sub-item of the whole city.
--
-- Estimates are those in force at the end of the month: what was first assigned, and what decisions until then added and
-- cut. Vouchers belong to the month in which they were posted and to their own fiscal year, so a year has a thirteenth
-- month: the January in which it is settled. A reversal or correction counts with its sign, a refund as it was booked.
-- `spent_vnd` holds what was paid as an advance (`advance_vnd`, of it), and clearing an advance must not be booked as
-- spending again: if a treasury does so, the sum of the year shows it twice.
--
-- A transfer between levels (7301, 7304) is spending of one and revenue of another: leave rows with `is_transfer` out
-- where levels are added. An estimate may be given by an item (6000) while vouchers name sub-items (6001): the percentage
-- stands only where both name the same, so compare sums by chapter or category. A chapter of a district that became
-- one of a commune has that as `chapter_today`; merged departments do not: for a series take the category.
--
-- A month is whole if there are loaded vouchers of all its days (`days_told` of `days_due`), of each of which the
-- treasury's own total agrees: without that a file of vouchers is not loaded. What is summed since January is as whole as
-- all its months together (`year_days_told` of `year_days_due`). A line of which nothing is known in a month of which no
-- day was told has no amount, not zero.
CREATE MATERIALIZED VIEW budget_month AS
WITH known AS (
    SELECT * FROM (VALUES ('budget.estimates'), ('budget.vouchers')) AS listed (dataset)
),
input AS (
    SELECT k.dataset, max(d.as_of) AS until
    FROM known k
    JOIN ops.delivery d ON d.dataset = k.dataset AND d.loaded_at IS NOT NULL
    GROUP BY k.dataset
),
lacking AS (
    SELECT string_agg(k.dataset, ';' ORDER BY k.dataset) AS datasets
    FROM known k
    WHERE NOT EXISTS (SELECT FROM input i WHERE i.dataset = k.dataset)
),
span AS (
    SELECT max(i.until) AS until FROM input i
),
told AS (
    SELECT date_trunc('month', d.as_of::timestamp)::date AS month, count(DISTINCT d.as_of) AS days
    FROM ops.delivery d
    WHERE d.dataset = 'budget.vouchers' AND d.loaded_at IS NOT NULL
    GROUP BY 1
),
given AS (
    SELECT
        e.fiscal_year, e.budget_level, e.chapter, e.category, e.direction, e.item,
        -- A decision of the December before counts from the year's January on.
        greatest(date_trunc('month', e.decision_date::timestamp)::date, make_date(e.fiscal_year::int, 1, 1))
            AS month,
        sum(e.amount) FILTER (WHERE e.estimate_kind = 'DN') AS first,
        sum(e.amount) FILTER (WHERE e.estimate_kind = 'BS') AS added,
        sum(e.amount) FILTER (WHERE e.estimate_kind = 'DC') AS cut
    FROM business.budget_estimates_current e
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
posted AS (
    SELECT
        v.fiscal_year, v.budget_level, v.chapter, v.category, v.direction, v.sub_item AS item,
        date_trunc('month', v.posted_on::timestamp)::date AS month,
        sum(v.amount) AS amount,
        sum(v.amount) FILTER (WHERE v.entry_kind = 'TU') AS advance,
        count(*) AS vouchers
    FROM business.budget_vouchers_current v
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
line AS (
    SELECT g.fiscal_year, g.budget_level, g.chapter, g.category, g.direction, g.item FROM given g
    UNION
    SELECT p.fiscal_year, p.budget_level, p.chapter, p.category, p.direction, p.item FROM posted p
),
-- From the January of its year to the one after it, as far as we have been told, and when else something was posted.
counted AS (
    SELECT y.fiscal_year, g.month::date AS month
    FROM (SELECT DISTINCT l.fiscal_year FROM line l) y
    CROSS JOIN span s
    CROSS JOIN LATERAL generate_series(
        make_date(y.fiscal_year::int, 1, 1)::timestamp,
        least(make_date(y.fiscal_year::int + 1, 1, 1), s.until)::timestamp,
        interval '1 month'
    ) AS g (month)
    UNION
    SELECT p.fiscal_year, p.month FROM posted p
),
month AS (
    SELECT
        c.fiscal_year,
        c.month,
        least((c.month + interval '1 month')::date - 1, s.until) AS state_on,
        coalesce(t.days, 0) AS told,
        (c.month + interval '1 month')::date - c.month AS due,
        coalesce(sum(t.days) OVER since_january, 0) AS year_told,
        sum((c.month + interval '1 month')::date - c.month) OVER since_january AS year_due
    FROM counted c
    CROSS JOIN span s
    LEFT JOIN told t ON t.month = c.month
    WINDOW since_january AS (PARTITION BY c.fiscal_year ORDER BY c.month)
),
-- What each line has got and moved in each month, and nothing in the others.
moved AS (
    SELECT
        b.fiscal_year, b.budget_level, b.chapter, b.category, b.direction, b.item, b.month,
        sum(b.first) AS first,
        sum(b.added) AS added,
        sum(b.cut) AS cut,
        sum(b.amount) AS amount,
        sum(b.advance) AS advance,
        sum(b.vouchers)::bigint AS vouchers
    FROM (
        SELECT l.*, m.month, 0 AS first, 0 AS added, 0 AS cut, 0 AS amount, 0 AS advance, 0 AS vouchers
        FROM line l
        JOIN month m ON m.fiscal_year = l.fiscal_year
        UNION ALL
        SELECT g.*, 0, 0, 0 FROM given g
        UNION ALL
        SELECT
            p.fiscal_year, p.budget_level, p.chapter, p.category, p.direction, p.item, p.month, 0, 0, 0, p.amount,
            p.advance, p.vouchers
        FROM posted p
    ) b
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
-- And by the end of each month.
cell AS (
    SELECT
        v.*,
        sum(v.first) OVER until_then AS first_so_far,
        sum(v.added) OVER until_then AS added_so_far,
        sum(v.cut) OVER until_then AS cut_so_far,
        sum(v.amount) OVER until_then AS so_far
    FROM moved v
    WINDOW until_then AS (
        PARTITION BY v.fiscal_year, v.budget_level, v.chapter, v.category, v.direction, v.item ORDER BY v.month
    )
),
came AS (
    SELECT
        coalesce(bool_or(i.dataset = 'budget.estimates'), false) AS estimates,
        coalesce(bool_or(i.dataset = 'budget.vouchers'), false) AS vouchers
    FROM input i
)
SELECT
    c.fiscal_year,
    c.month,
    m.state_on,
    c.budget_level,
    c.chapter,
    coalesce(b.new_code, c.chapter) AS chapter_today,
    c.category,
    c.direction,
    c.item,
    c.direction = 'C' AND c.item IN ('7301', '7304') AS is_transfer,
    CASE WHEN k.estimates THEN c.first_so_far END AS estimate_vnd,
    CASE WHEN k.estimates THEN c.added_so_far END AS supplement_vnd,
    CASE WHEN k.estimates THEN c.cut_so_far END AS cut_vnd,
    CASE WHEN c.direction = 'T' AND (m.told > 0 OR c.vouchers > 0) THEN c.amount END AS collected_vnd,
    CASE WHEN c.direction = 'C' AND (m.told > 0 OR c.vouchers > 0) THEN c.amount END AS spent_vnd,
    CASE WHEN c.direction = 'C' AND (m.told > 0 OR c.vouchers > 0) THEN c.advance END AS advance_vnd,
    CASE WHEN k.vouchers THEN c.so_far END AS so_far_vnd,
    CASE WHEN k.vouchers AND k.estimates
        THEN round(100 * c.so_far / nullif(c.first_so_far + c.added_so_far + c.cut_so_far, 0), 1) END AS execution_percent,
    CASE WHEN k.vouchers THEN c.vouchers END AS vouchers,
    m.told AS days_told,
    m.due AS days_due,
    m.year_told AS year_days_told,
    m.year_due AS year_days_due,
    l.datasets AS inputs_lacking
FROM cell c
JOIN month m ON m.fiscal_year = c.fiscal_year AND m.month = c.month
CROSS JOIN came k
CROSS JOIN lacking l
LEFT JOIN ref.code_bridge b ON b.old_list = 'budget_chapter' AND b.new_list = 'budget_chapter'
    AND b.old_code = c.chapter AND b.targets = 1;

CREATE UNIQUE INDEX ON budget_month (fiscal_year, month, budget_level, chapter, category, direction, item) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW budget_month IS
'Mỗi dòng: một niên độ, tháng, cấp, chương, loại khoản, thu hoặc chi và mục hay tiểu mục; dự toán có hiệu lực cuối tháng và số đã thu, chi. / One row a fiscal year, month, level, chapter, category, direction and item or sub-item; the estimate in force at its end, and what was collected or spent.';
COMMENT ON COLUMN budget_month.fiscal_year IS 'Niên độ ngân sách / Fiscal year';
COMMENT ON COLUMN budget_month.month IS 'Tháng hạch toán; tháng thứ 13 là tháng chỉnh lý / Month of posting; the thirteenth is that of the settlement';
COMMENT ON COLUMN budget_month.state_on IS 'Số liệu đến ngày này / The day until which the row tells';
COMMENT ON COLUMN budget_month.budget_level IS 'Cấp ngân sách / Level of the budget';
COMMENT ON COLUMN budget_month.chapter IS 'Chương / Chapter';
COMMENT ON COLUMN budget_month.chapter_today IS 'Chương hiện nay, nếu chuyển thành đúng một chương / Chapter of today, where the old one became one';
COMMENT ON COLUMN budget_month.category IS 'Loại, khoản / Category';
COMMENT ON COLUMN budget_month.direction IS 'T: thu; C: chi / T: revenue; C: expenditure';
COMMENT ON COLUMN budget_month.item IS 'Mục hoặc tiểu mục như đã ghi / Item or sub-item as written';
COMMENT ON COLUMN budget_month.is_transfer IS 'Chuyển giữa các cấp, bỏ ra khi cộng các cấp / A transfer between levels: leave it out where levels are added';
COMMENT ON COLUMN budget_month.estimate_vnd IS 'Dự toán giao đầu năm, đồng / First assigned, VND';
COMMENT ON COLUMN budget_month.supplement_vnd IS 'Bổ sung đến cuối tháng, đồng / Added until the end of the month, VND';
COMMENT ON COLUMN budget_month.cut_vnd IS 'Điều chỉnh giảm đến cuối tháng, đồng, số âm / Cut until the end of the month, VND, below zero';
COMMENT ON COLUMN budget_month.collected_vnd IS 'Thu trong tháng, đồng / Collected in the month, VND';
COMMENT ON COLUMN budget_month.spent_vnd IS 'Chi trong tháng, đồng / Spent in the month, VND';
COMMENT ON COLUMN budget_month.advance_vnd IS 'Trong đó tạm ứng, đồng / Of it as an advance, VND';
COMMENT ON COLUMN budget_month.so_far_vnd IS 'Lũy kế của niên độ, đồng / Collected or spent for the fiscal year so far, VND';
COMMENT ON COLUMN budget_month.execution_percent IS 'Lũy kế so với dự toán có hiệu lực, % / So far, in percent of the estimate in force';
COMMENT ON COLUMN budget_month.vouchers IS 'Số dòng chứng từ / Lines of vouchers';
COMMENT ON COLUMN budget_month.days_told IS 'Số ngày trong tháng có chứng từ đã nạp, khớp số tổng của kho bạc / Days of the month with loaded vouchers, whose totals are the treasury''s';
COMMENT ON COLUMN budget_month.days_due IS 'Số ngày của tháng / Days of the month';
COMMENT ON COLUMN budget_month.year_days_told IS 'Số ngày có chứng từ từ đầu niên độ / Days with loaded vouchers since January of the fiscal year';
COMMENT ON COLUMN budget_month.year_days_due IS 'Số ngày từ đầu niên độ / Days of these months';
COMMENT ON COLUMN budget_month.inputs_lacking IS 'Bộ dữ liệu chưa có, cách nhau bởi dấu chấm phẩy / Datasets that never came, with semicolons';
