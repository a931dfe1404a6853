"""How a delivery passes from station to station."""
