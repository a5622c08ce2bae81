"""Where frames come from: cameras, streams, files, several at once."""
