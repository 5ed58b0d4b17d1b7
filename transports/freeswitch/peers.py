"""Who may connect."""

from ipaddress import ip_network
from typing import Final

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
