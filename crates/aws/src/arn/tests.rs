use super::*;

fn resource(tail: &str) -> Result<StatesResource<'_>, ArnError> {
    Arn { partition: "aws", service: "states", region: "eu-west-1", account: "123456789012", resource: tail }.states_resource()
}

#[test]
fn every_kind_is_read_and_printed_alike() {
    let tails = [
        "stateMachine:orders",
        "stateMachine:orders:7",
        "stateMachine:orders:prod",
        "stateMachine:orders:7a",
        "stateMachine:orders/EachLine",
        "execution:orders:one",
        "execution:orders/EachLine:one",
        "express:orders:one:6a0b",
        "express:orders/EachLine:one:6a0b",
        "mapRun:orders/EachLine:6a0b",
        "activity:approve",
    ];
    for tail in tails {
        assert_eq!(resource(tail).expect(tail).to_string(), tail);
    }
}

#[test]
fn a_qualifier_of_digits_is_a_version() {
    assert_eq!(resource("stateMachine:orders:7"), Ok(StatesResource::Version { machine: "orders", number: 7 }));
    assert_eq!(resource("stateMachine:orders:v7"), Ok(StatesResource::Alias { machine: "orders", alias: "v7" }));
}

#[test]
fn forms_that_name_nothing_are_refused_by_their_type() {
    let tails = [
        "stateMachine",
        "stateMachine:",
        "stateMachine:a:b:c",
        "stateMachine:a/",
        "stateMachine:a/b/c",
        "stateMachine:a/b:1",
        "stateMachine:a:99999999999999999999",
        "execution:a",
        "express:a:b",
        "mapRun:a:b",
        "activity:a:b",
        "queue:a",
    ];
    for tail in tails {
        let kind = tail.split(':').next().expect("splitting yields one part").to_owned();
        assert_eq!(resource(tail), Err(ArnError::ResourceType { kind }), "{tail}");
    }
}

#[test]
fn what_is_no_arn_is_named_as_aws_names_it() {
    for text in ["invalid_arn", "", "arn", "arn:aws:states:eu-west-1:123456789012", "arn:aws:states:r:a:", "urn:aws:s:r:a:x"] {
        let error = Arn::parse(text).expect_err(text);
        assert_eq!(error.to_string(), format!("Invalid ARN prefix: {text}"));
    }
    let queue = Arn::parse("arn:aws:sqs:eu-west-1:123456789012:orders").expect("six parts");
    assert!(matches!(queue.states_resource(), Err(ArnError::Prefix { .. })));
}

#[test]
fn builders_print_what_parses_back() {
    let place = ("aws-cn", "cn-north-1", "123456789012");
    let built = [
        (Arn::state_machine(place.0, place.1, place.2, "m"), "stateMachine:m"),
        (Arn::version(place.0, place.1, place.2, "m", 3), "stateMachine:m:3"),
        (Arn::alias(place.0, place.1, place.2, "m", "prod"), "stateMachine:m:prod"),
        (Arn::execution(place.0, place.1, place.2, "m", "e"), "execution:m:e"),
        (Arn::express(place.0, place.1, place.2, "m", "e", "1"), "express:m:e:1"),
        (Arn::map_run(place.0, place.1, place.2, "m", "l", "1"), "mapRun:m/l:1"),
        (Arn::activity(place.0, place.1, place.2, "a"), "activity:a"),
    ];
    for (arn, tail) in built {
        assert_eq!(arn, format!("arn:aws-cn:states:cn-north-1:123456789012:{tail}"));
        let parsed = Arn::parse(&arn).expect("an ARN");
        assert_eq!(parsed.to_string(), arn);
        assert_eq!(parsed.states_resource().expect("a kind").to_string(), tail);
    }
}
