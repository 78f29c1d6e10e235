"""The permanent record: who said what, sealed when the conversation ends, archived when it is old."""
