"""What can be typed: each command with its arguments and its help, a file for each panel of `tollgram --help`.

Nothing heavy is imported here, so that help is there at once; what a command does is in the file of its name beside
this folder.
"""
