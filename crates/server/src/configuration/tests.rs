use super::*;

fn members(value: Value) -> Members {
    match value {
        Value::Object(map) => Members::root(map),
        other => panic!("{other} is no object"),
    }
}

fn logged(value: Value) -> Result<String, String> {
    let mut members = members(json!({ "loggingConfiguration": value }));
    let checked = logging(&mut members).map_err(|error| error.message)?;
    members.finish().map_err(|error| error.message)?;
    checked.expect("a configuration").accept().map_err(|error| error.message)
}

fn destinations(arns: &[&str]) -> Value {
    arns.iter().map(|arn| json!({ "cloudWatchLogsLogGroup": { "logGroupArn": arn } })).collect()
}

const GROUP: &str = "arn:aws:logs:us-east-1:111111111111:log-group:/aws/vendedlogs/states/group:*";

/// Recorded: `api_logs`.
#[test]
fn logging_is_echoed_with_defaults() {
    assert_eq!(logged(json!({})).expect("defaults"), default_logging());
    assert_eq!(
        logged(json!({ "destinations": [] })).expect("no destinations"),
        r#"{"destinations":[],"includeExecutionData":false,"level":"OFF"}"#
    );
    let full = json!({ "level": "ALL", "includeExecutionData": true, "destinations": destinations(&[GROUP]) });
    let echoed: Value = serde_json::from_str(&logged(full.clone()).expect("a whole one")).expect("JSON");
    assert_eq!(echoed, full);
}

#[test]
fn logging_that_cannot_be_is_refused() {
    let exactly_one = "Invalid Logging Configuration: Must specify exactly one Log Destination.";
    let cases = [
        (json!({ "level": "ALL" }), exactly_one),
        (json!({ "level": "ERROR", "destinations": [] }), exactly_one),
        (json!({ "level": "FATAL", "destinations": destinations(&[GROUP, GROUP]) }), exactly_one),
        (json!({ "level": "ALL", "destinations": [{}] }), "Invalid Logging Configuration: Must set valid CloudWatch Log Group ARN."),
        (
            json!({ "level": "ALL", "destinations": destinations(&["arn:aws:s3:::bucket"]) }),
            "Invalid Logging Configuration: Provided ARN is not CloudWatch Logs Log Group ARN.",
        ),
        (
            json!({ "level": "ALL", "destinations": destinations(&["arn:aws:logs:us-east-1:1:log-group:name"]) }),
            "Invalid Logging Configuration: Log Group ARN must be provided with '*' qualifier.",
        ),
        (
            json!({ "level": "LOUD" }),
            "1 validation error detected: Value 'LOUD' at 'loggingConfiguration.level' failed to satisfy constraint: \
             Member must satisfy enum value set: [ALL, ERROR, FATAL, OFF]",
        ),
    ];
    for (value, message) in cases {
        assert_eq!(logged(value.clone()).expect_err("refused"), message, "{value}");
    }
}

#[test]
fn encryption_with_a_key_is_refused_rather_than_pretended() {
    let encrypted = |value: Value| {
        let mut members = members(json!({ "encryptionConfiguration": value }));
        let checked = encryption(&mut members).expect("the right types").expect("a configuration");
        members.finish().and_then(|()| checked.accept()).map_err(|error| error.message)
    };
    assert_eq!(encrypted(json!({ "type": "AWS_OWNED_KEY" })).expect("the default"), default_encryption());
    let refused = |value, part: &str| {
        let message = encrypted(value).expect_err("refused");
        assert!(message.contains(part), "{message}");
    };
    refused(json!({ "type": "AWS_OWNED_KEY", "kmsKeyId": "k" }), "Custom kmsKeyId is not allowed when selecting AWS_OWNED_KEY.");
    refused(json!({ "type": "CUSTOMER_MANAGED_KMS_KEY" }), "Must set a valid kmsKeyId.");
    refused(json!({ "type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k" }), "Skald does not support");
    refused(json!({}), "Value null at 'encryptionConfiguration.type'");
    refused(json!({ "type": "AWS_OWNED_KEY", "kmsDataKeyReusePeriodSeconds": 59 }), "greater than or equal to 60");
}

#[test]
fn tags_are_kept_or_refused() {
    let tagged = |value: Value| {
        let mut members = members(json!({ "tags": value }));
        let checked = tags(&mut members).expect("the right types");
        members.finish().and_then(|()| checked.accept()).map_err(|error| error.kind)
    };
    assert_eq!(tagged(json!([])).expect("none"), "[]");
    assert_eq!(tagged(json!([{ "key": "a", "value": "b" }])).expect("one"), r#"[{"key":"a","value":"b"}]"#);
    assert_eq!(tagged(json!([{ "key": "a" }, { "key": "a" }])), Err("ValidationException"));
    assert_eq!(tagged(json!([{ "key": "aws:x" }])), Err("ValidationException"));
    let many: Value = (0..51).map(|index| json!({ "key": index.to_string() })).collect();
    assert_eq!(tagged(many), Err("TooManyTags"));
}

#[test]
fn tracing_is_echoed() {
    let mut with = members(json!({ "tracingConfiguration": { "enabled": true } }));
    assert_eq!(tracing(&mut with).expect("a configuration").as_deref(), Some(r#"{"enabled":true}"#));
    let mut without = members(json!({}));
    assert_eq!(tracing(&mut without).expect("absent"), None);
}
