"""The city's data pipeline: one module per station, in the order in which a delivery walks them."""
