"""What a clerk runs before sending, on a machine of her own; nothing here needs a warehouse."""
