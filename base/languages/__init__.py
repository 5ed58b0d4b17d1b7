"""Fixed sentences, intents and spoken forms for each language that the receptionist speaks."""
