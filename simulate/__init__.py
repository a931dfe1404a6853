"""A made-up city: the extracts that its agencies would drop, and the truth of what must come of them.

One population is behind all of it. The civil registry, the hospitals, the tax office and the land office write what
`city` draws day by day. For the other agencies of the people there is a `world` (who lives with whom, learns, works,
is insured), then `events` (each happens once), then what each agency knows of them and when, a module for a dataset
or two, then files: a dataset is its contract in `expectations/` and a `sending.Sender`, which says what goes wrong in
it. The groups (`people_group`, `business_group`, `land_group`) say which there are. Each thing that chance decides
has a generator of its own a day, so that one more dataset changes no file of another.

The truth is made first, in the warehouse's standard form; then it is written as agencies write, with harmless dirt;
then defects are planted. Nothing here is shared with the stations in `etl`.
"""

from simulate.city import write_city

__all__ = ["write_city"]
