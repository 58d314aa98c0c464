"""Files that say who there is → rows of `identity`, `entitlement` and `token`."""

from lpaudit.roster.contradictions import Claim, contradiction
from lpaudit.roster.forms import Form, read
from lpaudit.roster.versions import Version, renamed, versions

__all__ = ["Claim", "Form", "Version", "contradiction", "read", "renamed", "versions"]
