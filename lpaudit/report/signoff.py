"""The words of the last page, which people fill in."""

ROLES = ("Preparer", "Reviewer")
"""Two people: who runs the system does not review what it did."""

FIELDS = ("Name", "Role", "Date (UTC)", "Decision", "Comment", "Signature")

STATEMENT = (
    "This report counts; it judges nothing. Whoever signs says that he or she has read it, "
    "and what became of its exceptions. Preparer and reviewer are not the same person."
)
