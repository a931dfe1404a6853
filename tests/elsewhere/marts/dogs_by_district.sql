-- cells:
-- - {columns: [dogs, tax], persons: dogs, at_least: 2, margins: [[]]}
CREATE MATERIALIZED VIEW dogs_by_district AS
SELECT d.district, u.name AS district_name, count(*) AS dogs, sum(d.tax) AS tax
FROM finance.dogs_current d
LEFT JOIN ref.ward u ON u.code = d.district AND u.valid_from = d.district_valid_from
GROUP BY 1, 2;

CREATE UNIQUE INDEX ON dogs_by_district (district, district_name);

COMMENT ON MATERIALIZED VIEW dogs_by_district IS 'One row a district: dogs and their tax';
COMMENT ON COLUMN dogs_by_district.district IS 'Code of the district';
COMMENT ON COLUMN dogs_by_district.district_name IS 'Name of the district';
COMMENT ON COLUMN dogs_by_district.dogs IS 'Dogs';
COMMENT ON COLUMN dogs_by_district.tax IS 'Tax in euro';
