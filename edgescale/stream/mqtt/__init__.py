"""Results and events for a broker and Home Assistant."""
