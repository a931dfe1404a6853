"""The city's data pipeline: one module per station, in the order in which a delivery walks them."""

import os

# Before anything imports Great Expectations: it reads this once, and a data center reports to nobody.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
