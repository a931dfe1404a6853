-- cells:
-- - {columns: [visits, patients, inpatient_visits, cost_vnd, insurance_paid_vnd, patient_paid_vnd],
--    persons: patients, at_least: 20,
--    margins: [[facility, month], [icd_chapter, month], [facility, icd_chapter]]}
CREATE MATERIALIZED VIEW visits_by_facility_chapter_month AS
SELECT
    v.ma_cskcb AS facility,
    coalesce(c.chapter, '?') AS icd_chapter,
    coalesce(c.name_vi, 'Không xác định') AS chapter_vi,
    coalesce(c.name_en, 'Undetermined') AS chapter_en,
    date_trunc('month', v.ngay_ra)::date AS month,
    count(*) AS visits,
    count(DISTINCT coalesce(v.so_cccd, v.ma_bn)) AS patients,
    count(*) FILTER (WHERE v.ngay_vao_noi_tru IS NOT NULL) AS inpatient_visits,
    sum(v.t_tongchi_bv) AS cost_vnd,
    sum(v.t_bhtt) AS insurance_paid_vnd,
    sum(v.t_bncct + v.t_bntt) AS patient_paid_vnd
FROM people.visits_current v
LEFT JOIN ref.icd10_chapter c ON left(v.ma_benh_chinh, 3) BETWEEN c.first_code AND c.last_code
GROUP BY 1, 2, 3, 4, 5;

CREATE UNIQUE INDEX ON visits_by_facility_chapter_month (facility, icd_chapter, month);

COMMENT ON MATERIALIZED VIEW visits_by_facility_chapter_month IS
'Mỗi dòng: một cơ sở khám chữa bệnh, một chương ICD-10 của bệnh chính và một tháng ra viện. / One row a facility, ICD-10 chapter of the main diagnosis and month of discharge; health insurance visits only.';
COMMENT ON COLUMN visits_by_facility_chapter_month.facility IS 'Mã cơ sở / Facility (MA_CSKCB)';
COMMENT ON COLUMN visits_by_facility_chapter_month.icd_chapter IS 'Chương ICD-10 / Chapter of ICD-10';
COMMENT ON COLUMN visits_by_facility_chapter_month.chapter_vi IS 'Tên chương / Name of the chapter in Vietnamese';
COMMENT ON COLUMN visits_by_facility_chapter_month.chapter_en IS 'Name of the chapter in English';
COMMENT ON COLUMN visits_by_facility_chapter_month.month IS 'Tháng ra viện / First day of the month of discharge';
COMMENT ON COLUMN visits_by_facility_chapter_month.visits IS 'Số đợt khám chữa bệnh / Visits';
COMMENT ON COLUMN visits_by_facility_chapter_month.patients IS 'Số người bệnh / Different patients';
COMMENT ON COLUMN visits_by_facility_chapter_month.inpatient_visits IS 'Trong đó nội trú / Of these inpatient';
COMMENT ON COLUMN visits_by_facility_chapter_month.cost_vnd IS 'Tổng chi phí, đồng / Total cost (T_TONGCHI_BV), VND';
COMMENT ON COLUMN visits_by_facility_chapter_month.insurance_paid_vnd IS 'Bảo hiểm thanh toán, đồng / Claimed from the insurance (T_BHTT), VND';
COMMENT ON COLUMN visits_by_facility_chapter_month.patient_paid_vnd IS 'Người bệnh trả, đồng / Paid by patients (T_BNCCT + T_BNTT), VND';
