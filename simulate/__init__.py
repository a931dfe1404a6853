"""A made-up city: the extracts that its agencies would drop, and the truth of what must come of them.

The truth is made first, in the warehouse's standard form; then it is written as agencies write, with harmless dirt;
then defects are planted. Nothing here is shared with the stations in `etl`.
"""

from simulate.city import write_city

__all__ = ["write_city"]
