use super::*;

fn read(parameters: &str) -> Result<InvokeRequest<'_>, ParametersError> {
    InvokeRequest::read(parameters)
}

#[test]
fn payload_is_sent_as_it_is_written() {
    let cases = [
        (r#"{"FunctionName":"f"}"#, "{}"),
        (r#"{"FunctionName":"f","Payload":null}"#, "null"),
        (r#"{"FunctionName":"f","Payload":{"big":12345678901234567890.10, "a":[ ]}}"#, r#"{"big":12345678901234567890.10, "a":[ ]}"#),
        (r#"{"FunctionName":"f","Payload":"text"}"#, r#""text""#),
    ];
    for (parameters, event) in cases {
        assert_eq!(read(parameters).expect(parameters).event, event.as_bytes());
    }
}

#[test]
fn qualifier_comes_from_its_member_or_the_name() {
    let cases = [
        (r#"{"FunctionName":"f"}"#, None, "$LATEST"),
        (r#"{"FunctionName":"f:prod"}"#, Some("prod"), "$LATEST"),
        (r#"{"FunctionName":"f","Qualifier":"7"}"#, Some("7"), "7"),
        (r#"{"FunctionName":"f:prod","Qualifier":null}"#, Some("prod"), "$LATEST"),
    ];
    for (parameters, qualifier, version) in cases {
        let request = read(parameters).expect(parameters);
        assert_eq!(request.qualifier.as_deref(), qualifier, "{parameters}");
        assert_eq!(request.executed_version(), version, "{parameters}");
    }
}

#[test]
fn wrong_members_are_named() {
    let cases = [
        (r#"{"FunctionName":"f","functionName":"g"}"#, "The field 'functionName' is not supported by Step Functions"),
        (r#"{}"#, "The field 'FunctionName' is required but was missing"),
        (r#"{"FunctionName":"a b"}"#, "The value of the field 'FunctionName' has an invalid format"),
        (r#"{"FunctionName":"f","InvocationType":"Later"}"#, "The value of the field 'InvocationType' has an invalid format"),
        (r#"{"FunctionName":"f","LogType":"All"}"#, "The value of the field 'LogType' has an invalid format"),
        (r#"{"FunctionName":"f","ClientContext":"{}"}"#, "The value of the field 'ClientContext' has an invalid format"),
        (r#"[]"#, "The value of the field 'Parameters' has an invalid format"),
    ];
    for (parameters, message) in cases {
        assert_eq!(read(parameters).expect_err(parameters).to_string(), message);
    }
}

#[test]
fn output_repeats_headers_of_one_name_in_a_list() {
    let headers = [("b", "1"), ("A", "2"), ("b", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reply = Reply {
        status: 200,
        executed_version: Some("$LATEST".to_owned()),
        headers: headers.into(),
        request_id: "r".to_owned(),
        payload: Bytes::from_static(br#" { "text" : "a \" b \\" , "n" : 1.50 } "#),
    };
    let expected = concat!(
        r#"{"ExecutedVersion":"$LATEST","Payload":{"text":"a \" b \\","n":1.50},"SdkHttpMetadata":"#,
        r#"{"AllHttpHeaders":{"b":["1","3"],"A":["2"]},"HttpHeaders":{"A":"2","b":"3"},"HttpStatusCode":200},"#,
        r#""SdkResponseMetadata":{"RequestId":"r"},"StatusCode":200}"#,
    );
    assert_eq!(reply.output().as_deref(), Some(expected));
}

#[test]
fn output_needs_json_where_there_is_a_version() {
    for payload in ["", "NaN", "{} {}"] {
        let payload = Bytes::from_static(payload.as_bytes());
        let reply = Reply::of_local(200, Some("$LATEST".to_owned()), payload, "r", "Root=1", 0);
        assert_eq!(reply.output(), None);
    }
    assert!(Reply::of_local(202, None, Bytes::new(), "r", "Root=1", 0).output().is_some());
}
