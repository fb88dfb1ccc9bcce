"""Remote source to Arrow, and the one door out. Knows neither the catalog nor the engine."""
