"""Which addresses are this machine itself."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach, or be, this host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
