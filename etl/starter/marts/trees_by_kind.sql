-- # What analysts query: one file a table. `cells` names the numbers that tell of persons, and how many persons must be
-- # behind one that is shown; here are none.
-- cells: []
CREATE MATERIALIZED VIEW trees_by_kind AS
SELECT c.name_en AS kind, count(*) AS trees, round(avg(t.height_m), 1) AS mean_height_m
FROM city.trees_current t
JOIN ref.code c ON c.list = 'tree_kind' AND c.code = t.kind
GROUP BY 1;

CREATE UNIQUE INDEX ON trees_by_kind (kind);

COMMENT ON MATERIALIZED VIEW trees_by_kind IS 'One row a kind of tree';
COMMENT ON COLUMN trees_by_kind.kind IS 'Kind of tree';
COMMENT ON COLUMN trees_by_kind.trees IS 'Trees that stand now';
COMMENT ON COLUMN trees_by_kind.mean_height_m IS 'Mean height in metres';
