"""`lpaudit doctor`: which format is a log in, and what is wrong with it?

Looks at the beginning of each log and stores nothing.
"""

from lpaudit.doctor.examine import Diagnosis, Field, Fit, examine
from lpaudit.doctor.findings import Finding, Severity

__all__ = ["Diagnosis", "Field", "Finding", "Fit", "Severity", "examine"]
