"""Facts → links: all that correlation says of some lines, in their order."""

from lpaudit.correlation.claims import executors
from lpaudit.correlation.connections import connections
from lpaudit.correlation.created import created
from lpaudit.correlation.facts import Link
from lpaudit.correlation.origin import origins
from lpaudit.correlation.read import Facts
from lpaudit.correlation.sequence import Model
from lpaudit.correlation.target import targets


def links(facts: Facts, model: Model) -> list[Link]:
    """Return the links of all lines, in the order of lines, relations and runs."""
    found = list(targets(facts.lines, facts.runs, facts.tasks))
    found += created(facts.lines, facts.runs)
    grouped = connections(facts.lines, facts.runs)
    known = executors(facts.starts, facts.runs)
    found += origins(grouped, facts.runs, known, facts.events, model, facts.horizon)
    return sorted(found, key=lambda x: (x.begin, x.line_id, x.relation, x.flow_run_id, x.task_run_id or ""))
