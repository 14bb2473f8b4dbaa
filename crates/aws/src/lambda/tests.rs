use super::*;

#[test]
fn every_form_leads_to_the_name() {
    let cases = [
        ("createOrder", None, "arn:aws:lambda:eu-west-1:123456789012:function:createOrder"),
        ("createOrder:prod", Some("prod"), "arn:aws:lambda:eu-west-1:123456789012:function:createOrder:prod"),
        ("createOrder:$LATEST", Some("$LATEST"), "arn:aws:lambda:eu-west-1:123456789012:function:createOrder:$LATEST"),
        ("function:createOrder", None, "arn:aws:lambda:eu-west-1:123456789012:function:createOrder"),
        ("210987654321:function:createOrder", None, "arn:aws:lambda:eu-west-1:210987654321:function:createOrder"),
        ("210987654321:function:createOrder:3", Some("3"), "arn:aws:lambda:eu-west-1:210987654321:function:createOrder:3"),
        ("arn:aws:lambda:us-east-1:210987654321:function:createOrder", None, "arn:aws:lambda:us-east-1:210987654321:function:createOrder"),
        (
            "arn:aws-us-gov:lambda:us-gov-east-1:210987654321:function:createOrder:prod",
            Some("prod"),
            "arn:aws-us-gov:lambda:us-gov-east-1:210987654321:function:createOrder:prod",
        ),
        (
            "arn:aws:lambda:region:acct:function:createOrder:prod",
            Some("prod"),
            "arn:aws:lambda:eu-west-1:123456789012:function:createOrder:prod",
        ),
        ("arn:aws:lambda:::function:createOrder", None, "arn:aws:lambda:eu-west-1:123456789012:function:createOrder"),
    ];
    for (text, qualifier, arn) in cases {
        let reference = FunctionReference::parse(text).expect(text);
        assert_eq!(reference.name, "createOrder", "{text}");
        assert_eq!(reference.qualifier, qualifier, "{text}");
        assert_eq!(reference.arn("eu-west-1", "123456789012"), arn, "{text}");
    }
}

#[test]
fn other_texts_name_no_function() {
    let texts = [
        "",
        ":",
        "a:b:c",
        "create order",
        "createOrder:",
        "arn:aws:lambda:eu-west-1:123456789012:createOrder",
        "arn:aws:lambda:eu-west-1:123456789012:layer:createOrder",
        "arn:aws:sqs:eu-west-1:123456789012:function:createOrder",
        "arn:aws:lambda:eu-west-1:123456789012:function:createOrder:prod:extra",
    ];
    for text in texts {
        assert_eq!(FunctionReference::parse(text), Err(FunctionReferenceError { text: text.to_owned() }));
    }
}
