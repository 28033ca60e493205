"""The sections of a report: functions from its content to a section, or to None where their data do not exist."""
