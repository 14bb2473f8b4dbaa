use super::*;

fn refusal(text: &str) -> String {
    parse(text).expect_err("a configuration that is refused").to_string()
}

#[test]
fn a_whole_file_is_read() {
    let text = r#"
        [server]
        listen = "127.0.0.1:9000"
        data = "data"
        allowed_hosts = ["skald", "*.dev.example"]
        account = "111111111111"
        region = "eu-central-1"
        [accounts]
        AKIDEXAMPLE = "222222222222"
        [lambda.hello]
        runtime = "python3"
        handler = "hello.handler"
        code = "functions"
        [limits]
        memory_mb = 512
        executions_per_second = 100
        connections = 1000
        bodies_mb = 32
        tasks_per_function = 50
    "#;
    let configuration = parse(text).expect("a configuration");
    assert_eq!(configuration.server.listen.as_deref(), Some("127.0.0.1:9000"));
    assert_eq!(configuration.server.allowed_hosts, ["skald", "*.dev.example"]);
    assert_eq!(configuration.accounts["AKIDEXAMPLE"], "222222222222");
    assert!(configuration.lambda.0.contains_key("hello"));
    let limits = LimitsTable {
        memory_mb: NonZeroU32::new(512),
        executions_per_second: NonZeroU32::new(100),
        connections: NonZeroU32::new(1_000),
        bodies_mb: NonZeroU32::new(32),
        tasks_per_function: NonZeroU32::new(50),
    };
    assert_eq!(configuration.limits, limits);
    assert_eq!(parse("").expect("an empty file"), Configuration::default());
}

#[test]
fn unknown_keys_are_named() {
    for (text, key) in [("colour = 1", "colour"), ("[server]\nlisten_on = 1", "listen_on"), ("[lambda.a]\nruntim = 1", "runtim")] {
        let message = refusal(text);
        assert!(message.contains("unknown field") && message.contains(key), "{message}");
    }
}

#[test]
fn accounts_have_twelve_digits() {
    assert_eq!(refusal("[server]\naccount = \"12\""), "[server] account = \"12\": an account has 12 digits");
    assert!(refusal("[accounts]\nkey = \"12345678901x\"").starts_with("[accounts] key = "));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = load(Some(Path::new("/nonexistent/skald.toml"))).expect_err("no such file");
    assert!(format!("{error:#}").starts_with("/nonexistent/skald.toml: "));
}
