"""Columns that the stations add to those of a contract."""

ROW = "_row"  # the row's number in the sender's own file
AS_OF = "_as_of"  # the period of a row's delivery
RECEIVED = "received."  # before a typed column's name: the text that was sent
UNKNOWN = "unknown."  # before the source's name of a column that the contract does not know
CHANGE = "_change"  # standard code of what a row of changes does: T new, S update, X delete
SEQUENCE = "_sequence"  # orders the changes to one record
PART = "_part"  # which part of a snapshot the row belongs to
