"""A module whose loading fails."""

raise KeyError("PRICE_LIST")
