-- When deliveries are due and what is late. `citydw migrate` makes these views in :views, and puts the city's time for :zone.
-- A period that begins on day D ends at D + frequency (ops.schedule) and is due a latency later, in the city's time.
DROP VIEW IF EXISTS :views.punctuality, :views.freshness, :views.part_freshness;

CREATE VIEW :views.punctuality AS
SELECT
    d.dataset,
    d.delivery_id,
    due.at AS due_at,
    -- A period, or a part of it where a dataset comes in parts, is served by the first delivery that was accepted,
    -- whatever its revision: what comes after it, to say more or to mend it, is never late. Neither is what was due
    -- before anything had come: such a file brings the archive.
    CASE WHEN d.corrects IS NULL AND due.at >= since.first_arrival AND d.received_at > due.at AND NOT EXISTS (
            SELECT FROM ops.delivery served
            WHERE served.dataset = d.dataset AND served.as_of = d.as_of AND served.corrects IS NULL
                AND served.loaded_at IS NOT NULL AND served.received_at < d.received_at
                AND coalesce(served.parts && d.parts, true)
        )
        THEN d.received_at - due.at
    END AS late_by
FROM ops.delivery d
JOIN ops.schedule s USING (dataset)
CROSS JOIN LATERAL (SELECT (d.as_of + s.frequency + s.latency) AT TIME ZONE :zone AS at) due
CROSS JOIN LATERAL (SELECT min(f.received_at) AS first_arrival FROM ops.delivery f WHERE f.dataset = d.dataset) since;
COMMENT ON VIEW :views.punctuality IS 'One row a delivery: when it was due, by how much it was late / Hạn giao và độ trễ của từng lần giao';

CREATE VIEW :views.freshness AS
SELECT
    s.dataset,
    greatest(last.loaded, asked.on_day) AS last_period_loaded,
    greatest(last.received, asked.on_day) AS last_period_received,
    due.at AS due_at,
    CASE WHEN now() > due.at THEN now() - due.at END AS late_by
FROM ops.schedule s
CROSS JOIN LATERAL (
    -- A period that has not begun is a slip in a file's name: it must not hide what is missing.
    -- Two questions, for each is answered by the last entries of the index in time, however many deliveries there are.
    SELECT
        (SELECT max(d.as_of) FROM ops.delivery d
            WHERE d.dataset = s.dataset AND d.as_of <= current_date AND d.loaded_at IS NOT NULL) AS loaded,
        (SELECT max(d.as_of) FROM ops.delivery d
            WHERE d.dataset = s.dataset AND d.as_of <= current_date AND d.state NOT IN ('rejected', 'withdrawn')) AS received
) last
CROSS JOIN LATERAL (
    -- An agency's system that was asked and had nothing new is as good as a delivery, if all that came from it is here.
    SELECT (max(p.seen_at) AT TIME ZONE :zone)::date AS on_day FROM ops.pull p
    WHERE p.dataset = s.dataset AND p.state = 'nothing' AND last.loaded IS NOT NULL AND NOT EXISTS (
        SELECT FROM ops.delivery d
        WHERE d.dataset = s.dataset AND d.state NOT IN ('loaded', 'rejected', 'withdrawn')
    )
) asked
CROSS JOIN LATERAL (
    SELECT ((greatest(last.loaded, asked.on_day) + s.frequency)::date + s.frequency + s.latency) AT TIME ZONE :zone AS at
) due;
COMMENT ON VIEW :views.freshness IS 'One row a dataset: the last period loaded, when the next one is due, and by how much it is late / Độ mới của từng bộ dữ liệu';

CREATE VIEW :views.part_freshness AS
WITH came AS (
    SELECT
        s.dataset,
        s.part_is_unit,
        p.part,
        max(d.as_of) AS last_period,
        count(DISTINCT d.as_of) AS periods
    FROM ops.schedule s
    JOIN ops.delivery d
        ON d.dataset = s.dataset AND d.parts IS NOT NULL AND d.loaded_at IS NOT NULL AND d.as_of <= current_date
    CROSS JOIN LATERAL unnest(d.parts) AS p (part)
    WHERE s.part IS NOT NULL
    GROUP BY s.dataset, s.part_is_unit, p.part
),
heard AS (
    -- A file names a ward by the units of its rows' own time; those of a ward that was divided prove nobody's file.
    SELECT c.dataset, coalesce(a.code, c.part) AS part, max(c.last_period) AS last_period, max(c.periods) AS periods
    FROM came c
    LEFT JOIN LATERAL ref.ward_at(
        CASE WHEN c.part_is_unit THEN split_part(c.part, E'\x1f', 1) END,
        CASE WHEN c.part_is_unit THEN nullif(split_part(c.part, E'\x1f', 2), '')::date END,
        current_date
    ) a ON c.part_is_unit
    WHERE NOT c.part_is_unit OR NOT a.ambiguous
    GROUP BY 1, 2
),
expected AS (
    -- Wards: all that are in force. Of other parts nobody has a list: those are expected that came twice or more often.
    SELECT s.dataset, w.code AS part, w.name
    FROM ops.schedule s
    JOIN ref.ward w ON w.valid_from <= current_date AND (w.valid_to IS NULL OR w.valid_to > current_date)
    WHERE s.part_is_unit
    UNION ALL
    SELECT h.dataset, h.part, h.part
    FROM heard h
    JOIN ops.schedule s ON s.dataset = h.dataset AND NOT s.part_is_unit
    WHERE h.periods > 1
)
SELECT
    e.dataset,
    e.part,
    e.name,
    h.last_period AS last_period_loaded,
    due.at AS due_at,
    CASE WHEN now() > due.at THEN now() - due.at END AS late_by
FROM expected e
JOIN ops.schedule s ON s.dataset = e.dataset
CROSS JOIN LATERAL (
    SELECT d.as_of AS first_period
    FROM ops.delivery d
    WHERE d.dataset = s.dataset AND d.as_of IS NOT NULL AND d.loaded_at IS NOT NULL
    ORDER BY d.as_of
    LIMIT 1
) since
LEFT JOIN heard h ON h.dataset = e.dataset AND h.part = e.part
CROSS JOIN LATERAL (
    -- Of a part that never came, the first period of the dataset is due.
    SELECT (
        coalesce((h.last_period + s.frequency)::date, since.first_period) + s.frequency + s.latency
    ) AT TIME ZONE :zone AS at
) due;
COMMENT ON VIEW :views.part_freshness IS 'One row a part that is expected of a dataset that comes in parts, as a ward: its last period loaded, when its next one is due, and by how much it is late / Độ mới của từng phần của bộ dữ liệu';
