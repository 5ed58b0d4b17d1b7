"""What every floor needs: ids, secrets, the clock, the guarded HTTP client and the languages."""
