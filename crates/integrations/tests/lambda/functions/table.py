"""Handlers that both runtime clients have to serve alike: one per kind of result and of failure."""

import collections
import datetime
import decimal
import enum
import os

Point = collections.namedtuple("Point", "x y")


class Colour(enum.IntEnum):
    RED = 3


class OutOfStock(Exception):
    pass


def echo(event, context):
    return event


def nothing(event, context):
    pass


def results(event, context):
    return {
        "text": "größe \u2028 \U0001f600 \x7f \" \\ \n",
        "int": 12345678901234567890123,
        "float": 1.0,
        "small": 1e-07,
        "decimal": decimal.Decimal("1.10"),
        "tuple": (1, 2),
        "point": Point(1, 2),
        "bytes": b"abc",
        "enum": Colour.RED,
        "none": None,
        "bools": [True, False],
        1: "int key",
        2.5: "float key",
        None: "none key",
        True: "bool key",
        "empty": [{}, [], ""],
    }


def infinities(event, context):
    return [float("inf"), float("-inf"), float("nan"), decimal.Decimal("NaN")]


def raw(event, context):
    return b'{"raw":  true}'


def date(event, context):
    return {"at": datetime.datetime(2020, 1, 1)}


def a_set(event, context):
    return {1, 2}


def tuple_key(event, context):
    return {(1, 2): 3}


def circular(event, context):
    ring = []
    ring.append(ring)
    return ring


def raises(event, context):
    raise OutOfStock("no pencils left")


def raises_nothing(event, context):
    raise ValueError


def raises_deep(event, context):
    def inner(depth):
        if depth == 0:
            return {}["missing"]
        return inner(depth - 1)

    return inner(2)


def raises_from(event, context):
    try:
        raises(event, context)
    except OutOfStock as error:
        raise RuntimeError("wrapped") from error


def assertion(event, context):
    assert event == 1


def wrong_arguments(event):
    return event


def context_fields(event, context):
    return {
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "function": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "tenant": context.tenant_id,
        "identity": context.identity.cognito_identity_id,
        "client": context.client_context,
        "remaining": type(context.get_remaining_time_in_millis()).__name__,
    }


def client_context(event, context):
    client = context.client_context
    return [client.custom, client.env, client.client.app_title]


def surroundings(event, context):
    return [os.getcwd(), os.environ["_HANDLER"], os.environ["AWS_EXECUTION_ENV"]]


def exits(event, context):
    raise SystemExit(4)


not_callable = 5
