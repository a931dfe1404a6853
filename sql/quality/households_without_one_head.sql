-- reconciliation:
--   mends: police.residents
--   vi: "{found} hộ không có chủ hộ hoặc có nhiều chủ hộ; hãy kiểm tra quan hệ với chủ hộ."
--   en: "{found} households have no head or several; check the relations."
CREATE MATERIALIZED VIEW households_without_one_head AS
SELECT
    r.household_no,
    count(*) AS members,
    count(*) FILTER (WHERE r.relation_to_head = 'CH') AS heads
FROM people.residents_current r
WHERE r.residence_kind = 'TT'
GROUP BY r.household_no
HAVING count(*) FILTER (WHERE r.relation_to_head = 'CH') <> 1;

CREATE UNIQUE INDEX ON households_without_one_head (household_no);

COMMENT ON MATERIALIZED VIEW households_without_one_head IS
'Mỗi dòng: một hộ thường trú không có đúng một chủ hộ. / One row a permanent household without exactly one head.';
COMMENT ON COLUMN households_without_one_head.household_no IS 'Số hộ / Household';
COMMENT ON COLUMN households_without_one_head.members IS 'Số người / Members';
COMMENT ON COLUMN households_without_one_head.heads IS 'Số chủ hộ / Heads';
