"""The city's data pipeline: a package a station, what they share below them, and those who use them above.

`docs/architecture.md` draws them in the order in which a delivery passes them.
"""

import os

# Before anything imports Great Expectations: it reads this once, and a data center reports to nobody.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
