"""Live sessions: straps followed, every byte journalled, every sample placed or declared missing."""
