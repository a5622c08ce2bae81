"""Where results go: lines, video, folders, a window, a webhook; each in a thread of its own."""
