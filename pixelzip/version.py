"""The version, alone in a file so that building reads it without importing anything."""

VERSION = "0.1.0"
