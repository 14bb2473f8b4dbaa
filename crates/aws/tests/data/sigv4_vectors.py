"""Prints sigv4_vectors.json: how botocore signs each request at a fixed instant. Needs `pip install botocore`."""
import datetime, json, sys
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

AT = 1440938160
CASES = [
    ("get root", "states", "us-east-1", "GET", "https://states.us-east-1.amazonaws.com/", {}, "", None),
    ("start execution", "states", "eu-west-1", "POST", "https://states.eu-west-1.amazonaws.com/",
     {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions.StartExecution"}, '{"stateMachineArn":"arn:aws:states:eu-west-1:123456789012:stateMachine:größe"}', None),
    ("invoke by ARN, encoded twice", "lambda", "us-east-1", "POST",
     "http://127.0.0.1:4566/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3AcreateOrder/invocations?Qualifier=prod",
     {"X-Amz-Invocation-Type": "RequestResponse", "X-Amz-Client-Context": "e30="}, '{"a":1}', None),
    ("session token", "lambda", "us-east-1", "POST", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/f/invocations",
     {"X-Amz-Invocation-Type": "Event"}, "", "AQoDYXdzEPT//////////wEXAMPLE=="),
    ("query in any order", "lambda", "ap-southeast-2", "GET", "https://lambda.ap-southeast-2.amazonaws.com/2015-03-31/functions/?b=2&a=x%20y&a=1&c", {}, "", None),
    ("dot segments and double slashes", "lambda", "us-east-1", "GET", "https://lambda.us-east-1.amazonaws.com/a/./b/../c//d/", {}, "", None),
    ("header with runs of spaces", "lambda", "us-east-1", "GET", "https://lambda.us-east-1.amazonaws.com/x", {"X-Amz-Meta": "  a   b  "}, "", None),
    ("unicode path", "lambda", "us-east-1", "GET", "https://lambda.us-east-1.amazonaws.com/%C3%A9%20x~y", {}, "", None),
    ("s3 path is encoded once", "s3", "us-east-1", "GET", "https://bucket.s3.us-east-1.amazonaws.com/a%20b//c", {"X-Amz-Content-SHA256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, "", None),
]
fixed = datetime.datetime.fromtimestamp(AT, datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *a, **k: fixed.replace(tzinfo=None)
vectors = []
for title, service, region, method, url, headers, body, token in CASES:
    creds = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    cls = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body.encode())
    auth = cls(creds, service, region)
    auth.add_auth(request)
    rest = url.split("//", 1)[1]
    host, _, tail = rest.partition("/")
    path, _, query = ("/" + tail).partition("?")
    signed = request.headers["Authorization"]
    vectors.append({"title": title, "service": service, "region": region, "at_seconds": AT, "session_token": token, "method": method,
                    "path": path, "query": query, "headers": {"host": host, **headers}, "body": body,
                    "x_amz_date": request.headers["X-Amz-Date"], "authorization": signed})
json.dump({"source": "botocore " + botocore.__version__, "access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "vectors": vectors}, sys.stdout, indent=1, ensure_ascii=False)
print()
