"""What moves through the stations: deliveries, where they lie, and what can be wrong with one."""
