"""What must be looked at, said on stderr while an ingest goes on."""

from lpaudit import console
from lpaudit.errors import LpauditError
from lpaudit.model import Observer


class AlarmObserver(Observer):
    """Hears alarms, and nothing else."""

    def alarm(self, error: LpauditError) -> None:
        """Say it as an error is said."""
        console.fail(error.message, error.hint)
