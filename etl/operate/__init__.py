"""What a data engineer does with deliveries: hold and decide, tell, reconcile, check, rebuild, back up."""
