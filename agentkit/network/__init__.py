"""How connections go out, for requests and for pictures alike: whom they trust, and through which
proxy.
"""
