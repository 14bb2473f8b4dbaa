"""A Lambda runtime client for Python: asks Skald's Runtime API for events, calls the handler, posts what came of it.

Stands in for `awslambdaric` where that is not installed, and behaves the same: `tests/lambda/clients.rs` runs one
table of handlers under both. Uses the standard library only. Run as `python -u -c THIS_FILE HANDLER`.
"""

import decimal
import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback

API = "/2018-06-01/runtime"


class Fault(Exception):
    """An error of the runtime's own, by its type on the wire."""

    def __init__(self, error_type, message, trace=None):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = trace or []


class Fields:
    """An object with the named fields of a dictionary; missing ones are None."""

    names = ()

    def __init__(self, source):
        for name in self.names:
            setattr(self, name, source.get(name))


class Client(Fields):
    names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(Fields):
    names = ("custom", "env", "client")

    def __init__(self, source):
        super().__init__(source)
        if self.client is not None:
            self.client = Client(self.client)


class CognitoIdentity(Fields):
    names = ("cognito_identity_id", "cognito_identity_pool_id")


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        environment = os.environ.get
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = environment("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = headers["Lambda-Runtime-Aws-Tenant-Id"]
        self.client_context = client_context(headers["Lambda-Runtime-Client-Context"])
        self.identity = CognitoIdentity({})
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


def client_context(header):
    if not header:
        return None
    try:
        return ClientContext(json.loads(header))
    except Exception as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}")


def find_handler(name):
    """The function `module.function` or `folder/module.function` names."""
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}")
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace)
    if not hasattr(module, function_name):
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return getattr(module, function_name)


# --- JSON out -----------------------------------------------------------------------------------------------------------
# As the official client's encoder prints it: decimals as numbers, named tuples as objects, bytes as text, NaN as NaN.

# Since 3.12 text beyond ASCII goes out as it is.
_ASCII_ONLY = sys.version_info < (3, 12)
_quote_text = json.encoder.encode_basestring_ascii if _ASCII_ONLY else json.encoder.encode_basestring


def quote(text):
    return _quote_text(text).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def number(value):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


def scalar(value):
    """The JSON of a value that holds no others, or None."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bytes):
        return quote(value.decode("utf-8"))
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, decimal.Decimal):
        return "NaN" if value.is_nan() else str(value)
    return None


def member_name(key):
    if isinstance(key, (str, bytes)):
        return scalar(key)
    if key is None or isinstance(key, (bool, int, float)):
        return f'"{scalar(key)}"'
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def to_json(value, parents=()):
    text = scalar(value)
    if text is not None:
        return text
    if id(value) in parents:
        raise ValueError("Circular reference detected")
    inner = (*parents, id(value))
    if not isinstance(value, list) and callable(getattr(value, "_asdict", None)):
        value = value._asdict()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(to_json(item, inner) for item in value) + "]"
    if isinstance(value, dict):
        members = (f"{member_name(key)}: {to_json(item, inner)}" for key, item in value.items())
        return "{" + ", ".join(members) + "}"
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


# --- errors -------------------------------------------------------------------------------------------------------------


def error_of_fault(fault, request_id):
    return error_document(fault.message, fault.error_type, fault.trace, request_id)


def error_of_exception(request_id):
    """The exception being handled, without the frames of this file that led to it."""
    kind, value, trace = sys.exc_info()
    frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(trace)]
    ours = this_file()
    for position, frame in enumerate(frames):
        if frame[0] != ours:
            frames = frames[position:]
            break
    return error_document(str(value), kind.__name__, traceback.format_list(frames), request_id)


def error_document(message, error_type, trace, request_id):
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}


def this_file():
    return error_of_exception.__code__.co_filename


def log_error(document):
    """One line to a reader of lines: the parts are parted by carriage returns."""
    parts = [f"[ERROR] {document['errorType']}: {document['errorMessage']}"]
    if document["stackTrace"]:
        parts.append("Traceback (most recent call last):")
        parts.extend(line for entry in document["stackTrace"] for line in entry.splitlines())
    sys.stdout.write("\r".join(parts) + "\n")


# --- the loop -----------------------------------------------------------------------------------------------------------


class RuntimeApi:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def next(self):
        return self._call("GET", f"{API}/invocation/next", 200)

    def post(self, path, body, content_type="application/json", **headers):
        self._call("POST", API + path, 202, body, {"Content-Type": content_type, **headers})

    def _call(self, method, path, expected_status, body=None, headers={}):
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != expected_status:
            raise RuntimeError(f"{method} {path} was answered with {response.status}: {text!r}")
        return response.headers, text


class RequestIdFilter(logging.Filter):
    request_id = ""

    def filter(self, record):
        record.aws_request_id = RequestIdFilter.request_id
        return True


def set_up_logging():
    handler = logging.StreamHandler(sys.stdout)
    layout = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    handler.setFormatter(logging.Formatter(layout, "%Y-%m-%dT%H:%M:%S"))
    handler.formatter.converter = time.gmtime
    handler.addFilter(RequestIdFilter())
    logging.getLogger().addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    if level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        logging.getLogger().setLevel(level)


def answer(handler, headers, body):
    """Calls the handler: its result and content type, or the document of the error."""
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        context = Context(headers)
        try:
            event = json.loads(body)
        except Exception as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}")
        result = handler(event, context)
        if isinstance(result, bytes):
            return result, "application/unknown", None
        try:
            return to_json(result).encode("utf-8"), "application/json", None
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}")
    except Fault as fault:
        return None, None, error_of_fault(fault, request_id)
    except Exception:
        return None, None, error_of_exception(request_id)


def main():
    if sys.path and sys.path[0] == "":
        sys.path[0] = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd())
    set_up_logging()
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    document = None
    try:
        handler = find_handler(sys.argv[1])
    except Fault as fault:
        document = error_of_fault(fault, "")
    except Exception:
        document = error_of_exception("")
    if document is not None:
        log_error(document)
        api.post("/init/error", to_json(document).encode("utf-8"),
                 **{"Lambda-Runtime-Function-Error-Type": document["errorType"]})
        sys.exit(1)

    while True:
        headers, body = api.next()
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        RequestIdFilter.request_id = request_id
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        result, content_type, document = answer(handler, headers, body)
        if document is None:
            api.post(f"/invocation/{request_id}/response", result, content_type)
        else:
            log_error(document)
            api.post(f"/invocation/{request_id}/error", to_json(document).encode("utf-8"))


main()
