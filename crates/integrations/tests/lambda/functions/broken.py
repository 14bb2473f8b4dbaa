"""A module that is no Python."""

def handler(event, context)
    return event
