-- reconciliation:
--   mends: environment.measurements
--   vi: "{found} giờ đo có PM2.5 lớn hơn PM10 cùng trạm; hãy kiểm tra thiết bị."
--   en: "{found} hours have more PM2.5 than PM10 at one station; check the devices."
CREATE MATERIALIZED VIEW fine_dust_above_dust AS
SELECT
    f.station_code,
    f.measured_at,
    f.averaging,
    f.measured_value AS pm2_5,
    c.measured_value AS pm10
FROM land.measurements_current f
JOIN land.measurements_current c
    ON c.station_code = f.station_code AND c.measured_at = f.measured_at AND c.averaging = f.averaging
WHERE f.parameter = 'PM2.5' AND c.parameter = 'PM10' AND f.measured_value > c.measured_value * 1.1;

CREATE UNIQUE INDEX ON fine_dust_above_dust (station_code, measured_at, averaging);

COMMENT ON MATERIALIZED VIEW fine_dust_above_dust IS
'Mỗi dòng: một giờ đo tại một trạm mà PM2.5 lớn hơn PM10 quá 10%. / One row an hour at a station with over 10% more PM2.5 than PM10.';
COMMENT ON COLUMN fine_dust_above_dust.station_code IS 'Mã trạm / Station';
COMMENT ON COLUMN fine_dust_above_dust.measured_at IS 'Thời điểm bắt đầu / Start';
COMMENT ON COLUMN fine_dust_above_dust.averaging IS 'Khoảng trung bình / Span of the mean';
COMMENT ON COLUMN fine_dust_above_dust.pm2_5 IS 'PM2.5 / PM2.5';
COMMENT ON COLUMN fine_dust_above_dust.pm10 IS 'PM10 / PM10';
