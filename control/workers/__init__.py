"""Many processes on one tenants' truth: their places, what they tell each other, and the parent that keeps them."""
