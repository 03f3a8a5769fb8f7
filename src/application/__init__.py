"""The stories: what Tollgram does, told in the words of the domain and of `ports`."""
