CREATE MATERIALIZED VIEW permits_unmatched AS
WITH known_person AS (
    SELECT representative_id AS personal_id FROM business.taxpayers_current WHERE representative_id IS NOT NULL
    UNION
    SELECT string_to_table(owner_ids, ';') FROM land.parcels_current WHERE owner_ids IS NOT NULL
)
SELECT * FROM (
    SELECT
        p.authority,
        p.permit_no,
        p.parcel_ward AS ward,
        p.parcel_ward_valid_from AS ward_valid_from,
        p.parcel_sheet_no AS sheet_no,
        p.parcel_no,
        p.granted_on,
        NOT EXISTS (
            SELECT FROM land.parcels_current l
            WHERE l.ward = p.parcel_ward AND l.ward_valid_from = p.parcel_ward_valid_from
              AND l.sheet_no = p.parcel_sheet_no AND l.parcel_no = p.parcel_no
        ) AS is_parcel_unknown,
        NOT EXISTS (SELECT FROM known_person k WHERE k.personal_id = p.owner_id) AS is_owner_unknown
    FROM land.permits_current p
) checked
WHERE is_parcel_unknown OR is_owner_unknown;

CREATE UNIQUE INDEX ON permits_unmatched (authority, permit_no);

COMMENT ON MATERIALIZED VIEW permits_unmatched IS
'Mỗi dòng: một giấy phép xây dựng còn hiệu lực mà thửa đất không có trong địa chính, hoặc chủ đầu tư không có trong danh bạ thuế và cũng không là người sử dụng đất. / One row a construction permit in force whose parcel is not in the cadastre, or whose owner is neither a taxpayer''s representative nor a holder of land.';
COMMENT ON COLUMN permits_unmatched.authority IS 'Cơ quan cấp phép / Authority';
COMMENT ON COLUMN permits_unmatched.permit_no IS 'Số giấy phép / Number of the permit';
COMMENT ON COLUMN permits_unmatched.ward IS 'Mã đơn vị của thửa đất / Unit of the parcel';
COMMENT ON COLUMN permits_unmatched.ward_valid_from IS 'Đơn vị có hiệu lực từ / Since when the unit of that code exists';
COMMENT ON COLUMN permits_unmatched.sheet_no IS 'Số tờ bản đồ / Cadastral sheet';
COMMENT ON COLUMN permits_unmatched.parcel_no IS 'Số thửa / Parcel on the sheet';
COMMENT ON COLUMN permits_unmatched.granted_on IS 'Ngày cấp / Day of granting';
COMMENT ON COLUMN permits_unmatched.is_parcel_unknown IS 'Thửa đất không có trong địa chính / The parcel is not in the cadastre';
COMMENT ON COLUMN permits_unmatched.is_owner_unknown IS 'Chủ đầu tư không có trong sổ nào / The owner is in no register';
