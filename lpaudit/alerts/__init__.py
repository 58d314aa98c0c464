"""Somebody is told about a night: by webhook, Slack, a command, mail, or an event in Prefect.

message.py   what is told: values, and their text for people
channels.py  settings → who is told, and how
outbox.py    what was told and what was not, which is tried again the next night
"""

from lpaudit.alerts.channels import Channel, channels
from lpaudit.alerts.message import Message
from lpaudit.alerts.outbox import Attempt, deliver

__all__ = ["Attempt", "Channel", "Message", "channels", "deliver"]
