-- reconciliation:
--   mends: education.pupils
--   vi: "{found} học sinh đang học ở hai trường; hãy kiểm tra việc chuyển trường."
--   en: "{found} pupils attend two schools at once; check their moves."
CREATE MATERIALIZED VIEW pupils_in_two_schools AS
SELECT
    p.personal_id,
    count(DISTINCT p.school_code) AS schools,
    string_agg(DISTINCT p.school_code, ';' ORDER BY p.school_code) AS school_codes
FROM people.pupils_current p
WHERE p.status = '1'
GROUP BY p.personal_id
HAVING count(DISTINCT p.school_code) > 1;

CREATE UNIQUE INDEX ON pupils_in_two_schools (personal_id);

COMMENT ON MATERIALIZED VIEW pupils_in_two_schools IS
'Mỗi dòng: một số định danh đang học ở nhiều trường. / One row a personal id that attends several schools.';
COMMENT ON COLUMN pupils_in_two_schools.personal_id IS 'Số định danh / Personal id';
COMMENT ON COLUMN pupils_in_two_schools.schools IS 'Số trường / Schools';
COMMENT ON COLUMN pupils_in_two_schools.school_codes IS 'Mã các trường / Their codes';
