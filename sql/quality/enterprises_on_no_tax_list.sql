-- reconciliation:
--   mends: tax.taxpayers
--   vi: "{found} doanh nghiệp đã đăng ký quá 7 ngày mà không có trong danh sách người nộp thuế; hãy kiểm tra mã số thuế."
--   en: "{found} enterprises were registered over 7 days ago and are not among the taxpayers; check their tax codes."
CREATE MATERIALIZED VIEW enterprises_on_no_tax_list AS
SELECT
    e.enterprise_code,
    e.registered_on,
    e.ward,
    e.ward_valid_from
FROM business.enterprises_current e
WHERE e.status <> 'CD'
  AND e.registered_on < (SELECT max(t.valid_from)::date FROM business.taxpayers t) - 7
  AND NOT EXISTS (SELECT FROM business.taxpayers_current t WHERE t.tax_code = e.enterprise_code);

CREATE UNIQUE INDEX ON enterprises_on_no_tax_list (enterprise_code);

COMMENT ON MATERIALIZED VIEW enterprises_on_no_tax_list IS
'Mỗi dòng: một doanh nghiệp chưa chấm dứt, đăng ký quá 7 ngày, mà danh sách người nộp thuế không có. / One row an enterprise that has not ended, was registered over 7 days before the last word of the tax office, and is not among the taxpayers.';
COMMENT ON COLUMN enterprises_on_no_tax_list.enterprise_code IS 'Mã số doanh nghiệp / Number of the enterprise';
COMMENT ON COLUMN enterprises_on_no_tax_list.registered_on IS 'Ngày đăng ký / Day of registration';
COMMENT ON COLUMN enterprises_on_no_tax_list.ward IS 'Phường, xã / Unit';
COMMENT ON COLUMN enterprises_on_no_tax_list.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
