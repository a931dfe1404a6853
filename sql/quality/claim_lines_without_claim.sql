-- reconciliation:
--   mends: health.claims
--   vi: "{found} dòng thuốc, dịch vụ hoặc vật tư có trong kho mà hồ sơ (XML1) thì không; hãy sửa các hồ sơ đã bị trả lại rồi gửi."
--   en: "{found} lines of drugs, services or supplies are in the warehouse and their claims (XML1) are not; mend the claims that were sent back."
CREATE MATERIALIZED VIEW claim_lines_without_claim AS
SELECT lines.kind, lines.ma_lk, lines.stt
FROM (
    SELECT 'XML2' AS kind, ma_lk, stt FROM people.claim_drugs_current
    UNION ALL
    SELECT 'XML3', ma_lk, stt FROM people.claim_services_current
) lines
WHERE NOT EXISTS (SELECT FROM people.claims_current c WHERE c.ma_lk = lines.ma_lk);

CREATE UNIQUE INDEX ON claim_lines_without_claim (kind, ma_lk, stt);

COMMENT ON MATERIALIZED VIEW claim_lines_without_claim IS
'Mỗi dòng: một dòng thuốc (XML2), dịch vụ hoặc vật tư (XML3) mà hồ sơ không có trong kho. / One row a line of drugs (XML2), services or supplies (XML3) whose claim is not in the warehouse.';
COMMENT ON COLUMN claim_lines_without_claim.kind IS 'Bảng: XML2 hoặc XML3 / Table: XML2 or XML3';
COMMENT ON COLUMN claim_lines_without_claim.ma_lk IS 'Mã liên kết của hồ sơ / Link code of the claim';
COMMENT ON COLUMN claim_lines_without_claim.stt IS 'Số thứ tự của dòng trong hồ sơ / Number of the line within the claim';
