"""How many calls this machine carries: a service of its own is rung with ever more of them."""
